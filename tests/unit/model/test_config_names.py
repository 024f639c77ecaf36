"""Configurations in which programs would see different values."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.model import mediatype
from pyskopeo.model.config_names import check_names
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.verifier import verifier_for

TWICE = [
    b'{"os":"linux","OS":"windows"}',
    b'{"os":"linux","os":"windows"}',
    b'{"config":{"Entrypoint":["a"],"entrypoint":["b"]}}',
    b'{"Config":{"Cmd":["a"]},"config":{}}',
    b'{"rootfs":{"diff_ids":[]},"Root\\u0066S":null}',
    b'{"rootfs":{"diff_ids":[],"diff_id\\u017f":[]}}',
    b'{"history":[{"created_by":"a","CREATED_BY":"b"}]}',
    b'{"x":{"a":1,"a":2}}',
]
ONCE = [
    b'{"OS":"linux","config":{"cmd":["a"],"Labels":{"a":"1","A":"2"},"Hostname":"x","hostname":"y"}}',
    b'{"x":{"os":1,"OS":2},"X":3}',
    b"not JSON",
    b"[]",
    b"",
    b'{"history":["x"],"rootfs":[]}',
]


@pytest.mark.parametrize("raw", TWICE)
def test_one_field_twice(raw: bytes) -> None:
    with pytest.raises(InvalidContent, match=r"twice, in different case|duplicate name"):
        check_names(raw)


@pytest.mark.parametrize("raw", ONCE)
def test_whatever_else_is_copied_as_it_is(raw: bytes) -> None:
    check_names(raw)


def test_a_configuration_is_looked_at_while_it_is_copied() -> None:
    raw = TWICE[0]
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(raw), len(raw))
    verifier = verifier_for(config)
    for _ in range(2):
        verifier.feed(raw[:5])
        verifier.restart()
        verifier.feed(raw[:9])
        verifier.feed(raw[9:])
        with pytest.raises(InvalidContent, match="twice"):
            verifier.finish()
        verifier.restart()
    other = verifier_for(dataclasses.replace(config, media_type="application/vnd.example.config+json"))
    other.feed(raw)
    other.finish()


def test_its_digest_comes_first() -> None:
    raw = json.dumps({"os": "linux"}).encode()
    verifier = verifier_for(Descriptor(mediatype.DOCKER_CONFIG, Digest.of(raw), len(raw)))
    verifier.feed(TWICE[0][: len(raw)])
    with pytest.raises(InvalidContent, match="digest mismatch"):
        verifier.finish()
