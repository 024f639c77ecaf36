"""Where in a lookaside the signatures of an image are; what is no lookaside."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import InvalidInput, Unsupported
from pyskopeo.model.digest import Digest
from pyskopeo.registry.lookaside import local_path, lookaside_directory

HEX = "0" * 64
DIGEST = Digest.parse(f"sha256:{HEX}")


@pytest.mark.parametrize(
    ("base", "directory"),
    [
        ("file:///var/lib/x", f"file:///var/lib/x/a/b@sha256={HEX}"),
        ("file:///", f"file:////a/b@sha256={HEX}"),
        ("file:///with%20space", f"file:///with%20space/a/b@sha256={HEX}"),
        ("https://h.example", f"https://h.example/a/b@sha256={HEX}"),
        ("https://h.example:8080/x/y", f"https://h.example:8080/x/y/a/b@sha256={HEX}"),
        ("http://u:p@h.example/x#y", f"http://u:p@h.example/x/a/b@sha256={HEX}"),
    ],
)
def test_directories(base: str, directory: str) -> None:
    assert lookaside_directory(base, "a/b", DIGEST) == directory


def test_another_algorithm() -> None:
    digest = Digest.parse(f"sha512:{HEX}{HEX}")
    assert lookaside_directory("file:///x", "a", digest) == f"file:///x/a@sha512={HEX}{HEX}"


@pytest.mark.parametrize(
    "base", ["/var/lib/x", "x", "ftp://h/x", "file://", "file:x", "file://host", "https://", "https:///x", "https://h/x?a=b", "data:,x"]
)
def test_what_is_no_lookaside(base: str) -> None:
    with pytest.raises(Unsupported, match="^Unsupported scheme of the lookaside "):
        lookaside_directory(base, "a", DIGEST)


def test_what_is_no_url() -> None:
    with pytest.raises(InvalidInput, match=r"^Invalid signature storage URL https://\[x"):
        lookaside_directory("https://[x/\n", "a", DIGEST)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(Unsupported) as caught:
        lookaside_directory("https://u:secret@h/x?token=secret", "a", DIGEST)
    assert "secret" not in str(caught.value)


def test_paths() -> None:
    assert local_path("file:///a%20b/c@sha256=0") == Path("/a b/c@sha256=0")
    assert local_path("https://h/a") is None
    with pytest.raises(InvalidInput, match="zero byte"):
        local_path("file:///a%00b")
