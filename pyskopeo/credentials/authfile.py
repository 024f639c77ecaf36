"""Parsing of auth files: containers-auth.json(5), Docker's ``config.json`` and ``.dockercfg``.

Does not read files or run credential helpers. No value and no key of a file, which may be secrets,
becomes part of an error or a ``repr``.
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
HUB_HOSTS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
HUB_SERVER = "https://index.docker.io/v1/"
# Paths of Docker's API addresses; the trailing slash distinguishes them from a namespace "v1".
_API_PATHS = frozenset({"", "v1/", "v2/"})


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user name and password, or an identity token, which takes precedence.

    An identity token is sent to the registry's token service with ``grant_type=refresh_token``
    (distribution registry, "OAuth2 Token Authentication"). Secrets are not part of ``repr``.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        secrets = [name for name in ("password", "identity_token") if getattr(self, name)]
        hidden = "".join(f", {name}=<hidden>" for name in secrets)
        return f"Credentials(username={self.username!r}{hidden})"


@dataclass(frozen=True, slots=True)
class Helper:
    """A credential helper to run: its ``name`` in the file, and the ``servers`` to ask it for, in order."""

    name: str
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
    """An entry of ``auths``, with "" for what it does not have."""

    auth: str
    identity_token: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class AuthFile:
    """A parsed auth file.

    ``where`` is its path. ``helpers`` are ``credHelpers`` by server, ``store`` is ``credsStore``. ``is_legacy``
    is whether it is a ``.dockercfg``.
    """

    where: str
    entries: Mapping[str, _Entry] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict, repr=False)
    store: str = field(default="", repr=False)
    is_legacy: bool = False

    @classmethod
    def parse(cls, text: str, where: str) -> AuthFile:
        """Parse ``auth.json`` or ``config.json``; ``where`` is its path. Raises `CredentialsFailed`.

        An empty file is valid. As in Go programs, unknown fields are ignored and names match in any case.
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
        """Parse ``.dockercfg``, which is an object of entries; raises `CredentialsFailed`."""
        return cls(where=where, entries=_entries(_object(text, where), where), is_legacy=True)

    def lookup(
        self, registry: str, repository: str = "", *, use_helpers: bool = True
    ) -> Credentials | Helper | None:
        """Return the credentials for ``repository`` at ``registry`` (``host[:port]``), or the helper to run.

        Tried in this order: ``credHelpers``; the keys ``host/a/b``, ``host/a`` and ``host``; any key that is
        an address of the host; ``credsStore``. Entries without credentials, which Docker writes for
        logins in its store, do not match. Only entries are tried if ``use_helpers`` is false. Returns None
        if nothing matches. Raises `CredentialsFailed` for a matching entry that is invalid.
        """
        host = DOCKER_HUB if registry in HUB_HOSTS else registry
        helper = self.helper(host) if use_helpers else ""
        if helper:
            return Helper(helper, servers(host))
        for key in self._keys(host, repository):
            found = _credentials(self.entries[key], f"{self.where}: the entry for {host}")
            if found is not None:
                return found
        # An empty name in credHelpers exempts a host from the store, as in Docker.
        return Helper(self.store, servers(host)) if self.store and helper is None else None

    @property
    def has_secrets(self) -> bool:
        """Whether any entry holds credentials, or looks as if it did."""
        return any(entry.auth or entry.identity_token or entry.password for entry in self.entries.values())

    def users(self) -> Iterator[tuple[str, str]]:
        """Yield each key with its user name, except for entries without credentials; raises `CredentialsFailed`."""
        for key, entry in self.entries.items():
            found = _credentials(entry, f"{self.where}: the entry for {host_of(key)}")
            if found is not None:
                yield key, found.username

    def helper(self, host: str) -> str | None:
        """Return the helper of ``host`` in ``credHelpers``, None if there is none, "" if exempt from the store."""
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
    """Return the default paths of auth files, in order of precedence (containers-auth.json(5)).

    ``platform`` is as in `sys.platform`. ``REGISTRY_AUTH_FILE`` is not considered: it is the same as
    ``--authfile``, which is the only file to be read. A file called `LEGACY_NAME` is to be parsed by
    `AuthFile.legacy`.
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
    """Return the names by which a credential helper may know ``host``, the most common first."""
    return (HUB_SERVER, DOCKER_HUB) if canonical_host(host) == DOCKER_HUB else (host,)


def parse_object(text: str) -> dict[str, Any]:
    """Decode a JSON object; raises `ValueError`, whose message never contains a part of ``text``."""
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
        raise _invalid(where, str(error)) from None


def _entries(value: object, where: str) -> dict[str, _Entry]:
    return {key: _entry(entry, where) for key, entry in _mapping(value, "auths", where).items()}


def _entry(value: object, where: str) -> _Entry:
    fields = _mapping(value, "an entry of auths", where)
    auth, token = _text(fields, "auth", where), _text(fields, "identitytoken", where)
    return _Entry(auth, token, _text(fields, "username", where), _text(fields, "password", where))


def _helpers(value: object, where: str) -> dict[str, str]:
    fields = _mapping(value, "credHelpers", where)
    if not all(isinstance(name, str | None) for name in fields.values()):
        raise _invalid(where, "a name in credHelpers is not a string")
    return {server: name or "" for server, name in fields.items()}


def _mapping(value: object, what: str, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid(where, f"{what} is not an object")
    return value


def _text(fields: Mapping[str, object], name: str, where: str) -> str:
    value = _member(fields, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid(where, f"{name} is not a string")
    return value


def _member(fields: Mapping[str, object], name: str) -> object:
    if name in fields:
        return fields[name]
    return next((value for key, value in fields.items() if key.lower() == name.lower()), None)


def _credentials(entry: _Entry, what: str) -> Credentials | None:
    username, password = _decode(entry.auth, what)
    if not (username and password):
        # With an identity token, `docker login` writes an ``auth`` without a password.
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
        raise _invalid(what, "not text that can be sent") from None
    return found


def _decode(auth: str, what: str) -> tuple[str, str]:
    """Decode ``base64(user:password)``; "" and "" without a colon, as in skopeo."""
    if not auth:
        return "", ""
    import base64

    try:
        # Line ends are not part of the alphabet, but base64 tools insert them.
        plain = base64.b64decode(auth.replace("\n", "").replace("\r", ""), validate=True).decode()
    except ValueError:
        raise _invalid(what, "auth is not user:password in base64 and UTF-8") from None
    username, colon, password = plain.partition(":")
    # Docker once padded passwords with NULs.
    return (username, password.strip("\0")) if colon else ("", "")


def host_of(key: str, *, is_address: bool = False) -> str:
    """Return the host of a key that is an address (a host or URL); a key with a namespace is not changed.

    ``quay.io/team`` must not be taken for ``quay.io``: its password is not for all repositories there.
    With ``is_address``, as in ``.dockercfg``, any path is dropped.
    """
    rest = key
    for scheme in ("https://", "http://"):
        rest = rest.removeprefix(scheme)
    host, _, path = rest.partition("/")
    return canonical_host(host if is_address or rest != key or path in _API_PATHS else rest)


def canonical_host(host: str) -> str:
    """Return ``host[:port]`` in lower case, and ``docker.io`` for all names of Docker Hub."""
    lower = host.lower()
    return DOCKER_HUB if lower in HUB_HOSTS else lower


def _invalid(where: str, problem: str) -> CredentialsFailed:
    return CredentialsFailed(f"{where}: {problem}; correct the file or log in again")
