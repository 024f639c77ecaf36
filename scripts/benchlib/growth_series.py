"""What `scripts/bench --growth` measures: commands whose work grows with a number of layers, tags or images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .growth_content import Repository

_SOURCE, _DESTINATION = "--src-tls-verify=false", "--dest-tls-verify=false"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run takes its images from and puts them: ``host`` of the registry, and a ``folder`` that is empty.

    ``pushed`` is the path of a repository in the registry that is empty, too.
    """

    host: str
    folder: Path
    pushed: str

    @property
    def out(self) -> Path:
        """The destination of a run that writes files."""
        return self.folder / "out"

    @property
    def lock(self) -> Path:
        """The lock file of a run that has one."""
        return self.folder / "images.lock"


Command = Callable[[Place, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Series:
    """A command and the numbers of units that it is measured with; ``kind`` is that of the repositories it reads.

    Each run of ``command`` starts with an empty folder in which ``prepare``, a command that is not measured, has run.
    """

    name: str
    title: str
    kind: str
    sizes: tuple[int, ...]
    command: Command
    prepare: Command | None = None

    @property
    def unit(self) -> str:
        """Of what there are many."""
        return self.kind.removesuffix("s")


LAYERS = (10, 100, 1000, 4000)
TAGS = (10, 1000, 10_000, 100_000)
IMAGES = (10, 100, 1000, 5000)
QUICK = {"layers": (5, 20, 50), "tags": (5, 20, 50), "images": (3, 6, 12)}


def _copy(destination: str) -> Command:
    return lambda place, size: ("copy", _SOURCE, _image(place, size), f"{destination}:{place.out}")


def _push(place: Place, size: int) -> Sequence[str]:
    return "copy", _SOURCE, _DESTINATION, _image(place, size), f"docker://{place.host}/{place.pushed}:t0"


def _image(place: Place, size: int) -> str:
    return f"docker://{place.host}/layers-{size}:t0"


def _list_tags(place: Place, size: int) -> Sequence[str]:
    return "list-tags", "--tls-verify=false", f"docker://{place.host}/tags-{size}"


def _plan(place: Place, size: int) -> Sequence[str]:
    plan = place.folder / "plan.jsonl"
    source = f"{place.host}/tags-{size}"
    return "sync", "--plan", str(plan), "--src", "docker", "--dest", "dir", _SOURCE, source, str(place.out)


def _sync(transport: str) -> Command:
    return lambda place, size: (
        "sync", "--src", "docker", "--dest", transport, _SOURCE, f"{place.host}/images-{size}", str(place.out)
    )  # fmt: skip


def _sync_to_registry(place: Place, size: int) -> Sequence[str]:
    ends = f"{place.host}/images-{size}", f"{place.host}/{place.pushed}"
    return "sync", "--src", "docker", "--dest", "docker", _SOURCE, _DESTINATION, *ends


def _sync_by_store(place: Place, size: int) -> Sequence[str]:
    return "--store", str(place.folder / "store"), *_sync("oci")(place, size)


def _archive(place: Place, size: int) -> Sequence[str]:
    repository = f"images-{size}"
    names = place.folder / "names"
    names.write_text("".join(f"docker://{place.host}/{repository}:{tag}\n" for tag in Repository(repository).tags))
    return "copy", _SOURCE, f"@{names}", f"docker-archive:{place.out}"


def _sync_archive(place: Place, _: int) -> Sequence[str]:
    return "sync", "--src", "docker-archive", "--dest", "oci", str(place.out), str(place.folder / "layout")


def _lock(place: Place, size: int) -> Sequence[str]:
    wanted = place.folder / "images.yaml"
    wanted.write_text(f'"{place.host}":\n  tls-verify: false\n  images:\n    images-{size}: []\n')
    return "lock", str(wanted), "--output", str(place.lock)


def _prefetch(place: Place, _: int) -> Sequence[str]:
    return "--store", str(place.folder / "store"), "prefetch", "--tls-verify=false", str(place.lock)


SERIES = (
    Series("layers-oci", "`copy` to `oci:`", "layers", LAYERS, _copy("oci")),
    Series("layers-docker-archive", "`copy` to `docker-archive:`", "layers", LAYERS, _copy("docker-archive")),
    Series("layers-dir", "`copy` to `dir:`", "layers", LAYERS, _copy("dir")),
    Series("layers-registry", "`copy` to a registry", "layers", LAYERS, _push),
    Series("list-tags", "`list-tags`", "tags", TAGS, _list_tags),
    Series("plan", "`sync --plan`", "tags", TAGS, _plan),
    Series("images-oci", "`sync` to `oci:`", "images", IMAGES, _sync("oci")),
    Series("images-dir", "`sync` to `dir:`", "images", IMAGES, _sync("dir")),
    Series("images-registry", "`sync` to a registry", "images", IMAGES, _sync_to_registry),
    Series("images-by-store", "`sync` to `oci:` with `--store`", "images", IMAGES, _sync_by_store),
    Series("images-docker-archive", "`copy` of several to `docker-archive:`", "images", IMAGES, _archive),
    Series("lock", "`lock`", "images", IMAGES, _lock),
    Series("images-store", "`prefetch` into the store", "images", IMAGES, _prefetch, prepare=_lock),
    # The list of the images in an archive may have 1 MiB, as with skopeo.
    Series(
        "images-from-archive",
        "`sync` of a `docker-archive:` to `oci:`",
        "images",
        (*IMAGES[:-1], 3000),
        _sync_archive,
        _archive,
    ),
)
