"""Merkle proofs: every entry of every small tree is proven, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyskopeo.signatures.bundle_format import InclusionProof
from pyskopeo.signatures.inclusion_proofs import check_inclusion
from pyskopeo.signatures.public_keys import parse_public_key
from pyskopeo.signatures.refusals import SignatureRefused
from tests.support.sigstore_authority import public_der
from tests.support.sigstore_log import TransparencyLog

LOG = TransparencyLog()
KEYS = [parse_public_key(public_der(LOG.key), "key")]
OTHER = b"o" * 32


def proof_of(log: TransparencyLog, index: int) -> InclusionProof:
    return InclusionProof(index, len(log.entries), log.root(), tuple(log.proof(index)), log.checkpoint())


@pytest.mark.parametrize("size", [*range(1, 20), 33])
def test_every_entry_and_no_other(size: int) -> None:
    log = TransparencyLog(LOG.key)
    for number in range(size):
        log.add(b"%d" % number)
    for index, entry in enumerate(log.entries):
        proof = proof_of(log, index)
        check_inclusion(entry.body, proof, KEYS)
        wrong = [
            *(replace(proof, index=other) for other in range(size + 1) if other != index),
            *(replace(proof, hashes=(*proof.hashes[:at], OTHER, *proof.hashes[at + 1 :])) for at in range(len(proof.hashes))),
            replace(proof, hashes=(*proof.hashes, OTHER)),
            replace(proof, tree_size=0),
            replace(proof, root_hash=OTHER),
            replace(proof, tree_size=size + 1),
        ]
        if proof.hashes:
            wrong.append(replace(proof, hashes=proof.hashes[:-1]))
        for one in wrong:
            with pytest.raises(SignatureRefused):
                check_inclusion(entry.body, one, KEYS)
        with pytest.raises(SignatureRefused):
            check_inclusion(b"other", proof, KEYS)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("rekor.example\n1\n", "rekor.example\n01\n", "is not a signed note about a tree"),
        ("rekor.example\n1\n", "rekor.example\n-1\n", "is not a signed note about a tree"),
        ("rekor.example\n1\n", "\n1\n", "is not a signed note about a tree"),
        ("=\n\n", "=\nmore\n\n", "is not signed by a key of a log that is trusted"),
        ("=\n\n", "=\r\n\n", "is not a signed note about a tree"),
        ("\u2014 ", "- ", "has a malformed signature"),
        ("\u2014 rekor.example ", "\u2014 other A\n\u2014 rekor.example ", "has a malformed signature"),
        ("\u2014 rekor.example ", "\u2014 rekor example ", "has a malformed signature"),
        ("\u2014 rekor.example ", "\u2014 x eHh4eHh4\n" * 40 + "\u2014 rekor.example ", "is not a signed note about a tree"),
    ],
)
def test_checkpoints(old: str, new: str, reason: str) -> None:
    log = TransparencyLog(LOG.key)
    entry = log.add(b"0")
    proof = proof_of(log, 0)
    assert proof.checkpoint.count(old) == 1
    with pytest.raises(SignatureRefused, match=reason):
        check_inclusion(entry.body, replace(proof, checkpoint=proof.checkpoint.replace(old, new)), KEYS)
