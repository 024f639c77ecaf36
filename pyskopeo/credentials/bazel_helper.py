"""Credential helpers in Bazel's protocol: ``HELPER get`` returns headers to send with requests for a URI.

``{"uri": ADDRESS}`` on standard input, ``{"headers": {NAME: [VALUE, ...]}, "expires": RFC 3339}`` on
standard output; unknown members are ignored (EngFlow's credential-helper-spec). A helper is chosen as
Bazel chooses it: by an exact host, then by the nearest ``*.DOMAIN``, then one for all hosts.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import CredentialsFailed, InvalidInput
from ..fast_dataclass import dataclass
from .authfile import HUB_HOSTS, Credentials, parse_object
from .helper_program import Output, Programs

# How many seconds Bazel keeps headers that do not say when they expire.
_KEPT = 1800.0
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_REPOSITORY = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/")
# Headers that say how a message is sent, not who sends it: not a helper's to set.
_FORBIDDEN = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "range", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeaderHelper:
    """One helper: ``pattern`` is a host, ``*.DOMAIN`` for it and all below it, or empty for every host.

    ``path`` is absolute, or a name to look up in ``PATH``.
    """

    pattern: str
    path: str

    @classmethod
    def parse(cls, text: str) -> HeaderHelper:
        """Parse ``[PATTERN=]PATH``; raises `InvalidInput`."""
        first, equals, rest = text.partition("=")
        pattern, path = (first.lower(), rest) if equals else ("", text)
        if equals and not _PATTERN.fullmatch(pattern):
            raise InvalidInput(
                f"--credential-helper: {ascii(first)[:100]} is no pattern: want HOST or *.DOMAIN, without a port"
            )
        if path.startswith("%workspace%"):
            raise InvalidInput(
                "--credential-helper: %workspace% stands for a Bazel workspace, and there is none; "
                "want an absolute path"
            )
        if not path or not path.isprintable() or ("/" in path and not path.startswith("/")):
            raise InvalidInput(
                f"--credential-helper: {ascii(path)[:100]} is no path: want an absolute one, or a name in PATH"
            )
        return cls(pattern, path)


@dataclass(frozen=True, slots=True)
class HelperHeaders:
    """Headers that a helper wants sent with requests, until ``until`` on the monotonic clock.

    Names are written as in ``Content-Type``, in whatever case the helper gave them.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    until: float = float("inf")

    @property
    def authorization(self) -> str:
        """The value of ``Authorization``; empty if the helper gave none."""
        return self.headers.get("Authorization", "")

    @property
    def basic(self) -> Credentials | None:
        """The user and the password of a Basic ``Authorization`` (RFC 7617); None for any other."""
        import base64

        scheme, _, encoded = self.authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:
            return None
        return Credentials(username, password) if colon else None

    def without_basic(self) -> HelperHeaders:
        """The same without a Basic ``Authorization``, which a registry may want exchanged for a token."""
        if self.basic is None:
            return self
        return replace(self, headers={name: self.headers[name] for name in self.headers if name != "Authorization"})


def choose(helpers: Iterable[HeaderHelper], host: str) -> HeaderHelper | None:
    """Return the helper for ``host``, a bare host name; of two with the same pattern the last."""
    by_pattern = {helper.pattern: helper for helper in helpers}
    host = host.lower()
    names = sorted(HUB_HOSTS, key=lambda name: name != host) if host in HUB_HOSTS else [host]
    for name in names:
        if name in by_pattern:
            return by_pattern[name]
    for name in names:
        while name:
            if f"*.{name}" in by_pattern:
                return by_pattern[f"*.{name}"]
            name = name.partition(".")[2]  # noqa: PLW2901 - up the tree of domains
    return by_pattern.get("")


def host_in(uri: str) -> str:
    """Return the host of an http or https ``uri``, without its port; "" if it has none."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("http", "https") else ""


def place_of(uri: str) -> tuple[str, str]:
    """Return what a helper's headers for ``uri`` are valid for: ``host:[port]``, and the repository on it, or ""."""
    parts = urlsplit(uri)
    repository = _REPOSITORY.match(parts.path)
    port = parts.port if parts.port not in (None, 443 if parts.scheme == "https" else 80) else None
    return f"{(parts.hostname or '').lower()}:{port or ''}", repository[1] if repository else ""


async def ask(helper: HeaderHelper, uri: str, programs: Programs) -> HelperHeaders:
    """Run ``helper`` for ``uri``; raises `CredentialsFailed`."""
    program = programs.find(helper.path)
    if program is None:
        raise CredentialsFailed(f"{helper.path} is no program, or not in PATH")
    return parse_output(await programs.ask(program, "get", json.dumps({"uri": uri}).encode()))


def parse_output(output: Output) -> HelperHeaders:
    """Parse a helper's output; raises `CredentialsFailed`, whose message holds nothing of the output."""
    if output.status:
        raise output.failure()
    try:
        fields = parse_object(output.stdout.decode())
    except ValueError:
        raise CredentialsFailed(f"{output.program} did not answer with a JSON object") from None
    headers = fields.get("headers") or {}
    if not isinstance(headers, dict):
        raise CredentialsFailed(f"{output.program}: headers is not an object")
    found = dict(_header(name, values, output.program) for name, values in headers.items())
    return HelperHeaders(found, _until(fields.get("expires"), output.program))


def _header(name: str, values: Any, program: str) -> tuple[str, str]:
    if not _NAME.fullmatch(name) or name.lower() in _FORBIDDEN:
        raise CredentialsFailed(f"{program} wants to set the header {ascii(name)[:60]}, which is not for it to set")
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise CredentialsFailed(f"{program}: the header {name} is not a list of strings")
    if not all(value.isascii() and value.isprintable() for value in values):
        raise CredentialsFailed(f"{program}: the header {name} holds what cannot be sent")
    if name.lower() == "authorization" and len(values) > 1:
        raise CredentialsFailed(f"{program} gave {len(values)} values for Authorization; one can be sent")
    return "-".join(part.capitalize() for part in name.split("-")), ", ".join(value.strip() for value in values)


def _until(expires: object, program: str) -> float:
    """Return when ``expires`` (RFC 3339) is, on the monotonic clock."""
    if expires is None or expires == "":
        return time.monotonic() + _KEPT
    try:
        moment = datetime.fromisoformat(expires.upper()) if isinstance(expires, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CredentialsFailed(f"{program}: expires is not a time as RFC 3339 writes it")
    return time.monotonic() + (moment - datetime.now(UTC)).total_seconds()
