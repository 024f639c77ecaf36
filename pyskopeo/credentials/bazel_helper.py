"""Run credential helpers in Bazel's protocol: ``HELPER get`` returns headers to send with requests for a URI.

The helper reads ``{"uri": URI}`` on standard input and writes ``{"headers": {NAME: [VALUE, ...]}, "expires": TIME}``,
with a time in RFC 3339, to standard output; unknown members are ignored (EngFlow's credential-helper-spec). The helper
is selected as in Bazel: by the exact host, then by the nearest ``*.DOMAIN``, then one for all hosts.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import CredentialsFailed, InvalidInput
from ..fast_dataclass import dataclass, replace
from .authfile import HUB_HOSTS, Credentials, parse_object
from .helper_program import Output, Programs

# Seconds that headers without ``expires`` are used, as in Bazel.
_DEFAULT_LIFETIME = 1800.0
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_REPOSITORY = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/")
# Headers that a helper may not set: they control how a message is sent.
_FORBIDDEN = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "range", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeaderHelper:
    """A helper and the hosts that it is for.

    ``pattern`` is a host, ``*.DOMAIN`` for that domain and all below it, or empty for every host. ``path`` is an
    absolute path, or a name to look up in ``PATH``.
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
    """Headers that a helper adds to requests, until ``expires_at``, a time of the monotonic clock.

    Names are capitalized as ``Content-Type`` is, whatever the helper wrote.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_at: float = float("inf")

    @property
    def authorization(self) -> str:
        """The value of ``Authorization``; empty if there is none."""
        return self.headers.get("Authorization", "")

    @property
    def basic(self) -> Credentials | None:
        """The user and password of a Basic ``Authorization`` (RFC 7617); None for any other."""
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
        """Return a copy without a Basic ``Authorization``, which a registry may want exchanged for a token."""
        if self.basic is None:
            return self
        return replace(self, headers={name: self.headers[name] for name in self.headers if name != "Authorization"})


def select_helper(helpers: Iterable[HeaderHelper], host: str) -> HeaderHelper | None:
    """Return the helper for ``host``, a host name without a port; of two with the same pattern the last one.

    None if there is no helper for it.
    """
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
            name = name.partition(".")[2]  # noqa: PLW2901 - continue with the parent domain
    return by_pattern.get("")


def host_of(uri: str) -> str:
    """Return the host of an http or https ``uri``, without the port; empty if it has none."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("http", "https") else ""


def host_and_repository(uri: str) -> tuple[str, str]:
    """Return ``host:[port]`` and the repository for which a helper's headers for ``uri`` are valid.

    The port is left out if it is the default; the repository is empty if the URI is not of one.
    """
    parts = urlsplit(uri)
    repository = _REPOSITORY.match(parts.path)
    port = parts.port if parts.port not in (None, 443 if parts.scheme == "https" else 80) else None
    return f"{(parts.hostname or '').lower()}:{port or ''}", repository[1] if repository else ""


async def get_headers(helper: HeaderHelper, uri: str, programs: Programs) -> HelperHeaders:
    """Run ``helper`` for ``uri`` and return the headers; raises `CredentialsFailed`."""
    program = programs.find(helper.path)
    if program is None:
        raise CredentialsFailed(f"{helper.path} is no program, or not in PATH")
    return parse_output(await programs.ask(program, "get", json.dumps({"uri": uri}).encode()))


def parse_output(output: Output) -> HelperHeaders:
    """Parse a helper's output; raises `CredentialsFailed`, whose message contains nothing of the output."""
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
    return HelperHeaders(found, _expiry(fields.get("expires"), output.program))


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


def _expiry(expires: object, program: str) -> float:
    """Return ``expires``, a time in RFC 3339, as a time of the monotonic clock; raises `CredentialsFailed`."""
    if expires is None or expires == "":
        return time.monotonic() + _DEFAULT_LIFETIME
    try:
        moment = datetime.fromisoformat(expires.upper()) if isinstance(expires, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CredentialsFailed(f"{program}: expires is not a time as RFC 3339 writes it")
    return time.monotonic() + (moment - datetime.now(UTC)).total_seconds()
