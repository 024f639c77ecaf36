"""Blob indexes as rules_oci's tool writes them, and others."""

from __future__ import annotations

import json

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.model.blob_index import parse_blob_index
from pyskopeo.model.digest import Digest

A, B = Digest.of(b"a"), Digest.of(b"b", "sha512")


def test_paths_by_digest() -> None:
    raw = json.dumps({"Blobs": {str(A): "dir/../a", str(B): "/\udcff"}, "Other": 1}).encode()
    assert parse_blob_index(raw, "x.json") == {A: "dir/../a", B: "/\udcff"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"[]", "x.json is not a JSON object"),
        (b"{}", "x.json is no blob index"),
        (b'{"Blobs": []}', "x.json is no blob index"),
        (b'{"Blobs": {"sha256:abc": "a"}}', "x.json: invalid digest 'sha256:abc'"),
        (b'{"Blobs": {"../../x": "a"}}', "invalid digest"),
        (json.dumps({"Blobs": {str(A): 1}}).encode(), "the path of sha256:"),
        (json.dumps({"Blobs": {str(A): ""}}).encode(), "the path of sha256:"),
        (json.dumps({"Blobs": {str(A): "a\0b"}}).encode(), "want a path"),
        (json.dumps({"Blobs": {str(A): "a\ud800b"}}).encode(), "want a path"),
        (f'{{"Blobs": {{"{A}": "a", "{A}": "b"}}}}'.encode(), "duplicate name"),
        (b'{"Blobs": {}, "Blobs": {}}', "duplicate name"),
    ],
)
def test_what_is_none(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        parse_blob_index(raw, "x.json")
    assert said in str(caught.value)
