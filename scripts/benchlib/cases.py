"""The cases of the benchmark: what is measured, the baseline, the limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .libraries import LIBRARIES
from .links import Link
from .measure import Runs
from .target import InitialState
from .traffic import Traffic

OURS = "pyskopeo"
BEFORE = "before"  # another version of pyskopeo, with --against
ONE_CONNECTION = "one connection"  # pyskopeo, without range requests in parallel
WITHOUT_STORE = "no store"  # pyskopeo, without its content store
# Contenders that run only where they are the baseline.
VARIANTS = frozenset({ONE_CONNECTION, WITHOUT_STORE})


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
    baseline: str | None = "floor"
    tls: bool = False
    initial: InitialState = InitialState.EMPTY
    link: Link = Link.LOOPBACK
    peak_limit_mib: int = 80
    no_requests: bool = False
    tag: str = "1"
    contenders: frozenset[str] | None = None

    @property
    def counts_source(self) -> bool:
        """Whether the requests that reach the source registry are counted."""
        return self.no_requests or self.unit in (Unit.HEADS, Unit.SHARE, Unit.OTHER_BYTES)


def _start_up_case(
    name: str, title: str, kind: str, milliseconds: float, initial: InitialState = InitialState.EMPTY
) -> Case:
    """Return a case of few requests, whose time is mostly start-up: its limit is absolute."""
    return Case(name, title, "layers8", kind, milliseconds, Unit.MILLISECONDS, baseline=None, initial=initial)


def _push_case(name: str, title: str, image: str, limit: float, link: Link = Link.LOOPBACK) -> Case:
    """Return a copy from registry to registry that is timed."""
    return Case(name, title, image, "docker", limit, baseline="skopeo", link=link, peak_limit_mib=96)


def _request_case(name: str, title: str, image: str, unit: Unit, limit: float, initial: InitialState) -> Case:
    """Return a copy from registry to registry whose requests are counted."""
    return Case(name, title, image, "docker", limit, unit, baseline=None, initial=initial, peak_limit_mib=96)


def _sync_case(name: str, title: str, limit: float, link: Link = Link.LOOPBACK) -> Case:
    """Return a sync of all images of a repository to directories."""
    return Case(name, title, "small100", "sync", limit, baseline="skopeo", link=link)


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
    Case("many80-http", "80 small layers to `oci:`, http", "many80", "oci", 1.1),
    Case("archive", "8 layers to `docker-archive:`", "layers8", "docker-archive", 0.25, baseline="skopeo"),
    Case(
        *("zstd", "8 layers to `oci:`, recompressed with zstd", "layers8", "zstd", 0.70),
        baseline="skopeo",
        peak_limit_mib=128,
    ),
    _start_up_case("again", "the same image to `oci:` again", "oci", 250, InitialState.IMAGE),
    _push_case("push8", "8 layers, registry to registry", "layers8", 0.50),
    _push_case("push80", "80 small layers, registry to registry", "many80", 0.80),
    _push_case("push80-far", "80 small layers, registries 30 ms away", "many80", 0.35, Link.FAR),
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
        baseline="skopeo",
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
    ),
    # Of the others, python-dxf is the one that verifies what it downloads.
    Case(
        *("libraries8", "8 layers as files, by libraries for Python, http", "layers8", "blobs", 1.00),
        baseline="python-dxf",
        contenders=_VERSIONS | LIBRARIES.keys(),
    ),
    Case(
        *("libraries80", "80 small layers as files, by libraries for Python, http", "many80", "blobs", 1.00),
        baseline="python-dxf",
        contenders=_VERSIONS | LIBRARIES.keys(),
    ),
    _start_up_case("inspect", "`inspect --raw`", "inspect", 180),
    _start_up_case("version", "`--version`", "version", 60),
)


@dataclass(slots=True)
class Result:
    """The runs of one case by contender; where requests are counted, also the registry's traffic of each run.

    ``needed_bytes`` are those of the blobs that have to be fetched, ``image_bytes`` those of all blobs of the image.
    """

    case: Case
    needed_bytes: int = 0
    image_bytes: int = 1
    runs: dict[str, Runs] = field(default_factory=dict)
    traffic: dict[str, list[Traffic]] = field(default_factory=dict)

    def ratio(self, contender: str) -> float | None:
        """Return a contender's time divided by the baseline's, None if either is missing."""
        baseline = self.runs.get(self.case.baseline or "")
        return self.runs[contender].ratio_to(baseline) if baseline and contender in self.runs else None

    def value(self, contender: str) -> float | None:
        """Return a contender's value in the unit of the limit: a median of times, a maximum of requests or bytes.

        None if the baseline is missing.
        """
        if self.case.unit is Unit.RATIO:
            return self.ratio(contender)
        if self.case.unit is Unit.MILLISECONDS:
            return self.runs[contender].seconds * 1000
        if self.case.unit is Unit.BLOB_REQUESTS:
            return max(traffic.blob_requests for traffic in self.traffic[contender])
        if self.case.unit is Unit.HEADS:
            return max(traffic.heads for traffic in self.traffic[contender])
        if self.case.unit is Unit.SHARE:
            return max(traffic.blob_bytes for traffic in self.traffic[contender]) / self.image_bytes
        if self.case.unit is Unit.OTHER_BYTES:
            return max(traffic.blob_bytes for traffic in self.traffic[contender]) - self.needed_bytes
        return max(traffic.blob_bytes for traffic in self.traffic[contender])

    @property
    def in_limit(self) -> bool | None:
        """Whether pyskopeo is within the limit; None if the baseline is missing."""
        value = self.value(OURS)
        if self.case.unit is Unit.HEADS and any(traffic.others for traffic in self.traffic[OURS]):
            return False
        if self.case.no_requests and any(traffic.methods for traffic in self.traffic[OURS]):
            return False
        return None if value is None else value <= self.case.limit

    @property
    def in_memory(self) -> bool:
        """Whether pyskopeo's peak memory is within its limit."""
        return self.runs[OURS].peak_mib <= self.case.peak_limit_mib
