"""Credentials for a registry: what the caller gave, what the user's files say, what helpers answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import CredentialsFailed
from ..fast_dataclass import dataclass
from .authfile import AUTH_FILES, HUB_HOSTS, LEGACY_NAME, AuthFile, Credentials, Helper, locations, servers

if TYPE_CHECKING:
    from anyio import Lock

    from .bazel_helper import Answer, HeaderHelper
    from .helper_program import Programs

__all__ = ["Credentials", "Keychain"]

_HUB_API = "registry-1.docker.io"

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Once(Generic[Key, Value]):
    """Makes each value once, however many tasks ask for it at a time. Failures are remembered too."""

    def __init__(self) -> None:
        self._made: dict[Key, Value | CredentialsFailed] = {}
        self._locks: dict[Key, Lock] = {}

    async def get(self, key: Key, make: Callable[[], Awaitable[Value]]) -> Value:
        if key not in self._made:
            import anyio

            async with self._locks.setdefault(key, anyio.Lock()):
                if key not in self._made:
                    try:
                        self._made[key] = await make()
                    except CredentialsFailed as error:
                        self._made[key] = error
                    del self._locks[key]
        found = self._made[key]
        if isinstance(found, CredentialsFailed):
            raise CredentialsFailed(str(found))
        return found


class _Renewed:
    """Keeps what helpers answered about each host and repository, for as long as it is good."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Answer] = {}
        self._locks: dict[tuple[str, str], Lock] = {}

    async def get(
        self, place: tuple[str, str], make: Callable[[], Awaitable[Answer]], stale: Mapping[str, str]
    ) -> Answer:
        """The answer for ``place``; ``stale`` are headers that are good no more."""
        found = self._good(place, stale)
        if found is None:
            import anyio

            async with self._locks.setdefault(place, anyio.Lock()):
                found = self._good(place, stale)
                if found is None:
                    found = self._kept[place] = await make()
                self._locks.pop(place, None)
        return found

    def _good(self, place: tuple[str, str], stale: Mapping[str, str]) -> Answer | None:
        found = self._kept.get(place)
        if found is None or time.monotonic() >= found.until or (stale and found.headers == stale):
            return None
        return found


def _say_nothing(message: str) -> None:
    """The ``explain`` of those who do not ask."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keychain:
    """Where credentials come from. Files and helpers are asked once in the life of the object.

    ``credentials`` and ``anonymous`` settle the matter, in this order. ``registry_token`` is a
    bearer token to be sent as it is; whoever has one need not `resolve`. With ``authfile`` only
    that file is read, otherwise those of `locations`. ``warn`` gets one line for each thing that
    did not work and was passed over; ``strict`` makes it an error. ``helper_timeout`` in seconds,
    for each run of a helper. ``explain`` hears whose credentials are used, and where they are from.

    ``helpers`` is asked for what ``registries.conf`` names in ``credential-helpers``, in their order:
    programs, and `AUTH_FILES` for the files. ``header_helpers`` speak Bazel's protocol and are asked
    before any of these; see `headers`. Without ``use_helpers`` no program is run that a file names.
    """

    environ: Mapping[str, str] = field(repr=False)
    home: Path
    warn: Callable[[str], None] = field(repr=False)
    credentials: Credentials | None = None
    anonymous: bool = False
    registry_token: str = field(default="", repr=False)
    authfile: Path | None = None
    strict: bool = False
    helper_timeout: float = 30.0
    helpers: Callable[[], tuple[str, ...]] = field(default=lambda: (AUTH_FILES,), repr=False)
    header_helpers: tuple[HeaderHelper, ...] = ()
    use_helpers: bool = True
    _files: _Once[Path, AuthFile | None] = field(default_factory=_Once, init=False, repr=False)
    _answers: _Once[Helper, Credentials | None] = field(default_factory=_Once, init=False, repr=False)
    explain: Callable[[str], None] = field(default=_say_nothing, repr=False)
    _given: _Renewed = field(default_factory=_Renewed, init=False, repr=False)
    _explained: set[str] = field(default_factory=set, init=False, repr=False)

    def without_given(self) -> Keychain:
        """The same without what was given for one registry alone."""
        return replace(self, credentials=None, registry_token="")

    async def resolve(self, registry: str, repository: str = "") -> Credentials | None:
        """The credentials for ``repository`` at ``registry`` (``host[:port]``); None is anonymous.

        The first file with an answer wins. Raises `CredentialsFailed` for a file that is damaged, or
        was named and cannot be read; with ``strict`` also for everything that is else a warning.
        """
        if self.credentials is not None or self.anonymous:
            self._explain(registry, self.credentials, "as given")
            return self.credentials
        host = _HUB_API if registry in HUB_HOSTS else registry
        below = f"{repository}/tags/list" if repository else ""
        given = await self._ask_for_headers(f"https://{host}/v2/{below}")
        if given is not None and given.authorization:
            self._explain(registry, given.basic, "a credential helper's headers")
            return given.basic
        for name in self.helpers() if self.authfile is None else (AUTH_FILES,):
            if name == AUTH_FILES:
                found = await self._look_into_files(registry, repository)
            elif self._runs(name):
                helper = Helper(name, servers(registry))
                found = await self._answers.get(helper, partial(self._ask, helper, "registries.conf"))
                self._explain(registry, found, f"credential helper {name} of registries.conf")
            else:
                found = None
            if found is not None:
                return found
        self._explain(registry, None, "nowhere")
        return None

    async def _look_into_files(self, registry: str, repository: str) -> Credentials | None:
        for path in self._paths():
            file = await self._files.get(path, partial(self._open, path))
            answer = file.lookup(registry, repository) if file else None
            if file and isinstance(answer, Helper) and not self._runs(answer.name):
                answer = file.lookup(registry, repository, use_helpers=False)
            where = file.where if file else ""
            if isinstance(answer, Helper):
                helper, where = answer, f"credential helper {answer.name} of {where}"
                answer = await self._answers.get(helper, partial(self._ask, helper, file.where if file else ""))
            if isinstance(answer, Credentials):
                self._explain(registry, answer, where)
                return answer
        return None

    def _explain(self, registry: str, found: Credentials | None, where: str) -> None:
        whose = "none" if found is None else "an identity token" if found.identity_token else f"user {found.username}"
        said = f"credentials for {registry}: {whose} ({where})"
        if said not in self._explained:
            self._explained.add(said)
            self.explain(said)

    async def headers(self, uri: str, *, stale: Mapping[str, str] | None = None) -> Mapping[str, str] | None:
        """What one of ``header_helpers`` wants sent along with a request for ``uri``; None: nothing.

        For the origin of ``uri`` alone, so never along a redirect to another. An answer serves its
        host and repository until it expires, or is handed back as ``stale``, when it was refused.
        Names are as in ``Content-Type``. A Basic ``Authorization`` is not among them: `resolve` answers
        with it, since a registry may want it exchanged for a token. Raises `CredentialsFailed` if ``strict``.
        """
        if self.credentials is not None or self.anonymous or self.registry_token:
            return None
        given = await self._ask_for_headers(uri, stale or {})
        if given is None:
            return None
        if given.basic is None:
            return given.headers or None
        return {name: value for name, value in given.headers.items() if name != "Authorization"} or None

    async def _ask_for_headers(self, uri: str, stale: Mapping[str, str] | None = None) -> Answer | None:
        if not self.header_helpers:
            return None
        from . import bazel_helper

        host = bazel_helper.host_in(uri)
        helper = bazel_helper.choose(self.header_helpers, host) if host else None
        if helper is None:
            return None

        async def make() -> Answer:
            try:
                return await bazel_helper.ask(helper, uri, self._programs())
            except CredentialsFailed as error:
                self._pass_over(f"credential helper for {host}: {error}", "going on without it")
                return bazel_helper.Answer()

        return await self._given.get(bazel_helper.place_of(uri), make, stale or {})

    def _paths(self) -> tuple[Path, ...]:
        if self.authfile is not None:
            return (self.authfile,)
        return locations(self.environ, self.home, os.getuid(), sys.platform)

    async def _open(self, path: Path) -> AuthFile | None:
        from anyio import to_thread

        from .authfile_io import read

        try:
            content = await to_thread.run_sync(read, path)
        except (FileNotFoundError, NotADirectoryError):
            # skopeo says nothing either way; a file that somebody named was meant to be there.
            if self.authfile is not None:
                self._pass_over(f"credentials file {path} does not exist", "going on without credentials")
            return None
        except PermissionError as error:
            if self.authfile is not None:
                raise CredentialsFailed(f"{path}: {error.strerror}; make it readable, or name another") from None
            self._pass_over(f"{path}: {error.strerror}", "credentials in it are not used")
            return None
        except OSError as error:
            raise CredentialsFailed(f"{path}: {error.strerror or error}; correct it, or name another") from None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise CredentialsFailed(f"{path}: not text in UTF-8; correct the file or log in again") from None
        return (AuthFile.legacy if path.name == LEGACY_NAME else AuthFile.parse)(text, str(path))

    def _runs(self, name: str) -> bool:
        from .docker_helper import is_ourselves

        return self.use_helpers and not is_ourselves(name)

    async def _ask(self, helper: Helper, where: str) -> Credentials | None:
        from . import docker_helper

        try:
            return await docker_helper.get(helper.name, helper.servers, self._programs())
        except CredentialsFailed as error:
            self._pass_over(f"{where}: credential helper for {helper.servers[-1]}: {error}", "going on without it")
        return None

    def _programs(self) -> Programs:
        from .helper_program import Programs

        return Programs(self.environ, self.helper_timeout)

    def _pass_over(self, problem: str, instead: str) -> None:
        if self.strict:
            raise CredentialsFailed(problem)
        self.warn(f"{problem}; {instead}")
