"""The verifier that every byte passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import ContentMismatch
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.verifier import Verifier


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_the_verifier_takes_the_right_bytes_however_they_are_cut(
    algorithm: str, content: bytes, cuts: list[int]
) -> None:
    verifier = Verifier(Descriptor("", Digest.of(content, algorithm), len(content)))
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    for start, end in zip(places, places[1:], strict=False):
        verifier.feed(memoryview(content)[start:end])
    verifier.finish()
    assert verifier.size == len(content)


def test_the_verifier_refuses_one_byte_too_many_at_once() -> None:
    verifier = Verifier(Descriptor("", Digest.of(b"abc"), 3))
    verifier.feed(b"abc")
    with pytest.raises(ContentMismatch, match="longer than the 3 bytes") as caught:
        verifier.feed(b"d")
    assert caught.value.expected == "3"


@pytest.mark.parametrize(("content", "reason"), [(b"ab", "has 2 bytes"), (b"abd", "digest mismatch"), (b"", "has 0")])
def test_the_verifier_refuses_other_bytes(content: bytes, reason: str) -> None:
    verifier = Verifier(Descriptor("", Digest.of(b"abc"), 3))
    verifier.feed(content)
    with pytest.raises(ContentMismatch, match=reason):
        verifier.finish()
