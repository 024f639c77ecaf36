"""Links that say which blob belongs to which repository."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pyskopeo.model.digest import Digest
from pyskopeo.storage.blob_links import RECENT, BlobLinks, awaited_blobs, is_registry_layout

ONE, TWO = (Digest("sha256", digit * 64) for digit in "12")
LONG = Digest("sha512", "3" * 128)


def test_links(tmp_path: Path) -> None:
    links = BlobLinks(tmp_path)
    assert not is_registry_layout(tmp_path)
    assert awaited_blobs(tmp_path) == frozenset()
    assert not links.knows("team/app")
    for repository, digest in (("team/app", ONE), ("team", TWO), ("team/app", LONG)):
        links.add(repository, digest)
    assert is_registry_layout(tmp_path)
    assert links.knows("team/app")
    assert links.has("team/app", ONE)
    assert not links.has("team", ONE)
    assert awaited_blobs(tmp_path) == {str(ONE), str(TWO), str(LONG)}
    assert links.remove("team", TWO)
    assert not links.remove("team", TWO)
    assert links.knows("team")


def test_old_links(tmp_path: Path) -> None:
    links = BlobLinks(tmp_path)
    for digest in (ONE, TWO):
        links.add("app", digest)
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - RECENT - 60,) * 2)
    assert awaited_blobs(tmp_path) == frozenset()
    links.add("app", TWO)  # mounted again: it is about to be named again
    assert awaited_blobs(tmp_path) == {str(TWO)}
    links.remove_dangling(lambda digest: digest == str(ONE))
    assert (links.has("app", ONE), links.has("app", TWO)) == (True, False)


def test_modes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        BlobLinks(tmp_path, file_mode=0o644, directory_mode=0o755).add("team/app", ONE)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_file()} == {0o644}
