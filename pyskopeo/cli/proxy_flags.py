"""The flags of ``serve`` that make it a cache of other registries, and the options they are parsed into."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass, replace
from ..model.events import Event, Warned
from .access_options import AUTHFILE, AccessOptions
from .flags import Flag, Parsed, UsageError, duration
from .logged_events import warnings_only

if TYPE_CHECKING:
    from ..access import Access
    from ..serve.metrics import ServerMetrics
    from ..serve.proxy import Proxy
    from ..serve.upstreams import Upstream

_FRESH = 60.0

PROXY = (
    Flag("proxy", "be a read-through cache of this registry, which is at URL if that is given; repeated:"
         " of several", value="HOST[=URL]", repeat=True, group="source"),
    Flag("proxy-fresh", f"ask the registry again what a tag refers to after this time (default: {_FRESH:.0f}s)",
         value="DURATION", read=duration, default=_FRESH, group="source"),
    replace(AUTHFILE, group="source"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Which registries are cached, how they are reached, and after how many seconds tags are asked for again."""

    upstreams: tuple[Upstream, ...]
    access: AccessOptions
    fresh: float

    @classmethod
    def of(cls, parsed: Parsed) -> ProxyOptions | None:
        """Read the options, None if there is nothing to cache; raises `InvalidInput`."""
        given = parsed.repeated("proxy", str)
        if not given:
            if "proxy-fresh" in parsed.given or "authfile" in parsed.given:
                raise UsageError("--proxy-fresh and --authfile are for --proxy")
            return None
        from ..serve.upstreams import Upstream, Upstreams

        upstreams = tuple(map(Upstream.parse, given))
        Upstreams(upstreams)  # raises for one that is given twice
        return cls(upstreams, AccessOptions.without_registries(parsed), parsed.get("proxy-fresh", float))

    def open(self, store: Path, metrics: ServerMetrics) -> AbstractAsyncContextManager[Proxy]:
        """Open the application, which keeps what it fetches in ``store``."""
        from ..serve.proxy import open_proxy

        def new_access() -> Access:
            access = self.access.access(print_warning)
            return replace(access, storage=replace(access.storage, store=store))

        return open_proxy(self.upstreams, new_access, fresh=self.fresh, report=print_warning, metrics=metrics)

    def __str__(self) -> str:
        return ", ".join(one.name for one in self.upstreams)


def print_warning(event: Event) -> None:
    """Print a warning; not each retry of each request of a server."""
    if isinstance(event, Warned):
        warnings_only(event)
