"""What a case has come to: the runs of all contenders, ratios, and whether limits are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from .cases import BEST, OURS, Case, Unit
from .measure import Run, Runs
from .peers import PEERS
from .places import Place
from .traffic import Traffic


@dataclass(slots=True)
class Result:
    """The runs of one case by contender; where requests are counted, also the registry's traffic of each run.

    ``needed_bytes`` are those of the blobs that have to be fetched, ``image_bytes`` those of all blobs of the image.
    ``failed`` says why a peer has no runs, by name.
    """

    case: Case
    needed_bytes: int = 0
    image_bytes: int = 1
    place: Place = Place.DISK
    runs: dict[str, Runs] = field(default_factory=dict)
    traffic: dict[str, list[Traffic]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, run: Run, traffic: Traffic | None) -> None:
        """Add a run, with the traffic if requests are counted."""
        self.runs.setdefault(contender, Runs()).runs.append(run)
        if traffic is not None:
            self.traffic.setdefault(contender, []).append(traffic)

    def leave_out(self, contender: str, reason: str) -> None:
        """Remove a contender's runs, which could no longer be paired with those of others."""
        self.failed[contender] = reason
        self.runs.pop(contender, None)
        self.traffic.pop(contender, None)

    @property
    def best_peer(self) -> str | None:
        """The peer with the least median time; None if no peer took part."""
        there = [name for name in PEERS if name in self.runs]
        return min(there, key=lambda name: self.runs[name].seconds, default=None)

    @property
    def baseline(self) -> str | None:
        """The contender whose time the limit refers to; None if there is none, or it has no runs."""
        name = self.best_peer if self.case.baseline == BEST else self.case.baseline
        return name if name in self.runs else None

    def ratio(self, contender: str, baseline: str | None) -> float | None:
        """Return a contender's time divided by that of ``baseline``, None if either has no runs."""
        if baseline not in self.runs or contender not in self.runs:
            return None
        return self.runs[contender].ratio_to(self.runs[baseline])

    def value(self, contender: str) -> float | None:
        """Return a contender's value in the unit of the limit: a median of times, a maximum of requests or bytes.

        None if the baseline is missing.
        """
        if self.case.unit is Unit.RATIO:
            return self.ratio(contender, self.baseline)
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
