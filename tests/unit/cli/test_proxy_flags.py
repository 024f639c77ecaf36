"""``serve --proxy``: what is refused before anything listens."""

from __future__ import annotations

import pytest

from tests.support.cli import fatal, pyskopeo_here


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--proxy", "foo"), "invalid upstream foo: want HOST or HOST=URL, as in docker.io"),
        (("--proxy", "docker.io=x"), "invalid upstream docker.io=x: want HOST or HOST=URL, as in docker.io"),
        (("--proxy", "docker.io", "--proxy", "index.docker.io"), "docker.io, docker.io: want at least one, each once"),
        (("--proxy-fresh", "3s"), "--proxy-fresh and --authfile are for --proxy"),
        (("--authfile", "x"), "--proxy-fresh and --authfile are for --proxy"),
        (("--proxy", "docker.io", "--writable"), "--writable and --proxy are mutually exclusive: a cache takes no pushes"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], message: str) -> None:
    assert fatal(pyskopeo_here("serve", "oci:x", "--listen", "127.0.0.1:0", *words)) == message
