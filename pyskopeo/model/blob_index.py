"""The blob index of DataDog's rules_oci: a JSON document that says in which files blobs are. No I/O.

``{"Blobs": {"sha256:...": "path", ...}}``; nothing else in it is read.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidContent, prefix_errors
from .digest import Digest
from .strict_json import parse_object

LIMIT = 16 * 1024 * 1024
"""The largest blob index that is read, in bytes."""


def parse_blob_index(raw: bytes, where: str) -> Mapping[Digest, str]:
    """Return the path of each blob; ``where`` names the document in errors.

    Raises `InvalidContent`, also for two entries of one digest and a path that no file can have, `InvalidDigest` and
    `TooLarge`.
    """
    blobs = parse_object(raw, where, LIMIT).get("Blobs")
    if not isinstance(blobs, dict):
        raise InvalidContent(f'{where} is no blob index: want {{"Blobs": {{"sha256:...": "path"}}}}')
    found: dict[Digest, str] = {}
    for text, path in blobs.items():
        with prefix_errors(where):
            digest = Digest.parse(text)
        if not isinstance(path, str) or not _is_path(path):
            raise InvalidContent(f"{where}: the path of {digest} is {ascii(path)[:100]}, want a path")
        found[digest] = path
    return found


def _is_path(text: str) -> bool:
    """Return whether a file can have this path; surrogates that stand for bytes are allowed, others are not."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return bool(text) and "\0" not in text
