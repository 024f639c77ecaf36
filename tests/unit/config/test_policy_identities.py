"""Identities that a signature may be for."""

from __future__ import annotations

from typing import Any

import pytest

from pyskopeo.config.policy_identities import (
    ExactReference,
    ExactRepository,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    RemapIdentity,
)
from pyskopeo.config.policy_requirements import SignedBy, SigstoreSigned
from tests.support.policies import BY_PATH, SIGSTORE, one


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ({"type": "matchExact"}, MatchExact()),
        ({"type": "matchRepoDigestOrExact"}, MatchRepoDigestOrExact()),
        ({"type": "matchRepository"}, MatchRepository()),
        ({"type": "exactReference", "dockerReference": "busybox:1"}, ExactReference("busybox:1")),
        ({"type": "exactRepository", "dockerRepository": "busybox"}, ExactRepository("busybox")),
        ({"type": "remapIdentity", "prefix": "a", "signedPrefix": "b.c/d"}, RemapIdentity("a", "b.c/d")),
    ],
)
@pytest.mark.parametrize("requirement", [BY_PATH, SIGSTORE | {"keyPath": "/k"}])
def test_signed_identities(requirement: dict[str, Any], content: object, value: object) -> None:
    found = one(requirement | {"signedIdentity": content})
    assert isinstance(found, SignedBy | SigstoreSigned)
    assert found.signed_identity == value
    assert found.key_paths == ("/k",)
