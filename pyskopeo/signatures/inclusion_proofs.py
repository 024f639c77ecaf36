"""That a log has an entry: Merkle trees (RFC 9162, section 2.1), and the log's signed notes about them.

Notes are those of transparency-dev's formats, ``signed-note`` and ``tlog-checkpoint``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .public_keys import is_signed_by
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from .bundle_format import InclusionProof
    from .public_keys import PublicKey

# More than any tree of 2 ** 53 entries needs.
_MAX_HASHES = 64
_MAX_SIGNATURES = 32
# A dash, the name of the key, and its signature after four bytes that tell keys apart.
_SIGNATURE = re.compile(r"\u2014 [^\s+]+ (?P<content>[A-Za-z0-9+/]+={0,2})")
_TREE = re.compile(r"[^\n]+\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]+={0,2})\n(?:[^\n]+\n)*")


def check_inclusion(body: bytes, proof: InclusionProof, keys: Sequence[PublicKey]) -> None:
    """Raise `SignatureRefused` unless ``body`` is in a tree about which one of the log's ``keys`` signed a note."""
    if _root(body, proof) != proof.root_hash:
        raise SignatureRefused("the inclusion proof does not lead from the log entry to the root of the log's tree")
    size, root = _signed_tree(proof.checkpoint, keys)
    if (size, root) != (proof.tree_size, proof.root_hash):
        raise SignatureRefused("the log's checkpoint is about another tree than the inclusion proof")


def _root(body: bytes, proof: InclusionProof) -> bytes:
    """Return the root of the tree as the proof has it (RFC 9162, section 2.1.3.2)."""
    if not proof.index < proof.tree_size or len(proof.hashes) > _MAX_HASHES:
        raise SignatureRefused("the inclusion proof is for an entry beyond the log's tree")
    node, last = proof.index, proof.tree_size - 1
    found = hashlib.sha256(b"\0" + body).digest()
    for one in proof.hashes:
        if last == 0:
            raise SignatureRefused("the inclusion proof has too many hashes")
        if node & 1 or node == last:
            found = _parent(one, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = _parent(found, one)
        node, last = node >> 1, last >> 1
    if last:
        raise SignatureRefused("the inclusion proof has too few hashes")
    return found


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _signed_tree(checkpoint: str, keys: Sequence[PublicKey]) -> tuple[int, bytes]:
    """Return the size and the root of the tree that a note is about, if one of ``keys`` signed it."""
    text, separator, signatures = checkpoint.rpartition("\n\n")
    text += "\n"
    tree = _TREE.fullmatch(text)
    lines = signatures.removesuffix("\n").split("\n")
    if not separator or tree is None or not signatures.endswith("\n") or len(lines) > _MAX_SIGNATURES:
        raise SignatureRefused("the log's checkpoint is not a signed note about a tree")
    try:
        message = text.encode()
        root = base64.b64decode(tree["root"], validate=True)
    except ValueError:
        raise SignatureRefused("the log's checkpoint is not a signed note about a tree") from None
    made = [_signature_of(line) for line in lines]
    # Others, such as witnesses, may have signed it too.
    if not any(is_signed_by(key, one, message) for one in made for key in keys):
        raise SignatureRefused("the log's checkpoint is not signed by a key of a log that is trusted")
    return int(tree["size"]), root


def _signature_of(line: str) -> bytes:
    found = _SIGNATURE.fullmatch(line)
    if found is None:
        raise SignatureRefused("the log's checkpoint has a malformed signature")
    try:
        return base64.b64decode(found["content"], validate=True)[4:]
    except ValueError:
        raise SignatureRefused("the log's checkpoint has a malformed signature") from None
