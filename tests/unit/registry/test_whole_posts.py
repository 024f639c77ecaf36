"""Which blobs are sent with the POST that begins their upload, by what the registry has answered before."""

from __future__ import annotations

import pytest

from pyskopeo.registry.whole_posts import LIMIT, WholePosts

SMALL, LARGER = 1000, LIMIT


@pytest.mark.parametrize(
    ("answers", "small", "larger"), [((), True, False), ((True,), True, True), ((False,), False, False),
                                     ((True, False), False, False)],
)  # fmt: skip
def test_what_is_known_decides(answers: tuple[bool, ...], small: bool, larger: bool) -> None:
    posts = WholePosts()
    for taken in answers:
        posts.note("registry.example.com", taken=taken)
    found = [posts.may_take("registry.example.com", size) for size in (SMALL, LARGER, LIMIT + 1)]
    assert found == [small, larger, False]
    assert posts.may_take("another.example.com", SMALL)


def test_one_blob_is_the_trial_of_all() -> None:
    posts = WholePosts()
    assert not posts.begin("r", LARGER)
    assert posts.begin("r", SMALL)
    assert not posts.begin("r", SMALL)
    posts.note("r", taken=True)
    assert posts.begin("r", LARGER)
