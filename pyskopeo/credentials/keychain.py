"""Credentials for a registry: those the caller gave, those in the user's files, and those that helpers know."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CredentialsFailed
from ..fast_dataclass import dataclass
from ..streams.concurrency import SingleFlight
from .authfile import AUTH_FILES, HUB_HOSTS, LEGACY_NAME, AuthFile, Credentials, Helper, locations, servers

if TYPE_CHECKING:
    from .bazel_helper import HeaderHelper, HelperHeaders
    from .helper_program import Programs

__all__ = ["Credentials", "Keychain"]

_HUB_API = "registry-1.docker.io"


def _explain_nothing(message: str) -> None:
    """The default of ``explain``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keychain:
    """Where credentials come from. Each file is read, and each helper run, once in the life of the object.

    ``credentials`` and ``anonymous`` are used before anything else, in this order. ``registry_token`` is a
    bearer token that is sent as it is; who has one need not `resolve`. With ``authfile`` only that file is
    read, otherwise those of `locations`. ``warn`` is called with one line for each thing that did not work
    and was ignored; ``strict`` makes it an error. ``helper_timeout`` is in seconds, for each run of a helper.
    ``explain`` is called with a line that says which credentials are used and where they are from.

    ``helpers`` returns what ``registries.conf`` names in ``credential-helpers``, in order: programs, and
    `AUTH_FILES` for the files. ``header_helpers`` speak Bazel's protocol and are asked before any of these.
    Without ``use_helpers`` no program is run that a file names.
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
    explain: Callable[[str], None] = field(default=_explain_nothing, repr=False)
    _files: SingleFlight[Path, AuthFile | None] = field(
        default_factory=partial(SingleFlight, remembered=CredentialsFailed), init=False, repr=False
    )
    _helper_credentials: SingleFlight[Helper, Credentials | None] = field(
        default_factory=partial(SingleFlight, remembered=CredentialsFailed), init=False, repr=False
    )
    _helper_headers: SingleFlight[tuple[str, str], HelperHeaders] = field(
        default_factory=SingleFlight, init=False, repr=False
    )
    _explained: set[str] = field(default_factory=set, init=False, repr=False)

    def without_given(self) -> Keychain:
        """The same without what was given for one registry alone."""
        return replace(self, credentials=None, registry_token="")

    async def headers(self, url: str, *, stale: HelperHeaders | None = None) -> HelperHeaders | None:
        """Return the headers a helper wants sent with a request for ``url`` before any challenge; None if it has none.

        They are for the origin of ``url`` alone, so never for a redirect to another. A helper's headers are used
        for their host and repository until they expire or are passed as ``stale``, after they were refused. A
        Basic ``Authorization`` is left out: the registry may want it exchanged for a token, so `resolve` returns
        it as credentials. Raises `CredentialsFailed` if ``strict``.
        """
        if self.credentials is not None or self.anonymous or self.registry_token:
            return None
        found = await self._ask_header_helper(url, stale)
        if found is not None:
            found = found.without_basic()
        return found if found is not None and found.headers else None

    async def resolve(self, registry: str, repository: str = "") -> Credentials | HelperHeaders | None:
        """Return the credentials for ``repository`` at ``registry`` (``host[:port]``); None is anonymous.

        `HelperHeaders` are one kind of credentials: those with an ``Authorization`` other than Basic. Then the
        files are looked up in order, and the first one with an entry is used. Raises `CredentialsFailed` for a
        file that is damaged, or was named and cannot be read; with ``strict`` also for what is otherwise a warning.
        """
        if self.credentials is not None or self.anonymous:
            self._explain(registry, self.credentials, "as given")
            return self.credentials
        host = _HUB_API if registry in HUB_HOSTS else registry
        path = f"{repository}/tags/list" if repository else ""
        headers = await self._ask_header_helper(f"https://{host}/v2/{path}")
        if headers is not None and headers.authorization:
            if headers.basic is None:
                return headers
            self._explain(registry, headers.basic, "a credential helper's headers")
            return headers.basic
        for name in self.helpers() if self.authfile is None else (AUTH_FILES,):
            if name == AUTH_FILES:
                found = await self._look_up_in_files(registry, repository)
            elif self._runs(name):
                found = await self._ask_docker_helper(Helper(name, servers(registry)), "registries.conf")
                self._explain(registry, found, f"credential helper {name} of registries.conf")
            else:
                found = None
            if found is not None:
                return found
        self._explain(registry, None, "nowhere")
        return None

    async def _look_up_in_files(self, registry: str, repository: str) -> Credentials | None:
        for path in self._paths():
            file = await self._files.get(path, partial(self._read, path))
            if file is None:
                continue
            found, where = file.lookup(registry, repository), file.where
            if isinstance(found, Helper) and not self._runs(found.name):
                found = file.lookup(registry, repository, use_helpers=False)
            if isinstance(found, Helper):
                where = f"credential helper {found.name} of {where}"
                found = await self._ask_docker_helper(found, file.where)
            if found is not None:
                self._explain(registry, found, where)
                return found
        return None

    def _explain(self, registry: str, found: Credentials | None, where: str) -> None:
        whose = "none" if found is None else "an identity token" if found.identity_token else f"user {found.username}"
        message = f"credentials for {registry}: {whose} ({where})"
        if message not in self._explained:
            self._explained.add(message)
            self.explain(message)

    async def _ask_header_helper(self, url: str, stale: HelperHeaders | None = None) -> HelperHeaders | None:
        """Return the headers for ``url``, which may be none at all; None if no helper is there for its host."""
        if not self.header_helpers:
            return None
        from . import bazel_helper

        host = bazel_helper.host_in(url)
        helper = bazel_helper.choose(self.header_helpers, host) if host else None
        if helper is None:
            return None

        async def run() -> HelperHeaders:
            try:
                return await bazel_helper.ask(helper, url, self._programs())
            except CredentialsFailed as error:
                self._ignore(f"credential helper for {host}: {error}", "going on without it")
                return bazel_helper.HelperHeaders()

        def usable(headers: HelperHeaders) -> bool:
            return time.monotonic() < headers.until and not (stale and headers.headers == stale.headers)

        return await self._helper_headers.get(bazel_helper.place_of(url), run, usable=usable)

    def _paths(self) -> tuple[Path, ...]:
        if self.authfile is not None:
            return (self.authfile,)
        return locations(self.environ, self.home, os.getuid(), sys.platform)

    async def _read(self, path: Path) -> AuthFile | None:
        from anyio import to_thread

        from .authfile_io import read

        try:
            content = await to_thread.run_sync(read, path)
        except (FileNotFoundError, NotADirectoryError):
            # skopeo says nothing in either case, but a file that was named was meant to be there.
            if self.authfile is not None:
                self._ignore(f"credentials file {path} does not exist", "going on without credentials")
            return None
        except PermissionError as error:
            if self.authfile is not None:
                raise CredentialsFailed(f"{path}: {error.strerror}; make it readable, or name another") from None
            self._ignore(f"{path}: {error.strerror}", "credentials in it are not used")
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

    async def _ask_docker_helper(self, helper: Helper, where: str) -> Credentials | None:
        """``where`` is the file that names the helper, for the warning."""

        async def run() -> Credentials | None:
            from . import docker_helper

            try:
                return await docker_helper.get(helper.name, helper.servers, self._programs())
            except CredentialsFailed as error:
                self._ignore(f"{where}: credential helper for {helper.servers[-1]}: {error}", "going on without it")
            return None

        return await self._helper_credentials.get(helper, run)

    def _programs(self) -> Programs:
        from .helper_program import Programs

        return Programs(self.environ, self.helper_timeout)

    def _ignore(self, problem: str, instead: str) -> None:
        if self.strict:
            raise CredentialsFailed(problem)
        self.warn(f"{problem}; {instead}")
