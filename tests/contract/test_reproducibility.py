"""The same digest in, the same bytes out: each writer in every surroundings.

What a compressor makes depends on its version as well; here it is the same one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import IndexSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.specs import ImageSpec, layers, platforms
from tests.support.surroundings import OTHERS, USUAL, Surroundings, frozen

pytestmark = pytest.mark.usefixtures("unmeasured_processes")

# Layers of all compressions, several of them large enough that they overtake each other.
IMAGE = build(
    ImageSpec("oci", layers=(*layers(3, size=300_000), *layers(2, size=900_000, compression="zstd"), *layers(1, compression="none")))
)
DOCKER = build(ImageSpec("docker", layers=layers(4, size=200_000)))
OLD = build(ImageSpec("oci", layers=layers(2, size=300_000)))  # what the first one is built on
NEW = build(ImageSpec("oci", layers=(LayerSpec("new", base=True), LayerSpec("newer"))))
LIST = build("oci-index-attested")
# With an index among its images.
INDEX = build(IndexSpec((platforms("oci"), ImageSpec(layers=layers(2))), annotations={"b": "1", "a": "2"}))
IMAGES = {"image": IMAGE, "docker": DOCKER, "old": OLD, "new": NEW, "list": LIST, "index": INDEX}
YAML = """
{host}:
  tls-verify: false
  platforms: [linux/amd64, linux/arm64]
  images:
    test/list: ["1"]
    test/image: [{{tag: "1", name: some/app}}]
    test/old: []
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """Something that writes. ``words`` is its command line, for the folders of its sources and of what it writes.

    ``parallel`` is whether it takes the number of blobs that are copied at the same time. ``pushes`` is whether it
    writes to a registry, which is ``{registry}`` in its words. ``modes`` is whether permissions and times of files are
    those of the image.
    """

    name: str
    words: tuple[str, ...]
    parallel: bool = True
    pushes: bool = False
    modes: bool = False


WRITERS = (
    Writer("oci", ("copy", "--all", "oci:{source}:index", "oci:{out}/layout:x")),
    Writer("oci-converted", ("copy", "--format=oci", "oci:{source}:docker", "oci:{out}/layout:x")),
    Writer("oci-archive", ("copy", "--all", "oci:{source}:index", "oci-archive:{out}/image.tar:x")),
    Writer("docker-archive", ("copy", "oci:{source}:image", "docker-archive:{out}/image.tar:a/b:1")),
    Writer("dir", ("copy", "--all", "oci:{source}:index", "dir:{out}/dir")),
    Writer("gzip", ("copy", "--dest-compress-format=gzip", "oci:{source}:image", "oci-archive:{out}/image.tar")),
    Writer("zstd", ("copy", "--dest-compress-format=zstd", "oci:{source}:image", "oci-archive:{out}/image.tar")),
    Writer("plain", ("copy", "--dest-decompress", "oci:{source}:image", "dir:{out}/dir")),
    Writer("registry", ("copy", "--all", "--dest-tls-verify=false", "oci:{source}:index", "docker://{registry}/test/{name}:1"), pushes=True),
    Writer(
        "registry-converted",
        ("copy", "--format=v2s2", "--dest-compress-format=gzip", "--dest-tls-verify=false", "oci:{source}:image",
         "docker://{registry}/test/{name}:1"),
        pushes=True,
    ),
    Writer("tag-platforms", ("copy", "--all", "--tag-platforms", "oci:{source}:list", "oci:{out}/layout:x")),
    Writer("split-platforms", ("copy", "--all", "--split-platforms", "oci:{source}:list", "oci:{out}/layouts")),
    Writer("receipt", ("copy", "--all", "--receipt={out}/receipt", "oci:{source}:index", "oci:{out}/layout:x")),
    Writer("layout-split", ("layout", "split", "oci:{source}:list", "oci:{out}/layouts"), parallel=False),
    Writer(
        "index-create",
        ("index", "create", "--annotation=b=1", "--annotation=a=2", "oci:{out}/layout:x", "oci:{source}:list"),
        parallel=False,
    ),
    Writer(
        "rebase",
        ("rebase", "--old-base=oci:{source}:old", "--new-base=oci:{source}:new", "oci:{source}:image", "oci:{out}/layout:x"),
        parallel=False,
    ),
    Writer("export", ("export", "oci:{source}:image", "{out}/files.tar"), parallel=False),
    Writer("extract", ("extract", "oci:{source}:image", "--dest={out}/files", "--receipt={out}/receipt"), parallel=False, modes=True),
    Writer("lock", ("lock", "{source}/../images.yaml", "--output={out}/images.lock"), parallel=False),
    Writer(
        "prefetch",
        ("prefetch", "{source}/../images.lock", "--tls-verify=false", "--dest=oci:{out}/layout", "--receipt={out}/receipt"),
        parallel=False,
    ),
    Writer("oci-without-layers", ("copy", "--all", "--layers=none", "oci:{source}:index", "oci:{out}/layout:x")),
    Writer(
        "layout-assemble",
        ("layout", "assemble", "--root", INDEX.digest, "--from", "oci:{source}", "--out", "oci:{out}/layout:x"), parallel=False,
    ),
    Writer(
        "layout-merge", ("layout", "merge", "oci:{source}", "oci:{source}/../other", "--out", "oci:{out}/layout"), parallel=False,
    ),
    Writer("sync", ("sync", "--all", "--src=oci", "--dest=oci", "{source}", "{out}"), parallel=False),
)  # fmt: skip


@pytest.fixture(scope="module")
def hub() -> Iterator[Simulator]:
    """The registry that images are locked in: its address is part of the lock."""
    with Simulator() as registry:
        for name in ("list", "image", "old"):
            registry.add(IMAGES[name], f"test/{name}", "1")
        registry.add(OLD, "test/old", "2")
        yield registry


@pytest.fixture(scope="module")
def source(hub: Simulator) -> Iterator[Path]:
    """A layout that everybody may read, outside of the directories of tests, which are private; a lock is beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for tag, image in IMAGES.items():
            write_layout(image, folder / "layout", tag=tag)
        write_layout(OLD, folder / "other", tag="another")
        (folder / "images.yaml").write_text(YAML.format(host=hub.host))
        succeed(pyskopeo_here("lock", folder / "images.yaml", "-o", folder / "images.lock"))
        for path in (folder, *folder.rglob("*")):
            os.chmod(path, 0o755 if path.is_dir() else 0o644)
        yield folder / "layout"


Outcome = dict[str, tuple[object, bytes]]


def write(surroundings: Surroundings, source: Path) -> dict[str, Outcome]:
    """What each writer makes: content and, for each file, whether it can be executed; of a registry, all it was sent.

    All run in one process, whose start would take longer than their work.
    """
    with tempfile.TemporaryDirectory() as name, Simulator() as registry:
        os.chmod(name, 0o755)
        outs, home = {writer: Path(name) / writer.name for writer in WRITERS}, Path(name) / "home"
        for folder in (*outs.values(), home):
            folder.mkdir(mode=0o700)
            if surroundings.user is not None:
                os.chown(folder, surroundings.user, surroundings.user)
        restore = frozen(source) if surroundings.frozen else None
        try:
            lines = [words_of(writer, surroundings, source, out, registry) for writer, out in outs.items()]
            done = surroundings.run(lines, home)
        finally:
            if restore:
                restore()
        assert done.returncode == 0, done.stderr.decode()
        return {writer.name: sent_to(registry, writer) | files(out, modes=writer.modes) for writer, out in outs.items()}


def words_of(writer: Writer, surroundings: Surroundings, source: Path, out: Path, registry: Simulator) -> list[str]:
    words = [word.format(source=source, out=out, registry=registry.host, name=writer.name) for word in writer.words]
    if writer.parallel and surroundings.parallel:
        words.append(f"--image-parallel-copies={surroundings.parallel}")
    return words


def sent_to(registry: Simulator, writer: Writer) -> Outcome:
    if not writer.pushes:
        return {}
    repository = f"test/{writer.name}"
    manifests = {name: found.raw for name, found in registry.store.manifests(repository).items()}
    sent = {**manifests, **registry.blobs(repository)}
    assert sent
    return {name: (0, content) for name, content in sorted(sent.items())}


def files(folder: Path, *, modes: bool) -> Outcome:
    """What a Nix archive keeps of a folder: names, contents, and whether a file can be executed; or mode and time."""
    found: Outcome = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kept = (status.st_mode, status.st_mtime) if modes and path.parent != folder else status.st_mode & 0o111
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = "link", os.fsencode(os.readlink(path))
        elif path.is_file() or modes:
            found[path.relative_to(folder).as_posix()] = kept, path.read_bytes() if path.is_file() else b""
    return found


@pytest.fixture(scope="module")
def usual(source: Path) -> dict[str, Outcome]:
    """What the writers make in the usual surroundings."""
    made = write(USUAL, source)
    assert all(made.values())
    return made


@pytest.mark.parametrize("surroundings", OTHERS, ids=lambda one: one.name)
def test_the_bytes_do_not_depend_on_the_surroundings(
    surroundings: Surroundings, source: Path, usual: dict[str, Outcome]
) -> None:
    if surroundings.user is not None and os.geteuid() != 0:
        pytest.skip("needs root, to run as another user")
    made = write(surroundings, source)
    assert made.keys() == usual.keys()
    assert [name for name, outcome in made.items() if outcome != usual[name]] == []
