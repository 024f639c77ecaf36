"""Parse the head of a response: status line and header fields (RFC 9112 sections 2 to 6). Pure.

What Go's net/http and curl read is read, if there is only one way to understand it. A response that two
programs would divide in different places is refused: it could hide another response (response smuggling).
"""

from __future__ import annotations

import re

from ..fast_dataclass import dataclass
from .headers import Headers

# Go ignores more than one space before the status. The reason phrase may be missing, with its space.
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
# A token (RFC 9110 section 5.6.2); Go and curl also read names that contain spaces.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z \t]*")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# Most heads: lines that end with CR and LF, names without spaces, no line that continues another.
_PLAIN_HEAD = re.compile(
    rb"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
)
# These decide where the body ends, so they have to be written as all programs read them.
_FRAMING_FIELDS = frozenset({b"content-length", b"transfer-encoding"})
_SWITCHING_PROTOCOLS = 101
# RFC 9110 section 15.4: those with a ``Location`` that is followed.
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class InvalidResponse(Exception):
    """A response that is not HTTP/1.1, or that can be read in more than one way.

    ``final`` is True if a limit was exceeded: the same request would get the same response again.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class ResponseHead:
    """A status line and its header fields; ``minor`` is the minor version of HTTP/1."""

    __slots__ = ("fields", "headers", "minor", "reason", "status")

    def __init__(self, status: int, reason: str, minor: int, fields: list[tuple[bytes, bytes]]) -> None:
        self.status, self.reason, self.minor, self.fields = status, reason, minor, fields
        self.headers = Headers(fields)

    @property
    def interim(self) -> bool:
        """Whether another response follows: a status of 1xx, except 101 (RFC 9110 section 15.2)."""
        return self.status < 200 and self.status != _SWITCHING_PROTOCOLS

    @property
    def is_redirect(self) -> bool:
        """Whether it names another URL for the request."""
        return self.status in REDIRECTS and any(self.headers.raw(b"location"))

    def header(self, name: str) -> str:
        """Return the values of a header, joined by commas; empty if there is none."""
        return b", ".join(self.headers.raw(name.lower().encode("ascii"))).decode("latin-1")


@dataclass(frozen=True, slots=True)
class Framing:
    """Where the body of a response ends (RFC 9112 section 6.3).

    ``chunked``: with the last chunk, after which ``length``, if there is one, must be the number of bytes. Otherwise
    after ``length`` bytes, or with the connection if that is None. The connection can be used again if ``persistent``.
    """

    chunked: bool
    length: int | None
    persistent: bool


def head_size(data: bytes | bytearray, searched: int = 0) -> int:
    """Return the size of the head at the beginning of ``data``, up to its empty line; 0 if that is not there yet.

    The first ``searched`` bytes have been searched before. Lines end with LF; a CR before it is optional.
    """
    start = max(0, searched - 2)
    with_cr = data.find(b"\n\r\n", start)
    without = data.find(b"\n\n", start) if with_cr < 0 else data.find(b"\n\n", start, with_cr + 1)
    if without >= 0:
        return without + 2
    return with_cr + 3 if with_cr >= 0 else 0


def parse_head(data: bytes) -> ResponseHead:
    """Parse a head with its empty line, as found by `head_size`; raises `InvalidResponse`."""
    plain = _PLAIN_HEAD.fullmatch(data)
    if plain is not None:
        minor, status, reason, block = plain.groups()
        parts = [line.partition(b":") for line in block.split(b"\r\n")[:-1]]
        fields = [(name, value.strip(b" \t")) for name, _, value in parts]
    else:
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-2]]
        match = _STATUS_LINE.fullmatch(lines[0])
        if match is None:
            raise InvalidResponse(f"it begins with {_shown(lines[0])}")
        minor, status, reason = match.groups()
        fields = _parse_fields(lines[1:])
    return ResponseHead(int(status), (reason or b"").strip().decode("latin-1"), int(minor), fields)


def _parse_fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            _continue_field(fields, line)
            continue
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise InvalidResponse(f"the header line {_shown(line)}")
        stripped = name.rstrip(b" \t")
        if stripped != name and stripped.lower() in _FRAMING_FIELDS:
            raise InvalidResponse(f"the header line {_shown(line)}, with a space before the colon")
        fields.append((stripped, _checked_value(value, stripped)))
    return fields


def _continue_field(fields: list[tuple[bytes, bytes]], line: bytes) -> None:
    """Append a continuation line to the last field (obs-fold, RFC 9112 section 5.2)."""
    if not fields:
        raise InvalidResponse(f"the header line {_shown(line)}, which continues none")
    name, value = fields[-1]
    if name.lower() in _FRAMING_FIELDS:
        raise InvalidResponse(f"{name.decode('ascii')} in more than one line")
    fields[-1] = name, b" ".join(filter(None, (value, _checked_value(line, name))))


def _checked_value(value: bytes, name: bytes) -> bytes:
    if not _VALUE.fullmatch(value):
        raise InvalidResponse(f"a control character in the header {_shown(name)}")
    return value.strip(b" \t")


def framing(head: ResponseHead, method: str) -> Framing:
    """Return where the body of the response to a ``method`` request ends; raises `InvalidResponse`."""
    length, chunked = _content_length(head), _is_chunked(head)
    # With both, or in HTTP/1.0, other programs on the way may have read it otherwise (RFC 9112 section 6.1).
    persistent = _is_persistent(head) and not (chunked and (length is not None or not head.minor))
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return Framing(False, 0, persistent and head.status != _SWITCHING_PROTOCOLS)
    return Framing(chunked, length, persistent and (chunked or length is not None))


def _content_length(head: ResponseHead) -> int | None:
    stated = head.headers.raw(b"content-length")
    if not stated:
        return None
    values = [part.strip(b" \t") for value in stated for part in value.split(b",")]
    wrong = next((value for value in values if not _LENGTH.fullmatch(value)), None)
    if wrong is not None:
        raise InvalidResponse(f"the Content-Length {_shown(wrong)}")
    lengths = {int(value) for value in values}
    if len(lengths) > 1:
        raise InvalidResponse(f"several values of Content-Length: {', '.join(map(str, sorted(lengths)))[:100]}")
    return lengths.pop()


def _is_chunked(head: ResponseHead) -> bool:
    codings = head.headers.raw(b"transfer-encoding")
    if not codings or [coding.lower() for coding in codings] == [b"identity"]:  # which curl reads as none
        return False
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise InvalidResponse(f"the Transfer-Encoding {_shown(b', '.join(codings))}")
    return True


def _is_persistent(head: ResponseHead) -> bool:
    stated = head.headers.raw(b"connection")
    if not stated:
        return head.minor > 0
    tokens = {token.strip().lower() for value in stated for token in value.split(b",")}
    return b"close" not in tokens and (head.minor > 0 or b"keep-alive" in tokens)


def _shown(text: bytes) -> str:
    """Return bytes from a server as they are shown in a message."""
    return ascii(text[:60].decode("latin-1")) + ("..." if len(text) > 60 else "")
