"""The simplest kind of YAML, read as the parser for all of it reads it, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.config.plain_yaml import parse_plain
from pyskopeo.config.untyped_yaml import parse
from pyskopeo.errors import InvalidInput

DEBIAN = """\
# This is a default registries.d configuration file.

default-docker:
#  lookaside: https://privateregistry.com/sigstore/
  lookaside-staging: file:///var/lib/containers/sigstore

#docker:
#
#  privateregistry.com:
#    lookaside: https://privateregistry.com/sigstore/
"""
RED_HAT = """\
docker:
     registry.access.redhat.com:
         lookaside: https://access.redhat.com/webassets/docker/content/sigstore
     registry.redhat.io:5000/a/b-c:
         lookaside: https://registry.redhat.io:8443/containers/sigstore  # a comment
         use-sigstore-attachments: true
     quay.io:

default-docker:
  use-sigstore-attachments: false
"""
PLAIN = [DEBIAN, RED_HAT, "", "\n# x\n", "a:\nb:\n", "a:\n  b:\n    c: true\n  d: false\ne: true\n", "a: http://x\n \nb: file:///\n"]
OTHERS = [
    "a: {b: c}", "- a", "a: 'b'", "a: b", "a: yes", "'a': true", "*.x: true", "null:", "a: ~", "---\na: true", "\ta: true", "a:\n\tb: true",
    "a: true\na: false", "a:\n  b: true\n c: true", " a: true", "a: true\n  b: true", "a: http://x y", "a: http://x: y", "a: &b true",
    "a: |\n  true", "a: true\r", "a: http://x#y", "é: true", "a: http://x\u2028b: true", "1: true", "a: http://x: ", "a:true",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_plain(text: str) -> None:
    assert parse_plain(text) == (parse(text, "x") or {})


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_not(text: str) -> None:
    assert parse_plain(text) is None


PIECES = ["a", "docker", "x.org:5000/b", "default-docker", ":", ": ", " ", "  ", "    ", "\n", "true", "false", "https://a.org/b", "file:///x",
          "#", " # c", "-", "null", "'", "{}", "*", "&", "!", "|", "http://a:80", "%", "@", ",", "~"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_it_is_never_read_in_another_way(text: str) -> None:
    found = parse_plain(text)
    if found is None:
        return
    try:
        expected = parse(text, "x")
    except InvalidInput:
        pytest.fail(f"{text!r} is no YAML")
    assert found == (expected or {})
