"""The API by which OpenShift's registry keeps signatures (containers-image, "signature-protocols").

A registry that has it says so in its responses: ``X-Registry-Supports-Signatures: 1``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, Unsupported
from ..http.read_bounded import read_bounded
from ..model.signature import SIGNATURE_LIMIT, Signature
from ..model.strict_json import parse_object
from .ping import KEEPS_SIGNATURES
from .response_checks import closing, read_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.digest import Digest
    from ..model.reference import Reference
    from .session import Session

# Bytes of the list of all signatures of a manifest.
_LIST_LIMIT = 4 * 1024 * 1024
_VERSION, _TYPE = 2, "atomic"


def is_offered(session: Session) -> bool:
    """Return whether the registry has said that it has this API; nothing is requested to find out."""
    pings, origin = session.pings, session.origin
    return pings.keep_signatures.get(origin, False) or pings.keeps_signatures(f"{origin}/v2/")


async def ask_for_offer(session: Session) -> bool:
    """Return whether the registry says that it has this API; it is asked once. Raises `NetworkError`."""
    known = session.pings.keep_signatures
    if not is_offered(session) and session.origin not in known:

        async def once() -> bool:
            response = await session.request("GET", "/v2/", {})
            await response.aclose()
            return bool(response.headers.get(KEEPS_SIGNATURES) == "1")

        offered = await session.retry(once, f"asking {session.origin.netloc} whether it keeps signatures")
        known[session.origin] = offered
    return is_offered(session)


async def read_extension(session: Session, reference: Reference, digest: Digest) -> tuple[Signature, ...]:
    """Return the simple signatures that a registry keeps of a manifest; those of other types are left out.

    Raises `NetworkError`, `InvalidContent`, and `TooLarge` for a list over 4 MiB or more than `MAX_SIGNATURES`.
    """
    listed = await _list(session, reference, digest)
    found = [_content(entry) for entry in listed if _is_simple(entry)]
    where = f"{reference.name}@{digest}"
    Signature.check_total(len(found), sum(map(len, found)), where)
    return tuple(Signature("simple", content, where=f"{where} signature {n}") for n, content in enumerate(found, 1))


async def write_extension(
    session: Session, reference: Reference, digest: Digest, signatures: Sequence[Signature]
) -> None:
    """Add simple signatures of a manifest, which the registry has; those that are there are not added again.

    Raises `NetworkError`, `InvalidContent`, `TooLarge`, and `Unsupported` for a signature of another format.
    """
    if any(signature.format != "simple" for signature in signatures):
        raise Unsupported(f"{reference.registry} keeps signatures of OpenPGP only")
    listed = await _list(session, reference, digest)
    there = {_content(entry) for entry in listed if _is_simple(entry)}
    for content in dict.fromkeys(signature.content for signature in signatures):
        if content in there:
            continue
        name = f"{digest}@{os.urandom(16).hex()}"  # the API has clients invent them
        entry = {
            "schemaVersion": _VERSION, "name": name, "type": _TYPE, "content": base64.b64encode(content).decode()
        }  # fmt: skip
        what = f"uploading signature to {reference.name}"

        async def once(body: bytes = json.dumps(entry, separators=(",", ":")).encode(), what: str = what) -> None:
            headers = {"Content-Type": "application/json"}
            response = await session.request("PUT", _path(reference, digest), headers, content=body)
            if response.status_code != 201:
                raise await read_error(session, response, what)
            await response.aclose()

        await session.retry(once, what)


async def _list(session: Session, reference: Reference, digest: Digest) -> list[dict[str, Any]]:
    what = f"downloading signatures for {digest} in {reference.name}"

    async def once() -> bytes:
        response = await session.request("GET", _path(reference, digest), {"Accept": "application/json"})
        if response.status_code != 200:
            raise await read_error(session, response, what)
        async with closing(response):
            return await read_bounded(response, _LIST_LIMIT, what)

    listed = parse_object(await session.retry(once, what), what, _LIST_LIMIT).get("signatures")
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise InvalidContent(f"{what}: signatures is not a list of objects")
    return listed


def _is_simple(entry: dict[str, Any]) -> bool:
    return entry.get("schemaVersion") == _VERSION and entry.get("type") == _TYPE


def _content(entry: dict[str, Any]) -> bytes:
    content = entry.get("content")
    try:
        decoded = base64.b64decode(content, validate=True) if isinstance(content, str) else b""
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded or len(decoded) > SIGNATURE_LIMIT:
        raise InvalidContent("a signature of the registry has no content in base64")
    return decoded


def _path(reference: Reference, digest: Digest) -> str:
    return f"/extensions/v2/{reference.repository}/signatures/{digest}"
