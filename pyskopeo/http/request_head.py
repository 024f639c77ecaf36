"""Write the head of a request (RFC 9112 sections 3 and 5). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What could end the line, or the head, is no part of a value.
_VALUE = re.compile(r"[^\0\r\n]*")


def encode_head(method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the request line, the header fields and the empty line.

    Raises `ValueError` for a method, a target or a header that would end the line before its end (request splitting).
    """
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise ValueError(f"not a request: {ascii(method)[:20]} {ascii(target)[:100]}")
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"not a header of a request: {ascii(name)[:60]}")  # its value may be a secret
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode("latin-1")
