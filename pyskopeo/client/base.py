"""What all methods of a client share: its settings, its connections, and where events go."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..access import Access
from ..errors import InvalidInput, InvalidName
from ..fast_dataclass import dataclass, replace
from ..model.choice import Choice
from ..model.events import Event, Report, ignore
from ..model.platform import Platform
from ..model.reference import Reference
from .settings import ClientSettings, Login

if TYPE_CHECKING:
    from types import TracebackType

    from ..registry.sessions import SharedConnections

# Seconds after which new calls get other connections, and what files and credential helpers say then: their answers may
# be good for some hours, and a program may run for months.
_RENEWED_AFTER = 600.0
BY_NAME = "give them by name, as credentials={HOST: (USER, PASSWORD)}"
_UNKNOWN_DIGEST = "@@unknown-digest@@"


@dataclass(frozen=True, slots=True)
class Accesses:
    """The accesses of one call: to read, to write and to delete, over the same connections."""

    reading: Access
    writing: Access
    deleting: Access


class _Connected:
    """Accesses over connections that ``calls`` are using; ``connections`` is None if they are the caller's own."""

    def __init__(self, access: Access) -> None:
        self.calls = 0
        self._opened = time.monotonic()
        self._connections: SharedConnections | None = None
        if access.network.connections is not None:
            self.accesses = Accesses(access, access, access)
            return
        from ..registry.sessions import SharedConnections

        self._connections = connections = SharedConnections()

        def sharing(actions: str) -> Access:
            shared = connections if actions == "pull" else connections.with_actions(actions)
            return replace(access, network=replace(access.network, connections=shared))

        self.accesses = Accesses(sharing("pull"), sharing("pull,push"), sharing("*,pull"))

    @property
    def is_old(self) -> bool:
        """Whether new calls get other connections."""
        return time.monotonic() - self._opened > _RENEWED_AFTER

    async def aclose(self) -> None:
        if self._connections is not None:
            await self._connections.aclose()


class ClientBase:
    """The settings and connections of a client; `pyskopeo.Client` has the methods."""

    def __init__(
        self,
        *,
        credentials: Login | Mapping[str, Login] | None = None,
        insecure: bool | None = None,
        store: Path | str | None = None,
        offline: bool = False,
        authfile: Path | str | None = None,
        access: Access | None = None,
        report: Report = ignore,
    ) -> None:
        """See the class for the arguments. Nothing is read or opened yet; raises `InvalidInput`."""
        self._settings = ClientSettings(credentials, insecure, store, offline, authfile, access)
        self._default_report = report
        self._call_report: ContextVar[Report | None] = ContextVar("report", default=None)
        self._settings.new_access(self._report)  # raises for credentials with wrong names
        self._connected: _Connected | None = None
        self._closed = False
        self._registry = ""  # the one that credentials without a name are for

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, also those in use; the client cannot be used any more."""
        self._closed = True
        await self._disconnect()

    async def _disconnect(self) -> None:
        """Close all connections; the next call opens new ones."""
        connected, self._connected = self._connected, None
        if connected is not None:
            await connected.aclose()

    def _report(self, event: Event) -> None:
        """Report an event to the call that it belongs to; connections are shared, so they cannot know that."""
        (self._call_report.get() or self._default_report)(event)

    @asynccontextmanager
    async def _call(self, *names: str, report: Report | None = None) -> AsyncIterator[Accesses]:
        """Yield the accesses for a call about ``names``, whose events go to ``report``, None: to that of the client."""
        if self._closed:
            raise InvalidInput("the client is closed")
        self._check_registries(filter(None, map(registry_of, names)))
        if (old := self._connected) is not None and old.is_old:
            self._connected = None
            if not old.calls:  # otherwise the last of them closes it
                await old.aclose()
        used = self._connected = self._connected or _Connected(self._settings.new_access(self._report))
        # Not for contexts that are left elsewhere than they were entered: those have no report of their own.
        token = None if report is None else self._call_report.set(report)
        used.calls += 1
        try:
            yield used.accesses
        finally:
            used.calls -= 1
            if token is not None:
                self._call_report.reset(token)
            if used is not self._connected and not used.calls:
                await used.aclose()

    def _check_registries(self, registries: Iterable[str]) -> None:
        """Raise `InvalidInput` if credentials for one registry would be sent to another; the first one is theirs."""
        if not self._settings.is_for_one_registry:
            return
        found = dict.fromkeys((*([self._registry] if self._registry else []), *registries))
        if len(found) > 1:
            several = " and ".join(found)
            raise InvalidInput(f"the client's credentials are for one registry, not for {several}: {BY_NAME}")
        self._registry = next(iter(found), "")


def registry_of(name: str) -> str:
    """Return the registry of an image name, "" if it has none or is not valid, which others say better."""
    if not name.startswith("docker://"):
        return ""
    try:
        return Reference.parse(name.removeprefix("docker://").removesuffix(_UNKNOWN_DIGEST)).registry
    except InvalidName:
        return ""


def as_platform(platform: Platform | Choice | str | None) -> Platform | Choice | None:
    """Return a platform that may be given as ``os/architecture[/variant]``; raises `InvalidInput`."""
    return Platform.parse(platform) if isinstance(platform, str) else platform
