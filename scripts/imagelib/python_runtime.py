"""The Python of this machine as files of an image that has no base: interpreter, standard library, C libraries."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from .tree import Tree

_PREFIX = "usr/local"
# The nonroot user of an image; nobody has to be root to run it.
USER = 65532
# Packages of the standard library that no command of ours imports.
_LEFT_OUT = re.compile(
    r"^(?:test|idlelib|turtledemo|tkinter|lib2to3|ensurepip|pydoc_data|distutils|unittest|venv|xmlrpc|wsgiref|curses|"
    r"sqlite3|site-packages|dist-packages|config-[^/]*|__phello__)/|/__pycache__/|/tests?/|^__pycache__/|"
    r"^(?:turtle|pydoc|doctest|antigravity|this|cgi|cgitb|pdb|_pyrepl)\b|"
    r"lib-dynload/_?(?:test|xxtestfuzz|xxlimited|tkinter|curses|sqlite3|dbm|gdbm|ctypes_test|crypt|readline)[^/]*$"
)
_PASSWD = f"root:x:0:0:root:/root:/sbin/nologin\npyskopeo:x:{USER}:{USER}::/home/pyskopeo:/sbin/nologin\n"
_GROUP = f"root:x:0:\npyskopeo:x:{USER}:\n"


def add_python(tree: Tree, packages: Tree, work: Path) -> None:
    """Add this Python as ``usr/local/bin/python3``, and the C libraries that it, its modules and ``packages`` need.

    ``work`` is a directory for temporary files.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    program = Path(sys._base_executable).resolve()  # type: ignore[attr-defined] # noqa: SLF001 - outside of .venv
    library = Path(sysconfig.get_path("stdlib"))
    tree.add(f"{_PREFIX}/bin/{version}", program.read_bytes(), executable=True)
    tree.link(f"{_PREFIX}/bin/python3", version)
    binaries = [program, *_extensions(packages, work / "extensions")]
    for path in sorted(library.rglob("*")):
        name = path.relative_to(library).as_posix()
        if path.is_file() and not _LEFT_OUT.search(name) and path.suffix in (".py", ".so", ".txt"):
            tree.copy(path, f"{_PREFIX}/lib/{version}/{name}")
            binaries += [path] if path.suffix == ".so" else []
    for path, source in _shared_libraries(binaries).items():
        tree.copy(source, path)
    _add_user(tree)


def _extensions(packages: Tree, folder: Path) -> list[Path]:
    """Write the extensions of ``packages`` into ``folder``, for ldd, and return their paths."""
    folder.mkdir()
    paths = []
    for number, (name, file) in enumerate(sorted(packages.files.items())):
        if re.search(r"\.so(?:\.\d+)*$", name) and file.content is not None:
            paths.append(folder / f"{number}.so")
            paths[-1].write_bytes(file.content)
    return paths


def _add_user(tree: Tree) -> None:
    tree.add("etc/passwd", _PASSWD.encode())
    tree.add("etc/group", _GROUP.encode())
    tree.add("etc/nsswitch.conf", b"hosts: files dns\n")
    tree.directory("tmp", 0o1777)


def _shared_libraries(binaries: Iterable[Path]) -> dict[str, Path]:
    """Return the libraries that ``binaries`` are linked with, by their paths in the image.

    All are beside the C library, where the loader looks for them; the loader is where programs name it.
    """
    found: dict[str, Path] = {}
    done = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False)
    for name, path in re.findall(r"^\s+(\S+) => (/\S+) \(0x", done.stdout, re.MULTILINE):
        found[name] = Path(path)
    loaders = set(re.findall(r"^\s+(/\S*ld-\S+) \(0x", done.stdout, re.MULTILINE))
    if "libc.so.6" not in found or not loaders:
        sys.exit("build_image: --base scratch needs a Python that is linked with glibc; name a base image")
    # The name of the C library's folder: the loader has it built in.
    folder = str(found["libc.so.6"].parent).removeprefix("/usr").lstrip("/")
    return {
        **{f"{folder}/{name}": path.resolve() for name, path in found.items()},
        **{loader.lstrip("/"): Path(loader).resolve() for loader in loaders},
    }
