"""Both programs at the same work, and what skopeo 1.22 can be asked."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import KINDS, ArtifactSpec, ImageSpec, IndexSpec

SOURCE = "--src-tls-verify=false"
# skopeo 1.22 refuses an index in an index, gives a blob with a sha512 digest one of sha256 in a directory, and puts layers of
# Docker's type for zstd, which it does not know, compressed into archives of plain ones.
UNREADABLE = {"oci-sha512", "oci-index-sha512", "nested-index", "docker-zstd"}
READABLE = sorted(set(KINDS) - UNREADABLE)
IMAGES = [kind for kind in READABLE if isinstance(KINDS[kind], ImageSpec)]
INDEXES = [kind for kind in READABLE if isinstance(KINDS[kind], IndexSpec)]
ARTIFACTS = [kind for kind in READABLE if isinstance(KINDS[kind], ArtifactSpec)]
# skopeo writes lists anew and loses the fields it does not know; ours stay as they are.
LISTS = [kind for kind in INDEXES if kind != "index-with-artifact"]
# skopeo compresses these on their way into a layout, to bytes no other compressor makes.
RECOMPRESSED = {"oci-uncompressed", "docker-uncompressed"}
PLATFORMS = [
    ("amd64", "", "linux"), ("arm", "v6", "linux"), ("arm", "v7", "linux"), ("arm", "", "linux"),
    ("arm64", "v8", "linux"), ("arm64", "", "linux"), ("s390x", "", "linux"), ("amd64", "", "windows"),
]  # fmt: skip


def overrides(platform: tuple[str, str, str]) -> list[str]:
    architecture, variant, system = platform
    flags = [f"--override-arch={architecture}", f"--override-os={system}"]
    return [*flags, f"--override-variant={variant}"] if variant else flags


def both(*words: str, out: Path) -> tuple[Path, Path]:
    """Both programs carry out ``words``, where ``{}`` stands for the folder each writes to."""
    theirs, ours = out / "theirs", out / "ours"
    for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
        folder.mkdir()
        succeed(program(*(word.replace("{}", str(folder)) for word in words)))
    return theirs, ours
