"""Editing of auth files, keeping everything else in them (containers-auth.json(5), Docker's ``config.json``).

The result is formatted as by skopeo: tabs, sorted entries, no final newline.
"""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import Any

from ..errors import CredentialsFailed, InvalidContent, InvalidInput
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps, sorted_map
from ..model.reference import DOCKER_HUB
from .authfile import HUB_SERVER, AuthFile, Credentials, canonical_host, host_of, servers
from .authkey import AuthKey

_FIELDS = ("auths", "credHelpers")
_KNOWN = ("auth", "identitytoken")


@dataclass(slots=True)
class AuthDocument:
    """The content of an auth file that is being edited.

    ``docker`` is whether it is Docker's ``config.json``, which has no namespaces and a special key for
    Docker Hub.
    """

    file: AuthFile
    docker: bool
    fields: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str, where: str, *, docker: bool = False) -> AuthDocument:
        """Parse a file's text, which may be empty; ``where`` is its path. Raises `CredentialsFailed`."""
        file = AuthFile.parse(text, where)
        plain = text.removeprefix("\ufeff")
        fields: dict[str, Any] = json.loads(plain) if plain.strip() else {}
        for name in _FIELDS:
            # Go programs match names in any case: two spellings would be duplicates to them.
            for other in [other for other in fields if other.lower() == name.lower() and other != name]:
                value = fields.pop(other)
                fields.setdefault(name, value)
        fields["auths"] = {key: entry or {} for key, entry in (fields.get("auths") or {}).items()}
        return cls(file, docker, fields)

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The entries of ``auths`` by key."""
        found: dict[str, dict[str, Any]] = self.fields["auths"]
        return found

    def name(self, key: AuthKey) -> str:
        """Return the key in this file for ``key``; raises `InvalidInput` for a namespace in Docker's file."""
        if not self.docker:
            return str(key)
        if key.namespace:
            raise InvalidInput(
                f'Credentials cannot be recorded in Docker-compatible format with namespaced key "{key}"'
            )
        return HUB_SERVER if key.host == DOCKER_HUB else key.registry

    def helper(self, key: AuthKey) -> tuple[str, bool] | None:
        """Return the helper that stores ``key``, and whether it is ``credsStore``; None if there is none."""
        own = self.file.helper(key.host)
        if own:
            return own, False
        return (self.file.store, True) if own is None and self.file.store else None

    def put(self, key: AuthKey, credentials: Credentials | None) -> None:
        """Set the entry of ``key``; None writes an empty one, for a login in a store. Raises `InvalidInput`."""
        self.entries[self.name(key)] = _entry(credentials) if credentials else {}

    def remove(self, key: AuthKey) -> bool:
        """Remove the entries of ``key`` in all its spellings; returns whether there were any."""
        name = self.name(key)
        host = canonical_host(key.registry)
        gone = [one for one in self.entries if one == name or (not key.namespace and host_of(one) == host)]
        for one in gone:
            del self.entries[one]
        return bool(gone)

    def helper_servers(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return each helper of this file with the names of a server for which it may have credentials."""
        found = [(name, servers(host)) for host, name in self.file.helpers.items() if name]
        if self.file.store:
            found += [(self.file.store, (key,)) for key in self.entries]
        return found

    def clear(self) -> None:
        """Remove all entries, and ``credHelpers`` too unless it is Docker's file, as skopeo does."""
        self.fields["auths"] = {}
        if not self.docker:
            self.fields.pop("credHelpers", None)

    def text(self) -> str:
        """Return the new text of the file; raises `CredentialsFailed` for values that cannot be encoded."""
        fields = {name: self.fields[name] for name in _FIELDS if self.fields.get(name)}
        fields = {"auths": {}} | fields | {name: value for name, value in self.fields.items() if name not in _FIELDS}
        if self.docker:
            fields = sorted_map({**self.fields, **fields})
        fields["auths"] = sorted_map({key: _in_order(entry) for key, entry in self.entries.items()})
        if fields.get("credHelpers") and not self.docker:
            fields["credHelpers"] = sorted_map(fields["credHelpers"])
        try:
            written = dumps(fields, indent=1)
        except InvalidContent as error:
            raise CredentialsFailed(f"{self.file.where}: {error}; correct the file") from None
        # Strings contain no line ends, so spaces at the start of a line are indentation.
        return re.sub("^ +", lambda match: "\t" * len(match[0]), written, flags=re.MULTILINE)


def _entry(credentials: Credentials) -> dict[str, Any]:
    import base64

    if ":" in credentials.username:
        raise InvalidInput("a user name with a colon in it cannot be kept: everything after it would be the password")
    pair = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")
    entry = {"auth": base64.b64encode(pair).decode("ascii")}
    return {**entry, "identitytoken": credentials.identity_token} if credentials.identity_token else entry


def _in_order(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in _KNOWN if name in entry} | entry
