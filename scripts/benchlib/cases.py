"""What is measured, against what, and how much is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .lines import Line
from .measure import Runs
from .target import Given
from .traffic import Traffic

OURS = "pyskopeo"


class Unit(Enum):
    """What a limit is counted in."""

    RATIO = "ratio"
    MILLISECONDS = "ms"
    BLOB_REQUESTS = "blob requests"
    BLOB_BYTES = "blob bytes"
    HEADS = "HEAD, no other"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. A ``limit`` that is a ratio is one to ``baseline``."""

    name: str
    title: str
    image: str
    kind: str
    limit: float
    unit: Unit = Unit.RATIO
    baseline: str | None = "floor"
    tls: bool = False
    given: Given = Given.NOTHING
    line: Line = Line.NEAR
    peak_limit_mib: int = 80


def _single(name: str, title: str, kind: str, milliseconds: float, given: Given = Given.NOTHING) -> Case:
    """A case of a few requests: its time is its start-up's, and needs no baseline."""
    return Case(name, title, "layers8", kind, milliseconds, Unit.MILLISECONDS, baseline=None, given=given)


def _push(name: str, title: str, image: str, limit: float, line: Line = Line.NEAR) -> Case:
    """A copy from registry to registry."""
    return Case(name, title, image, "docker", limit, baseline="skopeo", line=line, peak_limit_mib=96)


def _counted(name: str, title: str, image: str, unit: Unit, limit: float, given: Given) -> Case:
    """A copy from registry to registry of which the requests count."""
    return Case(name, title, image, "docker", limit, unit, baseline=None, given=given, peak_limit_mib=96)


def _sync(name: str, title: str, limit: float, line: Line = Line.NEAR) -> Case:
    """All images of a repository into directories."""
    return Case(name, title, "small100", "sync", limit, baseline="skopeo", line=line)


CASES = (
    Case("layers8-http", "8 layers to `oci:`, http", "layers8", "oci", 0.85),
    Case("layers8-tls", "8 layers to `oci:`, TLS", "layers8", "oci", 0.80, tls=True),
    Case("huge1-http", "1 layer of 1.5 GB to `oci:`, http", "huge1", "oci", 0.80),
    Case("huge1-tls", "1 layer of 1.5 GB to `oci:`, TLS", "huge1", "oci", 0.80, tls=True),
    Case("many80-http", "80 small layers to `oci:`, http", "many80", "oci", 1.1),
    Case("archive", "8 layers to `docker-archive:`", "layers8", "docker-archive", 0.25, baseline="skopeo"),
    Case(
        *("zstd", "8 layers to `oci:`, recompressed with zstd", "layers8", "zstd", 0.70),
        baseline="skopeo",
        peak_limit_mib=128,
    ),
    _single("again", "the same image to `oci:` again", "oci", 250, Given.IMAGE),
    _push("push8", "8 layers, registry to registry", "layers8", 0.50),
    _push("push80", "80 small layers, registry to registry", "many80", 0.80),
    _push("push80-far", "80 small layers, registries 30 ms away", "many80", 0.35, Line.FAR),
    _counted(
        *("push-again", "80 layers to a registry that has the image", "many80"),
        *(Unit.BLOB_REQUESTS, 0, Given.IMAGE),
    ),
    _counted(
        *("push-blobs-there", "80 layers to a registry that has them, not the manifest", "many80"),
        *(Unit.BLOB_REQUESTS, 81, Given.BLOBS),  # its layers and its config
    ),
    _counted(
        *("promote", "8 layers to another repository of their registry", "layers8"),
        *(Unit.BLOB_BYTES, 0, Given.NEIGHBOUR),
    ),
    _sync("sync100", "`sync` of 100 small images to `dir:`", 0.70),
    _sync("sync100-far", "`sync` of 100 small images to `dir:`, 30 ms away, 50 MB/s a connection", 0.20, Line.NARROW),
    Case(
        *("sync100-again", "`sync` of 100 images that are there, named in a file", "small100", "sync-file"),
        *(100, Unit.HEADS, None),
        given=Given.IMAGE,
    ),
    _single("inspect", "`inspect --raw`", "inspect", 180),
    _single("version", "`--version`", "version", 60),
)


@dataclass(slots=True)
class Result:
    """The runs of every contender in one case; where it counts, what the registry was asked for."""

    case: Case
    runs: dict[str, Runs] = field(default_factory=dict)
    traffic: dict[str, list[Traffic]] = field(default_factory=dict)

    def ratio(self, contender: str) -> float | None:
        """The contender's time in units of the baseline's."""
        baseline = self.runs.get(self.case.baseline or "")
        return self.runs[contender].ratio_to(baseline) if baseline and contender in self.runs else None

    def value(self, contender: str) -> float | None:
        """What the limit is about; None when there is nothing to compare with. Of requests and bytes the most."""
        if self.case.unit is Unit.RATIO:
            return self.ratio(contender)
        if self.case.unit is Unit.MILLISECONDS:
            return self.runs[contender].seconds * 1000
        if self.case.unit is Unit.BLOB_REQUESTS:
            return max(traffic.blob_requests for traffic in self.traffic[contender])
        if self.case.unit is Unit.HEADS:
            return max(traffic.heads for traffic in self.traffic[contender])
        return max(traffic.blob_bytes for traffic in self.traffic[contender])

    @property
    def in_limit(self) -> bool | None:
        """Whether the limit is kept; None when it could not be judged."""
        value = self.value(OURS)
        if self.case.unit is Unit.HEADS and any(traffic.others for traffic in self.traffic[OURS]):
            return False
        return None if value is None else value <= self.case.limit

    @property
    def in_memory(self) -> bool:
        """Whether our peak memory is within its limit."""
        return self.runs[OURS].peak_mib <= self.case.peak_limit_mib
