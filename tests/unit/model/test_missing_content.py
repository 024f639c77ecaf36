"""What is missing, as JSON."""

from __future__ import annotations

from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.missing_content import MissingContent, missing_json

A, B = (Descriptor("application/x", Digest.of(content), 1) for content in (b"a", b"b"))


def test_nothing_is_an_empty_list() -> None:
    assert missing_json(()) == {"missing": []}


def test_each_digest_is_there_once_with_all_its_sources() -> None:
    found = missing_json([
        MissingContent(A, ("example.com/one",)),
        MissingContent(B),
        MissingContent(A, ("example.com/two", "example.com/one")),
    ])["missing"]  # fmt: skip
    assert [one["digest"] for one in found] == sorted(map(str, (A.digest, B.digest)))
    assert {one["digest"]: one["sources"] for one in found} == {
        str(A.digest): ["example.com/one", "example.com/two"], str(B.digest): [],
    }  # fmt: skip
    assert found[0].keys() == {"mediaType", "digest", "size", "sources"}


def test_a_size_that_is_not_known_is_null() -> None:
    (found,) = missing_json([MissingContent(Descriptor("", A.digest, UNKNOWN_SIZE))])["missing"]
    assert found["size"] is None
