"""Files of credentials: containers-auth.json(5), Docker's ``config.json``, the older ``.dockercfg``.

Text in, value out: who reads the file, and who runs a credential helper, is not decided here.
Nothing here puts what a file contains into an error or a ``repr``; a key may hold a secret as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..errors import CredentialsFailed
from ..fast_dataclass import dataclass
from ..model.reference import DOCKER_HUB

LEGACY_NAME = ".dockercfg"
# What registries.conf calls these files among its ``credential-helpers``.
AUTH_FILES = "containers-auth.json"
HUB_HOSTS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
HUB_SERVER = "https://index.docker.io/v1/"
# A trailing slash tells Docker's API addresses from a namespace called "v1".
_API_PATHS = frozenset({"", "v1/", "v2/"})


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a registry wants to know: a user and a password, or an identity token in their place.

    With an identity token the registry's token service is asked by ``grant_type=refresh_token``
    (distribution specification, OAuth2 token authentication), whatever ``username`` says.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        secrets = [name for name in ("password", "identity_token") if getattr(self, name)]
        shown = "".join(f", {name}=<hidden>" for name in secrets)
        return f"Credentials(username={self.username!r}{shown})"


@dataclass(frozen=True, slots=True)
class Helper:
    """A program to ask: ``name`` as the file has it, ``servers`` to ask it for, one after the other."""

    name: str
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
    auth: str
    identity_token: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class AuthFile:
    """One parsed file. ``where`` is its name in errors."""

    where: str
    entries: Mapping[str, _Entry] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict, repr=False)
    store: str = field(default="", repr=False)
    is_legacy: bool = False

    @classmethod
    def parse(cls, text: str, where: str) -> AuthFile:
        """Parse ``auth.json`` or ``config.json``; raises `CredentialsFailed`, naming ``where``.

        An empty file holds no credentials. Unknown fields are passed over, and names of fields
        match in any case, as Go programs read them.
        """
        fields = _object(text, where)
        return cls(
            where=where,
            entries=_entries(_member(fields, "auths"), where),
            helpers=_helpers(_member(fields, "credHelpers"), where),
            store=_text(fields, "credsStore", where),
        )

    @classmethod
    def legacy(cls, text: str, where: str) -> AuthFile:
        """Parse ``.dockercfg``, which has the entries at its top; raises `CredentialsFailed`."""
        return cls(where=where, entries=_entries(_object(text, where), where), is_legacy=True)

    def lookup(
        self, registry: str, repository: str = "", *, use_helpers: bool = True
    ) -> Credentials | Helper | None:
        """What this file says about ``repository`` at ``registry`` (``host[:port]``).

        In order: ``credHelpers``; the keys ``host/a/b``, ``host/a``, ``host``; any key that is an
        address of the host; ``credsStore``. An entry that holds nothing usable does not match, so
        the empty ones that Docker leaves for its store lead there. Without ``use_helpers`` only entries
        count. Raises `CredentialsFailed` for a matching entry that is damaged.
        """
        host = DOCKER_HUB if registry in HUB_HOSTS else registry
        helper = self.helper(host) if use_helpers else ""
        if helper:
            return Helper(helper, servers(host))
        for key in self._keys(host, repository):
            found = _credentials(self.entries[key], f"{self.where}: the entry for {host}")
            if found is not None:
                return found
        # An empty name in credHelpers is how Docker exempts one host from the store.
        return Helper(self.store, servers(host)) if self.store and helper is None else None

    def users(self) -> Iterator[tuple[str, str]]:
        """Each key with the user that is logged in there; entries that hold nothing usable are left out."""
        for key, entry in self.entries.items():
            found = _credentials(entry, f"{self.where}: the entry for {host_of(key)}")
            if found is not None:
                yield key, found.username

    def helper(self, host: str) -> str | None:
        """The name that ``credHelpers`` has for ``host``; empty exempts it from the store, None is no word of it."""
        if host in self.helpers:
            return self.helpers[host]
        return next((name for key, name in self.helpers.items() if host_of(key) == canonical_host(host)), None)

    def _keys(self, host: str, repository: str) -> Iterator[str]:
        name = f"{host}/{repository}" if repository and not self.is_legacy else host
        while name:
            if name in self.entries:
                yield name
            name = name.rpartition("/")[0]
        for key in self.entries:
            if host_of(key, is_address=self.is_legacy) == canonical_host(host):
                yield key


def locations(environ: Mapping[str, str], home: Path, uid: int, platform: str) -> tuple[Path, ...]:
    """Where credentials are kept by default, the most important first.

    ``platform`` is as in `sys.platform`. ``REGISTRY_AUTH_FILE`` is not looked at: it stands for a
    file named by the caller, and such a file is the only one read. A file called `LEGACY_NAME` is
    for `AuthFile.legacy`.
    """
    runtime = environ.get("XDG_RUNTIME_DIR")
    if platform in {"darwin", "win32"}:
        session = home / ".config/containers"
    elif runtime:
        session = Path(runtime, "containers")
    else:
        session = Path(f"/run/containers/{uid}")
    found = (
        session / "auth.json",
        Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "containers/auth.json"),
        Path(environ.get("DOCKER_CONFIG") or home / ".docker", "config.json"),
        home / LEGACY_NAME,
    )
    return tuple(dict.fromkeys(found))


def servers(host: str) -> tuple[str, ...]:
    """What a credential helper may know ``host`` by, the most usual first."""
    return (HUB_SERVER, DOCKER_HUB) if canonical_host(host) == DOCKER_HUB else (host,)


def parse_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; raises `ValueError` with a reason that quotes nothing of ``text``."""
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON that can be read: nested too deeply, or a number too long") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the text is wrong, not the argument's type
    return value


def _object(text: str, where: str) -> dict[str, Any]:
    if not text.removeprefix("\ufeff").strip():
        return {}
    try:
        return parse_object(text)
    except ValueError as error:
        raise _damaged(where, str(error)) from None


def _entries(value: object, where: str) -> dict[str, _Entry]:
    return {key: _entry(entry, where) for key, entry in _mapping(value, "auths", where).items()}


def _entry(value: object, where: str) -> _Entry:
    fields = _mapping(value, "an entry of auths", where)
    auth, token = _text(fields, "auth", where), _text(fields, "identitytoken", where)
    return _Entry(auth, token, _text(fields, "username", where), _text(fields, "password", where))


def _helpers(value: object, where: str) -> dict[str, str]:
    fields = _mapping(value, "credHelpers", where)
    if not all(isinstance(name, str) for name in fields.values()):
        raise _damaged(where, "a name in credHelpers is not a string")
    return fields


def _mapping(value: object, what: str, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _damaged(where, f"{what} is not an object")
    return value


def _text(fields: Mapping[str, object], name: str, where: str) -> str:
    value = _member(fields, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _damaged(where, f"{name} is not a string")
    return value


def _member(fields: Mapping[str, object], name: str) -> object:
    if name in fields:
        return fields[name]
    return next((value for key, value in fields.items() if key.lower() == name.lower()), None)


def _credentials(entry: _Entry, what: str) -> Credentials | None:
    username, password = _decode(entry.auth, what)
    if not (username and password):
        # `docker login` with a token leaves the user in ``auth``, without a password.
        username, password = entry.username or username, entry.password
    if entry.identity_token:
        found = Credentials(username, password, entry.identity_token)
    elif username and password:
        found = Credentials(username, password)
    else:
        return None
    try:
        f"{found.username}{found.password}{found.identity_token}".encode()
    except UnicodeEncodeError:
        raise _damaged(what, "not text that can be sent") from None
    return found


def _decode(auth: str, what: str) -> tuple[str, str]:
    """Split ``base64(user:password)``; without a colon it is nothing, as for skopeo."""
    if not auth:
        return "", ""
    import base64

    try:
        # Line ends are no part of the alphabet, yet everyone's tools leave them in.
        plain = base64.b64decode(auth.replace("\n", "").replace("\r", ""), validate=True).decode()
    except ValueError:
        raise _damaged(what, "auth is not user:password in base64 and UTF-8") from None
    username, colon, password = plain.partition(":")
    # Docker once padded passwords with NULs.
    return (username, password.strip("\0")) if colon else ("", "")


def host_of(key: str, *, is_address: bool = False) -> str:
    """The host that ``key`` is an address of; a namespace is no address, and stays as it is.

    Taking ``quay.io/team`` for ``quay.io`` would hand one team's password to every repository.
    """
    rest = key
    for scheme in ("https://", "http://"):
        rest = rest.removeprefix(scheme)
    host, _, path = rest.partition("/")
    return canonical_host(host if is_address or rest != key or path in _API_PATHS else rest)


def canonical_host(host: str) -> str:
    """``host[:port]`` in lower case; all of Docker Hub's names are one."""
    lower = host.lower()
    return DOCKER_HUB if lower in HUB_HOSTS else lower


def _damaged(where: str, problem: str) -> CredentialsFailed:
    return CredentialsFailed(f"{where}: {problem}; correct the file or log in again")
