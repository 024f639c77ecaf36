"""Whatever a reference looks like, it is parsed or refused, and what is parsed means the same when it is written."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidName
from pyskopeo.model.reference import Reference, is_registry, is_tag

HEX = "0123456789abcdef" * 4
PIECES = st.sampled_from(
    ["/", ":", "@", ".", "-", "--", "_", "__", "[", "]", "::1", "localhost", "docker.io", "index.docker.io", "library",
     "registry.example.com", "EXAMPLE", "a", "b1", "5000", "latest", "sha256:", "sha512:", HEX, HEX * 2, "@@", "é", "\n",
     "\0", " ", "\udcff", "x" * 130]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=12).map("".join))


@given(TEXTS)
@example("docker.io/a@sha256:" + HEX)
@example("a/b:c@sha256:" + HEX)
@settings(deadline=None, max_examples=500)
def test_parsed_or_refused(text: str) -> None:
    found, refusal = None, ""
    try:
        found = Reference.parse(text)
    except InvalidName as error:
        refusal = str(error)
    if found is None:
        assert refusal.isprintable()
        return
    assert is_registry(found.registry)
    assert is_tag(found.tag) or (found.tag == "" and found.digest)
    assert len(found.name) <= 255
    assert text.isascii()
    assert Reference.parse(str(found)) == found
    if found.digest is None:
        named = Reference.parse(text, default_tag="")
        assert (named.name, named.tag or "latest") == (found.name, found.tag)


@pytest.mark.parametrize("unit", ["a", "a-", "-", "a.", "a/", ":", "@", "_", "a__", "[", "1", "A", ".a-", "a--"])
@pytest.mark.parametrize("end", ["", "!", "/", ":a", "@sha256:" + HEX])
def test_long_names_are_refused_in_linear_time(unit: str, end: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidName):
        Reference.parse(unit * 100_000 + end)
    assert time.process_time() - started < 10
