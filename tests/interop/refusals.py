"""A command that must fail: its one line, and what it leaves behind; the image it fails with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.cli import Done, pyskopeo_here
from tests.support.commands import pyskopeo
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.require import unavailable
from tests.support.trees import tree

SECRET = "s3cr3t-and-long"
IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=600_000))))
LAYER = IMAGE.layer_digests()[1]
QUICK = ("--retry-times=0", "--retry-delay=10ms")
PLAIN = ("--src-tls-verify=false", *QUICK)
DESTINATIONS = ("oci:{}/new:x", "dir:{}/new", "docker-archive:{}/new.tar:a:1", "oci-archive:{}/new.tar")


def copy(*words: object, env: Mapping[str, str] | None = None) -> Done:
    """In this process, unless it is to have another environment."""
    return pyskopeo_here("copy", *words) if env is None else pyskopeo("copy", *words, env=env)


def said(done: Done, code: int = 1, *, warnings: int = 0) -> str:
    """The one fatal message of a command that failed as it should."""
    assert done.code == code, done.stderr
    assert done.stdout == b""
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr
    told = [line for line in done.lines if line.startswith("time=")]
    assert len(told) == warnings + 1, done.stderr
    assert all(line.startswith(("Getting image ", "Copying ", "Writing manifest", '{"event": ')) for line in done.lines if line not in told), (
        done.stderr
    )
    *others, last = told
    assert all(" level=warning " in line for line in others)
    assert " level=fatal " in last
    assert last == done.lines[-1]
    message: str = json.loads(last.partition("msg=")[2])
    assert "\n" not in message or "Try 'pyskopeo" in message
    assert len(message) < 600
    return message


def nothing_left(folder: Path, image: BuiltImage = IMAGE) -> None:
    """Nothing but what the next try need not fetch: blobs in a layout that has no index yet, and hidden files."""
    for name, content in tree(folder).items():
        if ".kept.partial" in name:
            continue
        assert name.startswith("new/blobs/sha256/"), name
        assert content == image.blobs[f"sha256:{name.rpartition('/')[2]}"]
    assert not (folder / "new").exists() or tree(folder / "new")


class mounted:
    """A mount on ``folder`` for the block; without the right to mount, the test is skipped."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words

    def __enter__(self) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            unavailable("needs root, to mount a file system")
        done = subprocess.run(["mount", *self.words, str(self.folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            unavailable(f"cannot mount a file system here: {done.stderr.strip()}")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
