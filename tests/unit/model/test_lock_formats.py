"""Locks for other tools; what comes from a registry cannot end a string or a word."""

from __future__ import annotations

import shlex

from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.lock_file import LockFile
from pyskopeo.model.lock_formats import to_buildozer, to_nix
from pyskopeo.model.locked_image import LockedImage
from pyskopeo.model.platform import Platform
from pyskopeo.model.reference import Reference

DIGEST = Digest.parse("sha256:" + "ab" * 32)


def entry(os: str, architecture: str) -> Descriptor:
    return Descriptor("a/b", DIGEST, 1, Platform(os, architecture))


def lock(*entries: Descriptor, name: str = "base", tag: str = "1") -> LockFile:
    image = LockedImage(name, Reference("h.example", "a/b", tag, DIGEST), ("h.example/a/b",), entries=entries)
    return LockFile({name: image}, {})


def test_nix() -> None:
    found = to_nix(lock(entry("linux", "amd64"), entry("unknown", "unknown")))
    assert found == f"""{{
  "base" = {{
    "imageName" = "h.example/a/b";
    "imageDigest" = "{DIGEST}";
    "finalImageName" = "h.example/a/b";
    "finalImageTag" = "1";
    "platforms" = {{
      "linux/amd64" = "{DIGEST}";
    }};
  }};
}}
"""
    assert "finalImageTag" not in to_nix(lock(tag=""))
    assert to_nix(LockFile({}, {})) == "{\n}\n"


def test_nix_strings() -> None:
    found = to_nix(lock(entry('a"; b = ${builtins.abort "x"}', "c\\\nd")))
    assert r'"a\"; b = \${builtins.abort \"x\"}/c\\\nd" =' in found


def test_buildozer() -> None:
    found = to_buildozer(lock(entry("linux", "amd64"), entry("linux", "arm64"), name="h/a:1"))
    assert shlex.split(found) == [
        "buildozer", f'set digest "{DIGEST}"', "remove tag", "remove platforms",
        'add platforms "linux/amd64" "linux/arm64"', "MODULE.bazel:h_a_1",
    ]  # fmt: skip
    assert shlex.split(to_buildozer(lock()))[2:] == ["remove tag", "MODULE.bazel:base"]
    hostile = to_buildozer(lock(entry("'; rm -rf ~; '", 'a" "b')))
    assert shlex.split(hostile)[4] == 'add platforms "\';\\ rm\\ -rf\\ ~;\\ \'/a\\"\\ \\"b"'
    assert hostile.count("\n") == 1
