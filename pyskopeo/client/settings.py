"""The settings of a client, and the access that they result in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from ..access import Access
from ..credentials.authfile import HUB_HOSTS, Credentials
from ..errors import InvalidInput
from ..fast_dataclass import dataclass, replace
from ..model.events import Explained, Report, Warned
from ..model.reference import DOCKER_HUB, is_registry, is_repository

Login: TypeAlias = tuple[str, str] | Credentials
"""A user name and a password or token, or `Credentials`."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client was made with: see `pyskopeo.Client` for the fields."""

    credentials: Login | Mapping[str, Login] | None = None
    insecure: bool | None = None
    store: Path | str | None = None
    offline: bool = False
    authfile: Path | str | None = None
    access: Access | None = None

    @property
    def is_for_one_registry(self) -> bool:
        """Whether the credentials do not say which registry they are for."""
        return self.credentials is not None and not isinstance(self.credentials, Mapping)

    def new_access(self, report: Report) -> Access:
        """Return an access with a new keychain, so that files and helpers are asked again. Raises `InvalidInput`."""
        access = Access.from_environ(report=report) if self.access is None else replace(self.access, report=report)
        given, by_name = access.keychain.credentials, access.keychain.by_name
        if isinstance(self.credentials, Mapping):
            by_name = {_checked(name): _parse_login(login) for name, login in self.credentials.items()}
        elif self.credentials is not None:
            given = _parse_login(self.credentials)
        keychain = replace(
            access.keychain, credentials=given, by_name=by_name,
            authfile=access.keychain.authfile if self.authfile is None else Path(self.authfile),
            warn=lambda message: report(Warned(message)), explain=lambda message: report(Explained(message)),
        )  # fmt: skip
        access = replace(access, keychain=keychain)
        if self.insecure is not None:
            access = replace(access, trust=replace(access.trust, insecure=self.insecure))
        if self.store is not None:
            access = replace(access, storage=replace(access.storage, store=Path(self.store)))
        if self.offline:
            access = replace(access, network=replace(access.network, offline=True))
        return access


def _parse_login(login: Login) -> Credentials:
    return login if isinstance(login, Credentials) else Credentials(*login)


def _checked(name: str) -> str:
    """Return ``host[:port][/path]`` as the keychain looks it up; the message of an error has no secret in it."""
    host, slash, path = name.partition("/")
    if not is_registry(host) or (slash and not is_repository(path)):
        raise InvalidInput(f"credentials for {ascii(name)[1:-1][:200]}: want HOST[:PORT][/PATH], without https://")
    return f"{DOCKER_HUB if host in HUB_HOSTS else host}{slash}{path}"
