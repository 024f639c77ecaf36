"""Look up credentials for a registry: given by the caller, in auth files, or from credential helpers.

Auth files are described in containers-auth.json(5).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.user_files import AUTH_FILES
from ..errors import CredentialsFailed
from ..fast_dataclass import dataclass, replace
from ..model.reference import DOCKER_HUB
from ..streams.concurrency import SingleFlight
from .authfile import HUB_HOSTS, LEGACY_NAME, AuthFile, Credentials, Helper, locations, servers

if TYPE_CHECKING:
    from .bazel_helper import HeaderHelper, HelperHeaders
    from .helper_program import Programs

__all__ = ["Credentials", "Keychain"]

_HUB_API = "registry-1.docker.io"
# Warnings about files that were given by this process: the keychains of both sides of a copy read the same files.
_exposures: set[str] = set()


def _explain_nothing(message: str) -> None:
    """Ignore the message: the default of ``explain``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keychain:
    """The sources of credentials. Each file is read once, and each helper run once, during the life of the object.

    ``credentials`` and ``anonymous`` have precedence over everything else, in this order. ``by_name`` are those of
    registries, or of the repositories below a path, by ``host[:port][/path]``, of which the longest counts; they come
    before those in files. ``registry_token`` is a bearer token that is sent as it is; with one, `resolve` is not
    needed. With ``authfile`` only that file is read, otherwise those of `locations`. ``warn`` is called with one line
    for each failure that was ignored; with ``strict`` these failures are errors. ``helper_timeout`` is the timeout of
    each run of a helper, in seconds. ``explain`` is called with one line that says which credentials are used and where
    they are from.

    ``helpers`` returns the ``credential-helpers`` of ``registries.conf``, in order: programs, and `AUTH_FILES` for the
    auth files. ``header_helpers`` are helpers in Bazel's protocol, which are run before all of these. Without
    ``use_helpers`` no program is run that a file names.
    """

    environ: Mapping[str, str] = field(repr=False)
    home: Path
    warn: Callable[[str], None] = field(repr=False)
    credentials: Credentials | None = None
    anonymous: bool = False
    by_name: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
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

    def without_explicit_credentials(self) -> Keychain:
        """Return a copy without ``credentials`` and ``registry_token``, which were given for one registry."""
        return replace(self, credentials=None, registry_token="")

    async def headers(self, url: str, *, stale: HelperHeaders | None = None) -> HelperHeaders | None:
        """Return the headers that a helper adds to a request for ``url`` before any challenge; None if there are none.

        They must be sent to the origin of ``url`` only, not to that of a redirect. A helper's headers are used for
        their host and repository until they expire, or until they are passed as ``stale`` after they were refused. A
        Basic ``Authorization`` is left out: the registry may want it exchanged for a token, so `resolve` returns it as
        credentials. Raises `CredentialsFailed` if ``strict``.
        """
        if self.credentials is not None or self.anonymous or self.registry_token:
            return None
        found = await self._ask_header_helper(url, stale)
        if found is not None:
            found = found.without_basic()
        return found if found is not None and found.headers else None

    async def resolve(self, registry: str, repository: str = "") -> Credentials | HelperHeaders | None:
        """Return the credentials for ``repository`` at ``registry`` (``host[:port]``); None means anonymous.

        Helpers in Bazel's protocol come first: their headers are returned as `HelperHeaders` if they have an
        ``Authorization`` other than Basic. Then auth files are searched in order, up to the first with an entry. Raises
        `CredentialsFailed` for a file that is damaged, or was named and cannot be read; with ``strict`` also for
        failures that are warnings otherwise.
        """
        if self.credentials is not None or self.anonymous:
            self._report_use(registry, self.credentials, "as given")
            return self.credentials
        host = _HUB_API if registry in HUB_HOSTS else registry
        path = f"{repository}/tags/list" if repository else ""
        headers = await self._ask_header_helper(f"https://{host}/v2/{path}")
        if headers is not None and headers.authorization:
            if headers.basic is None:
                return headers
            self._report_use(registry, headers.basic, "a credential helper's headers")
            return headers.basic
        if (named := self._look_up_by_name(registry, repository)) is not None:
            self._report_use(registry, named, "as given")
            return named
        for name in self.helpers() if self.authfile is None else (AUTH_FILES,):
            if name == AUTH_FILES:
                found = await self._look_up_in_files(registry, repository)
            elif self._may_run(name):
                found = await self._ask_docker_helper(Helper(name, servers(registry)), "registries.conf")
                self._report_use(registry, found, f"credential helper {name} of registries.conf")
            else:
                found = None
            if found is not None:
                return found
        self._report_use(registry, None, "nowhere")
        return None

    def _look_up_by_name(self, registry: str, repository: str) -> Credentials | None:
        name = f"{DOCKER_HUB if registry in HUB_HOSTS else registry}/{repository}" if self.by_name else ""
        while name:
            if name in self.by_name:
                return self.by_name[name]
            name = name.rpartition("/")[0]
        return None

    async def _look_up_in_files(self, registry: str, repository: str) -> Credentials | None:
        for path in self._paths():
            file = await self._files.get(path, partial(self._read, path))
            if file is None:
                continue
            found, where = file.lookup(registry, repository), file.where
            if isinstance(found, Helper) and not self._may_run(found.name):
                found = file.lookup(registry, repository, use_helpers=False)
            if isinstance(found, Helper):
                where = f"credential helper {found.name} of {where}"
                found = await self._ask_docker_helper(found, file.where)
            if found is not None:
                self._report_use(registry, found, where)
                return found
        return None

    def _report_use(self, registry: str, found: Credentials | None, where: str) -> None:
        whose = "none" if found is None else "an identity token" if found.identity_token else f"user {found.username}"
        message = f"credentials for {registry}: {whose} ({where})"
        if message not in self._explained:
            self._explained.add(message)
            self.explain(message)

    async def _ask_header_helper(self, url: str, stale: HelperHeaders | None = None) -> HelperHeaders | None:
        """Return the headers for ``url``, which may be empty; None if there is no helper for its host."""
        if not self.header_helpers:
            return None
        from . import bazel_helper

        host = bazel_helper.host_of(url)
        helper = bazel_helper.select_helper(self.header_helpers, host) if host else None
        if helper is None:
            return None

        async def run() -> HelperHeaders:
            try:
                return await bazel_helper.get_headers(helper, url, self._programs())
            except CredentialsFailed as error:
                self._warn_or_raise(f"credential helper for {host}: {error}", "going on without it")
                return bazel_helper.HelperHeaders()

        def usable(headers: HelperHeaders) -> bool:
            return time.monotonic() < headers.expires_at and not (stale and headers.headers == stale.headers)

        return await self._helper_headers.get(bazel_helper.host_and_repository(url), run, usable=usable)

    def _paths(self) -> tuple[Path, ...]:
        if self.authfile is not None:
            return (self.authfile,)
        return locations(self.environ, self.home, os.getuid(), sys.platform)

    async def _read(self, path: Path) -> AuthFile | None:
        from ..streams.cancellation import run_in_thread
        from .authfile_io import exposure, read

        try:
            content, mode = await run_in_thread(partial(read, path))
        except (FileNotFoundError, NotADirectoryError):
            # skopeo does not warn in either case, but a file that the user named should exist.
            if self.authfile is not None:
                self._warn_or_raise(f"credentials file {path} does not exist", "going on without credentials")
            return None
        except PermissionError as error:
            if self.authfile is not None:
                raise CredentialsFailed(f"{path}: {error.strerror}; make it readable, or name another") from None
            self._warn_or_raise(f"{path}: {error.strerror}", "credentials in it are not used")
            return None
        except OSError as error:
            raise CredentialsFailed(f"{path}: {error.strerror or error}; correct it, or name another") from None
        file = _parse(path, content)
        if (problem := exposure(path, mode, has_secrets=file.has_secrets)) and problem not in _exposures:
            _exposures.add(problem)
            self.warn(problem)
        return file

    def find_in_files(self, registry: str, repository: str = "") -> Credentials | None:
        """Return the credentials that an auth file has, as `resolve` does; None if `resolve` has to be called.

        Needs no event loop, whose import takes longer than all the rest of a short command.
        """
        from .authfile_io import exposure, read

        if self.credentials is not None or self.anonymous or self.by_name or self.header_helpers:
            return None
        if self.authfile is None and self.helpers() != (AUTH_FILES,):
            return None
        for path in self._paths():
            try:
                content, mode = read(path)
                file = _parse(path, content)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, CredentialsFailed):
                return None
            found = file.lookup(registry, repository)
            if isinstance(found, Helper) or exposure(path, mode, has_secrets=file.has_secrets):
                return None
            if found is not None:
                self._report_use(registry, found, file.where)
                return found
        return None

    def _may_run(self, name: str) -> bool:
        from .docker_helper import is_ourselves

        return self.use_helpers and not is_ourselves(name)

    async def _ask_docker_helper(self, helper: Helper, where: str) -> Credentials | None:
        """Return a helper's credentials; ``where`` is the file that names the helper, for the warning."""

        async def run() -> Credentials | None:
            from . import docker_helper

            try:
                return await docker_helper.get(helper.name, helper.servers, self._programs())
            except CredentialsFailed as error:
                problem = f"{where}: credential helper for {helper.servers[-1]}: {error}"
                self._warn_or_raise(problem, "going on without it")
            return None

        return await self._helper_credentials.get(helper, run)

    def _programs(self) -> Programs:
        from .helper_program import Programs

        return Programs(self.environ, self.helper_timeout)

    def _warn_or_raise(self, problem: str, instead: str) -> None:
        if self.strict:
            raise CredentialsFailed(problem)
        self.warn(f"{problem}; {instead}")


def _parse(path: Path, content: bytes) -> AuthFile:
    """Parse an auth file; raises `CredentialsFailed`."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise CredentialsFailed(f"{path}: not text in UTF-8; correct the file or log in again") from None
    return (AuthFile.legacy if path.name == LEGACY_NAME else AuthFile.parse)(text, str(path))
