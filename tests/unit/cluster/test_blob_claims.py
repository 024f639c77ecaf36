"""Of all who need a blob, one moves it."""

from __future__ import annotations

import pytest

from pyskopeo.cluster import blob_claims
from pyskopeo.cluster.blob_claims import Answer, BlobClaims
from pyskopeo.streams.locations import RegistryBlob

PLACE = RegistryBlob("registry", "a")


def test_the_first_moves_it_and_others_are_told_where_it_is() -> None:
    claims = BlobClaims()
    assert claims.claim("one", "x") == [Answer("one", "x", None)]
    assert claims.claim("two", "x") == claims.claim("three", "x") == []
    assert claims.claim("two", "y") == [Answer("two", "y", None)]
    assert claims.placed("one", "x", PLACE) == [Answer("two", "x", PLACE), Answer("three", "x", PLACE)]
    assert claims.claim("four", "x") == [Answer("four", "x", PLACE)]


def test_it_can_be_asked_again() -> None:
    """A message may be lost."""
    claims = BlobClaims()
    assert claims.claim("one", "x") == claims.claim("one", "x") == [Answer("one", "x", None)]
    assert claims.claim("two", "x") == claims.claim("two", "x") == []
    assert claims.placed("one", "x", PLACE) == [Answer("two", "x", PLACE)]


def test_who_fails_is_followed_by_the_next() -> None:
    claims = BlobClaims()
    claims.claim("one", "x")
    claims.claim("two", "x")
    claims.claim("three", "x")
    assert claims.released("three", "x") == []
    assert claims.released("one", "x") == [Answer("two", "x", None)]
    assert claims.released("one", "x") == []
    assert claims.released("two", "x") == [Answer("three", "x", None)]
    assert claims.released("three", "x") == []
    assert claims.claim("four", "x") == [Answer("four", "x", None)]


def test_who_is_gone_holds_nothing_and_waits_for_nothing() -> None:
    claims = BlobClaims()
    for holder in ("one", "two", "three"):
        claims.claim(holder, "x")
    claims.claim("one", "y")
    assert claims.gone("two") == []
    assert claims.gone("one") == [Answer("three", "x", None)]
    assert claims.claim("four", "y") == [Answer("four", "y", None)]
    assert claims.claim("three", "x") == [Answer("three", "x", None)], "it asks again"


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_claims, "_MOST_KNOWN", 2)
    claims = BlobClaims()
    for digest in ("x", "y"):
        claims.placed("one", digest, PLACE)
    claims.claim("two", "x")
    claims.placed("one", "z", PLACE)
    assert [claims.claim("two", digest)[0].place for digest in ("x", "y", "z")] == [PLACE, None, PLACE]
