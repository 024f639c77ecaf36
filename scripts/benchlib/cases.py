"""The cases of the benchmark: what is measured, the baseline, the limit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from .libraries import LIBRARIES
from .links import Link
from .places import Place
from .target import InitialState

OURS = "pyskopeo"
BEFORE = "before"  # another version of pyskopeo, with --against
ONE_CONNECTION = "one connection"  # pyskopeo, without range requests in parallel
WITHOUT_STORE = "no store"  # pyskopeo, without its content store
ONE_BY_ONE = "one by one"  # pyskopeo, a command for each image
# Contenders that run only where they are the baseline.
VARIANTS = frozenset({ONE_CONNECTION, WITHOUT_STORE, ONE_BY_ONE})
FLOOR = "floor"
BEST = "best"  # as a baseline: the fastest of `PEERS` in that case
# Kinds of jobs that write no image.
_QUESTIONS = frozenset({"inspect", "inspect-all", "plan-all", "version"})


class Unit(Enum):
    """The unit of a limit."""

    RATIO = "ratio"
    MILLISECONDS = "ms"
    BLOB_REQUESTS = "blob requests"
    BLOB_BYTES = "blob bytes"
    HEADS = "HEAD, no other"
    SHARE = "of the image's bytes"
    OTHER_BYTES = "bytes of other blobs"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table.

    ``image`` is a key of `generate.RECIPES`, ``kind`` that of a `Job`. ``limit`` is in ``unit``; a ratio is to the time
    of the contender ``baseline``. ``initial`` is what the destination contains before a run. ``no_requests`` is another
    limit: no request may be sent. ``tag`` is that of the image. ``contenders`` are those that take part, None: all.
    """

    name: str
    title: str
    image: str
    kind: str
    limit: float
    unit: Unit = Unit.RATIO
    baseline: str | None = FLOOR
    tls: bool = False
    initial: InitialState = InitialState.EMPTY
    link: Link = Link.LOOPBACK
    peak_limit_mib: int = 64
    no_requests: bool = False
    tag: str = "1"
    contenders: frozenset[str] | None = None

    @property
    def counts_source(self) -> bool:
        """Whether the requests that reach the source registry are counted."""
        return self.no_requests or self.unit in (Unit.HEADS, Unit.SHARE, Unit.OTHER_BYTES)

    def belongs_to(self, places: Collection[Place]) -> tuple[Place, ...]:
        """Return where the case is measured, of several places: only at the last one if it hardly depends on that.

        That is so where little is written, a slow link takes the time, or requests are counted; and of libraries.
        """
        timed = self.unit in (Unit.RATIO, Unit.MILLISECONDS) and self.link is not Link.NARROW
        depends = timed and self.kind not in ("blobs", *_QUESTIONS)
        return tuple(places) if depends else tuple(places)[-1:]


def _start_up_case(
    name: str, title: str, kind: str, milliseconds: float, initial: InitialState = InitialState.EMPTY
) -> Case:
    """Return a case of few requests, whose time is mostly start-up: its limit is absolute."""
    return Case(name, title, "layers8", kind, milliseconds, Unit.MILLISECONDS, baseline=None, initial=initial)


def _push_case(name: str, title: str, image: str, limit: float, link: Link = Link.LOOPBACK) -> Case:
    """Return a copy from registry to registry that is timed."""
    return Case(name, title, image, "docker", limit, baseline=BEST, link=link, peak_limit_mib=96)


def _request_case(name: str, title: str, image: str, unit: Unit, limit: float, initial: InitialState) -> Case:
    """Return a copy from registry to registry whose requests are counted."""
    return Case(name, title, image, "docker", limit, unit, baseline=None, initial=initial, peak_limit_mib=96)


def _sync_case(name: str, title: str, limit: float, link: Link = Link.LOOPBACK) -> Case:
    """Return a sync of all images of a repository to directories."""
    return Case(name, title, "small100", "sync", limit, baseline=BEST, link=link)


_VERSIONS = frozenset({OURS, BEFORE})

CASES = (
    Case("layers8-http", "8 layers to `oci:`, http", "layers8", "oci", 0.85),
    Case("layers8-tls", "8 layers to `oci:`, TLS", "layers8", "oci", 0.80, tls=True),
    Case("huge1-http", "1 layer of 1.5 GB to `oci:`, http", "huge1", "oci", 0.80),
    Case("huge1-tls", "1 layer of 1.5 GB to `oci:`, TLS", "huge1", "oci", 0.80, tls=True),
    Case(
        *("huge1-limited", "1 layer of 1.5 GB to `oci:`, 30 ms away, 50 MB/s a connection", "huge1", "oci", 0.20),
        baseline=ONE_CONNECTION,
        contenders=_VERSIONS | {ONE_CONNECTION},
        link=Link.NARROW,
    ),
    Case("many80-http", "80 layers of 2.5 MB to `oci:`, http", "many80", "oci", 1.00, baseline=BEST),
    Case(
        *("many80-far", "80 layers of 2.5 MB to `oci:`, 30 ms away", "many80", "oci", 0.80),
        baseline=BEST,
        link=Link.FAR,
    ),
    Case("archive", "8 layers to `docker-archive:`", "layers8", "docker-archive", 0.25, baseline=BEST),
    Case(
        *("zstd", "8 layers to `oci:`, recompressed with zstd", "layers8", "zstd", 0.70),
        baseline=BEST,
        peak_limit_mib=128,
    ),
    _start_up_case("again", "the same image to `oci:` again", "oci", 160, InitialState.IMAGE),
    _push_case("push8", "8 layers, registry to registry", "layers8", 0.95),
    _push_case("push80", "80 layers of 2.5 MB, registry to registry", "many80", 0.95),
    _push_case("push80-far", "80 layers of 2.5 MB, registries 30 ms away", "many80", 0.35, Link.FAR),
    _request_case(
        *("push-again", "80 layers to a registry that has the image", "many80"),
        *(Unit.BLOB_REQUESTS, 0, InitialState.IMAGE),
    ),
    _request_case(
        *("push-blobs-there", "80 layers to a registry that has them, not the manifest", "many80"),
        *(Unit.BLOB_REQUESTS, 81, InitialState.BLOBS),  # its layers and its config
    ),
    _request_case(
        *("promote", "8 layers to another repository of their registry", "layers8"),
        *(Unit.BLOB_BYTES, 0, InitialState.OTHER_REPOSITORY),
    ),
    _sync_case("sync100", "`sync` of 100 small images to `dir:`", 0.70),
    _sync_case(
        *("sync100-far", "`sync` of 100 small images to `dir:`, 30 ms away, 50 MB/s a connection"),
        *(0.20, Link.NARROW),
    ),
    Case(
        *("sync100-again", "`sync` of 100 images that are there, named in a file", "small100", "sync-file"),
        *(100, Unit.HEADS, None),
        initial=InitialState.IMAGE,
    ),
    Case(
        *("killed", "8 layers to `oci:`, after a pull that was killed at 90 %", "layers8", "oci", 0.12, Unit.SHARE),
        baseline=None,
        initial=InitialState.KILLED,
        link=Link.NARROW,
        contenders=_VERSIONS | {"skopeo"},
    ),
    Case(
        *("store-shared", "8 layers to `oci:`, 7 of them in the store", "pair8", "oci", 0, Unit.OTHER_BYTES),
        baseline=None,
        initial=InitialState.FIRST_STORED,
        tag="t001",
        contenders=_VERSIONS,
    ),
    Case(
        *("store-pinned", "8 layers to `oci:`, by digest, from the store", "layers8", "oci-pinned", 0.30),
        baseline=WITHOUT_STORE,
        initial=InitialState.STORED,
        no_requests=True,
        contenders=_VERSIONS | {WITHOUT_STORE},
    ),
    Case(
        *("four", "8 layers to one `oci:`, by four processes at once", "layers8", "oci-four", 0, Unit.OTHER_BYTES),
        baseline=None,
        contenders=_VERSIONS,  # of several writers at once, skopeo keeps one name
    ),
    Case(
        *("lock20", "`prefetch` of a lock of 20 images to `oci:`, 30 ms away; skopeo: a loop of `copy`", "lock20"),
        *("prefetch", 0.15),
        baseline=BEST,
        link=Link.FAR,
        contenders=frozenset({OURS, "skopeo"}),
    ),
    Case(
        *("lock20-again", "the same lock again", "lock20", "prefetch", 400, Unit.MILLISECONDS),
        baseline=None,
        initial=InitialState.IMAGE,
        link=Link.FAR,
        no_requests=True,
        contenders=frozenset({OURS}),
    ),
    Case(
        *("extract-one", "one file of an image of 8 layers, from the middle", "layers8", "extract-one", 0.50),
        baseline="crane",
        contenders=_VERSIONS | {"crane", "skopeo"},
        peak_limit_mib=96,  # the names of all files of two layers
    ),
    # Of the others, python-dxf is the one that verifies what it downloads.
    Case(
        *("libraries8", "8 layers as files, by libraries for Python, http", "layers8", "blobs", 1.00),
        baseline="python-dxf",
        contenders=_VERSIONS | LIBRARIES.keys(),
    ),
    Case(
        *("libraries80", "80 layers of 2.5 MB as files, by libraries for Python, http", "many80", "blobs", 1.00),
        baseline="python-dxf",
        contenders=_VERSIONS | LIBRARIES.keys(),
    ),
    Case(
        *("inspect100", "`inspect` of 100 images in one command; skopeo: a loop", "small100", "inspect-all", 0.15),
        baseline=ONE_BY_ONE,
        contenders=frozenset({OURS, ONE_BY_ONE, "skopeo"}),
    ),
    Case(
        *("plan100", "`copy --dry-run` of 100 images in one command", "small100", "plan-all", 0.15),
        baseline=ONE_BY_ONE,
        contenders=frozenset({OURS, ONE_BY_ONE}),
    ),
    _start_up_case("inspect", "`inspect --raw`", "inspect", 150),
    _start_up_case("version", "`--version`", "version", 60),
)
