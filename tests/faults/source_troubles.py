"""Troubles with the files that are copied from: damaged, missing, unreadable."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TypeAlias

from tests.support.images import digest_of
from tests.support.system_calls import READS, Failing, SystemCalls

from .images import NEW, WANTED
from .scenes import Scene, Undisturbed
from .troubles import Ends, Where, reads_files, trouble

_Damage: TypeAlias = Callable[[bytes, Random], bytes]


def _file_and_layer(scene: Scene, digest: str) -> tuple[Path, bytes]:
    """The file that holds a layer of the source, and the layer as it is in there: decompressed in a Docker archive."""
    archive = scene.here / "image.tar"
    if archive.exists():
        return archive, NEW.tars[digest] if scene.job.source.startswith("docker-archive") else NEW.blobs[digest]
    encoded = digest.partition(":")[2]
    (path,) = (path for path in scene.here.rglob(encoded) if "image:next" not in path.parts)
    return path, NEW.blobs[digest]


def _needed_layer(scene: Scene, rng: Random) -> str:
    """A wanted layer that the scene has in one image only: else that of another image can serve."""
    others = {digest for image in scene.images if image is not NEW for digest in image.blobs}
    return rng.choice([digest for digest in WANTED if digest not in others])


def _replaced(path: Path, content: bytes) -> None:
    """Write a file anew, since the old one may have other names."""
    path.unlink()
    path.write_bytes(content)


def _damaged(name: str, ends: Ends, happens: Where, damage: _Damage) -> None:
    """Add a trouble with one of the wanted layers in its file, or with a compressed archive as a whole."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        path, layer = _file_and_layer(scene, _needed_layer(scene, rng))
        whole = path.read_bytes()
        place = whole.find(layer)
        damaged = damage(whole, rng) if place < 0 else whole[:place] + damage(layer, rng) + whole[place + len(layer) :]
        if damage is _cut_off:
            damaged = whole[: max(place, 0) + rng.randrange(len(layer))]
        assert digest_of(damaged) != digest_of(whole)
        _replaced(path, damaged)
        yield
        _replaced(path, whole)

    trouble(name, ends, happens)(begin)


def _flipped(content: bytes, rng: Random) -> bytes:
    # In a compressed archive neither the header nor the padding at the end, which mean nothing.
    place = rng.randrange(len(content) // 4, len(content) // 2)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _cut_off(content: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _lengthened(content: bytes, rng: Random) -> bytes:
    return content + rng.randbytes(rng.randint(1, 1000))


def _one_file_a_blob(source: str, destination: str) -> bool:
    return source in ("oci", "dir")


_damaged("source-wrong-byte", "badly", reads_files, _flipped)
_damaged("source-short", "badly", reads_files, _cut_off)
_damaged("source-long", "badly", _one_file_a_blob, _lengthened)


@trouble("source-missing", "badly", reads_files)
def _missing(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    path, _ = _file_and_layer(scene, _needed_layer(scene, rng))
    away = path.with_name("away")
    path.rename(away)
    yield
    away.rename(path)


@trouble("source-unreadable", "either", reads_files)
def _unreadable(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    with SystemCalls(Failing(READS, rng.randrange(max(1, undisturbed.reads)), errno.EIO)):
        yield
