"""The order of the rooms: imports only go up, and each room keeps to what it is for."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pyskopeo"

# A room may import those before it in the table of ARCHITECTURE.md.
_TABLE = (PACKAGE.parent / "ARCHITECTURE.md").read_text().partition("| room |")[2].partition("\n\n")[0]
ORDER = (*re.findall(r"^\| `(\w+)` \|", _TABLE, re.MULTILINE), "__init__", "__main__")

# Modules that cost time to load, and who may load them with itself; all others load them where they use them.
HEAVY = {
    "httpx": ("http/httpx_import.py",),
    "anyio": ("http/loop_bridge.py", "http/request_body.py", "registry/upload_attempt.py",
              "registry/streamed_request.py", "registry/upload_session.py"),
    "tarfile": ("storage/tar.py",),
    "tempfile": ("storage/scratch.py",),
    "ssl": ("http/client_context.py",),  # imported for https
    # Imported where uvicorn is.
    **dict.fromkeys(("asyncio", "uvicorn"), ("serve/protocol.py", "serve/fast_protocol.py")),
    **dict.fromkeys(
        ("backports", "bz2", "certifi", "cryptography", "isal", "lzma", "multiprocessing", "nacl", "publicsuffixlist",
         "pysequoia",
         "bcrypt", "dask", "distributed", "prometheus_client", "rich", "starlette", "subprocess", "tomllib", "trio", "yaml"), (),
    ),
}  # fmt: skip

# What values and grammar have no business with: files, clocks, networks, event loops.
NOT_IN_MODEL = {"os", "pathlib", "io", "tempfile", "shutil", "time", "socket", "subprocess", "threading", "asyncio"}
THIRD_PARTY = {"httpx", "anyio", "rich", "yaml", "isal", "backports", "starlette", "uvicorn", "certifi", "cryptography", "trio", "publicsuffixlist", "nacl", "bcrypt", "dask", "distributed", "prometheus_client"}


@dataclass(frozen=True)
class Import:
    """``module`` is dotted and absolute. ``typing``: below TYPE_CHECKING; ``inside``: in a function."""

    file: str
    line: int
    module: str
    typing: bool
    inside: bool

    @property
    def room(self) -> str:
        return room_of(self.file)

    @property
    def target(self) -> str:
        """The room it comes from; "" for other packages."""
        package, _, rest = self.module.partition(".")
        if package != "pyskopeo" or rest == "__version__":  # a constant, set before anything is imported
            return ""
        return rest.partition(".")[0] or "__init__"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def room_of(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


# Not when this file is imported: each process of a run does that, and one of them runs the tests.
@functools.cache
def parsed(file: str) -> ast.Module:
    return ast.parse(FILES[file].read_text())


def imports_of(file: str, tree: ast.Module) -> Iterator[Import]:
    package = ["pyskopeo", *file.split("/")[:-1]]

    def visit(node: ast.AST, typing: bool, inside: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, typing, inside)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join((*base, *([node.module] if node.module else [])))
            # `from . import x` names modules; `from .x import y` names what is in one.
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                path = PACKAGE.parent / whole.replace(".", "/")
                named = node.module is None or path.is_dir() or path.with_suffix(".py").is_file()
                yield Import(file, node.lineno, whole if named else module, typing, inside)
        below = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.body:
                yield from visit(statement, True, below)
            for statement in node.orelse:
                yield from visit(statement, typing, below)
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child, typing, below)

    yield from visit(tree, False, False)


@functools.cache
def imports() -> list[Import]:
    return [found for file in FILES for found in imports_of(file, parsed(file))]


def test_the_test_sees_imports() -> None:
    source = "import a.b\nif TYPE_CHECKING:\n from ..errors import X\ndef f():\n from . import oci\n"
    found = list(imports_of("transports/x.py", ast.parse(source)))
    assert [(one.module, one.typing, one.inside, one.target) for one in found] == [
        ("a.b", False, False, ""),
        ("pyskopeo.errors", True, False, "errors"),
        ("pyskopeo.transports.oci", False, True, "transports"),
    ]
    assert len(imports()) > 300
    assert {one.typing for one in imports()} == {one.inside for one in imports()} == {True, False}


def test_every_room_has_its_place() -> None:
    assert {room_of(file) for file in FILES} == set(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_imports_only_go_up(room: str) -> None:
    above = set(ORDER[: ORDER.index(room) + 1])
    found = [i for i in imports() if i.room == room and i.target and not i.typing and i.target not in above]
    if room == "cli":
        found = [i for i in found if i.module != "pyskopeo"]
    assert list(map(str, found)) == []


def test_no_modules_import_each_other() -> None:
    """Not in a circle of any length, imports for types alone and those inside functions included."""
    modules = {module_of(file) for file in FILES}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for i in imports():
        if i.target and (target := nearest(i.module, modules)) != module_of(i.file):
            graph[module_of(i.file)].add(target)
    assert circles(graph) == []


def module_of(file: str) -> str:
    return f"pyskopeo.{file[:-3].replace('/', '.')}".removesuffix(".__init__")


def nearest(dotted: str, modules: set[str]) -> str:
    while dotted not in modules:
        dotted = dotted.rpartition(".")[0]
    return dotted


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules each of which reaches all others of its group (strongly connected components)."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for following in graph[waiting.pop()] - seen:
                seen.add(following)
                waiting.append(following)
        return seen

    reach = {module: reached(module) for module in graph}
    groups = {frozenset(other for other in reach[module] if module in reach[other]) for module in graph}
    return sorted(sorted(group) for group in groups if group)


def test_circles_are_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_nobody_imports_the_front_door_from_inside() -> None:
    inside = [i for i in imports() if i.module == "pyskopeo" and i.room not in ("__main__", "__init__")]
    assert list(map(str, inside)) == []


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("fast_dataclass", set[str]()),
        ("errors", set[str]()),
        ("gocompat", {"errors", "gocompat"}),
        ("model", {"errors", "gocompat", "model"}),
        ("streams", {"errors", "model", "streams"}),
        ("config", {"config", "errors", "model"}),
        ("credentials", {"config", "credentials", "errors", "gocompat", "model", "streams"}),
        ("http", {"config", "errors", "http", "model", "streams"}),
        ("encryption", {"encryption", "errors", "gocompat", "model", "streams"}),
        ("engine", {"access", "config", "encryption", "engine", "errors", "interfaces", "model", "signatures", "streams"}),
    ],
)
def test_rooms_that_know_few_others_even_by_type(room: str, allowed: set[str]) -> None:
    found = [i for i in imports() if i.room == room and i.target and i.target not in allowed | {"fast_dataclass"}]
    assert list(map(str, found)) == []


def test_the_model_is_values_and_grammar() -> None:
    found = [i for i in imports() if i.room == "model" and i.module.partition(".")[0] in NOT_IN_MODEL | THIRD_PARTY]
    # For `os.uname`, of which `platform` is the expensive spelling.
    assert list(map(str, found)) == [str(i) for i in found if (i.file, i.module) == ("model/platform.py", "os")]
    for file in FILES:
        if room_of(file) == "model":
            for node in ast.walk(parsed(file)):
                assert not isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncWith), f"{file}: {node}"
                assert not (isinstance(node, ast.Name) and node.id in ("open", "input")), f"{file}:{node.lineno}"


def test_a_plan_is_made_without_input_or_output() -> None:
    for node in ast.walk(parsed("engine/plan.py")):
        assert not isinstance(node, ast.Await | ast.AsyncFunctionDef), node
    names = {i.module.partition(".")[0] for i in imports() if i.file == "engine/plan.py"}
    assert names <= {"__future__", "collections", "dataclasses", "pyskopeo", "typing"}


def test_transports_import_neither_each_other_nor_those_who_use_them() -> None:
    """A transport is a module, or a package of its own."""
    users = {"engine", "api", "serve", "cli", "__init__"}

    def transport(dotted: str) -> str:
        return ".".join(dotted.split(".")[:3])

    found = [
        i for i in imports()
        if i.room == "transports" and (i.target in users or (
            i.target == "transports" and transport(i.module) != transport(f"pyskopeo.{i.file[:-3].replace('/', '.')}")
        ))
    ]  # fmt: skip
    assert list(map(str, found)) == []


def test_only_the_registry_transport_knows_the_registry() -> None:
    """Besides, layouts have layers fetched from the URLs that their descriptors name, and a proxy passes on what it has."""
    found = [
        i for i in imports()
        if i.target == "registry" and not i.typing and i.room not in ("registry", "__init__")
        and i.file not in ("transports/docker.py", "client/base.py", "api/blobs.py", "api/catalog.py", "api/deletion.py", "api/detachment.py", "api/referrers.py", "api/repositories.py", "api/several_images.py", "api/tag_details.py", "serve/blob_fetches.py", "serve/proxy_content.py", "serve/upstream_connections.py", "syncing/registry_queries.py", "syncing/stored_signatures.py")
        and not (i.file in ("transports/oci.py", "transports/oci_archive.py") and i.module.endswith(".external_blob"))
    ]  # fmt: skip
    assert [str(i) for i in found if i.room != "cli"] == []


def test_heavy_modules_are_loaded_where_they_are_used() -> None:
    found = [
        i for i in imports()
        if (top := i.module.partition(".")[0]) in HEAVY and not i.typing and not i.inside and i.file not in HEAVY[top]
    ]  # fmt: skip
    assert list(map(str, found)) == []


def test_a_docker_daemon_is_reached_without_httpx() -> None:
    """It uses what is below httpx, so that a command does not wait for what it has no use for."""
    modules = {module_of(file) for file in FILES}
    needed = {module_of(file) for file in FILES if file.startswith("transports/docker_daemon/")}
    waiting = list(needed)
    while waiting:
        importer = waiting.pop()
        for i in imports():
            if i.target and not i.typing and module_of(i.file) == importer:
                found = nearest(i.module, modules)
                if found not in needed:
                    needed.add(found)
                    waiting.append(found)
    assert "pyskopeo.http.connection_pool" in needed
    assert "pyskopeo.http.httpx_import" not in needed


def _chains(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("file", [file for file in FILES if room_of(file) != "cli"])
def test_only_the_command_line_prints_and_reads_arguments_or_the_environment(file: str) -> None:
    banned = {
        "print", "input", "exit", "quit", "sys.argv", "sys.exit", "sys.stdin", "sys.stdout", "sys.stderr", "os.environ",
        "os.environb", "os.getenv", "os._exit", "logging",
    }  # fmt: skip
    if file == "access.py":  # where a user's settings are read, for library and command line alike
        banned -= {"os.environ"}
    if file == "__main__.py":
        banned -= {"sys.exit"}
    found = [f"{file}:{line}: {name}" for line, name in _chains(parsed(file)) if name in banned]
    assert found == []


def test_access_reads_the_environment_in_one_place_only() -> None:
    functions = [
        node.name
        for node in ast.walk(parsed("access.py"))
        if isinstance(node, ast.FunctionDef) and "os.environ" in ast.unparse(node)
    ]
    assert functions == ["from_environ"]
    assert ast.unparse(parsed("access.py")).count("os.environ") == 1


@pytest.mark.parametrize("file", FILES)
def test_every_module_says_what_it_is(file: str) -> None:
    assert ast.get_docstring(parsed(file)) or file == "transports/__init__.py"
    limit = 500 if file == "__init__.py" else 320  # that one is two lists of the public names
    assert len((PACKAGE / file).read_text().splitlines()) <= limit, "split it by idea"
