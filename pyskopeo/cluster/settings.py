"""How workers reach registries: what of the settings of a run goes to them. There are no secrets and no paths in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..access import Access, Network, Ranges
from ..fast_dataclass import dataclass, replace
from ..http.retry import Retry
from ..model.json_fields import JsonFields

if TYPE_CHECKING:
    from ..model.events import Report

_SIDE = frozenset({"insecure", "anonymous"})
_FIELDS = frozenset({
    "source", "destination", "retries", "retryDelay", "fixedDelay", "maxRetryAfter", "stallTimeout", "responseTimeout",
    "rangeParts", "rangeSize", "requireSigned", "resume",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class SideSettings:
    """How the registry of one side is reached: ``insecure`` is that of `Trust`, ``anonymous`` that of `Keychain`."""

    insecure: bool | None = None
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What workers are told beside their own configuration; the fields are those of `Network` and `Storage`.

    ``require_signed`` refuses images that the policy of a worker would accept without a signature.
    """

    source: SideSettings = SideSettings()
    destination: SideSettings = SideSettings()
    retry: Retry = Retry()
    stall_timeout: float = Network().stall_timeout
    response_timeout: float = Network().response_timeout
    ranges: Ranges = Ranges()
    resume: bool = True
    require_signed: bool = False

    @classmethod
    def of(cls, source: Access, destination: Access, *, require_signed: bool = False) -> WorkerSettings:
        """Return the settings that two accesses have in common with those of a worker."""
        reading, writing = (
            SideSettings(one.trust.insecure, one.keychain.anonymous) for one in (source, destination)
        )
        network = destination.network
        return cls(
            reading, writing, network.retry, network.stall_timeout, network.response_timeout, network.ranges,
            destination.storage.resume, require_signed,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        sides = {
            name: {"insecure": side.insecure, "anonymous": side.anonymous}
            for name, side in (("source", self.source), ("destination", self.destination))
        }
        return {
            **sides, "retries": self.retry.times, "retryDelay": self.retry.delay, "fixedDelay": self.retry.fixed,
            "maxRetryAfter": self.retry.max_retry_after, "stallTimeout": self.stall_timeout,
            "responseTimeout": self.response_timeout, "rangeParts": self.ranges.parts, "rangeSize": self.ranges.size,
            "requireSigned": self.require_signed, "resume": self.resume,
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: object, where: str) -> WorkerSettings:
        """Return the settings of a JSON object; raises `InvalidContent`."""
        fields = JsonFields(document, where, _FIELDS)
        source, destination = (_side(fields.value(name), f"{where}: {name}") for name in ("source", "destination"))
        return cls(
            source, destination,
            Retry(
                fields.count("retries"), fields.number("retryDelay"), fields.flag("fixedDelay"),
                fields.number("maxRetryAfter"),
            ),
            fields.number("stallTimeout"), fields.number("responseTimeout"),
            replace(Ranges(), parts=fields.count("rangeParts"), size=fields.count("rangeSize")),
            fields.flag("resume"), fields.flag("requireSigned"),
        )  # fmt: skip

    def accesses(self, report: Report) -> tuple[Access, Access]:
        """Return the accesses of both sides that the environment of this process and these settings give."""
        base = Access.from_environ(report=report, require_signed=self.require_signed)
        base = replace(
            base,
            network=replace(
                base.network, retry=self.retry, stall_timeout=self.stall_timeout,
                response_timeout=self.response_timeout, ranges=self.ranges,
            ),
            storage=replace(base.storage, resume=self.resume),
        )  # fmt: skip
        source, destination = (
            replace(
                base,
                trust=replace(base.trust, insecure=side.insecure),
                keychain=replace(base.keychain, anonymous=side.anonymous),
            )
            for side in (self.source, self.destination)
        )
        return source, destination


def _side(document: object, where: str) -> SideSettings:
    fields = JsonFields(document, where, _SIDE)
    return SideSettings(None if fields.value("insecure") is None else fields.flag("insecure"), fields.flag("anonymous"))
