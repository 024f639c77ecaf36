"""Images made of numbers, for `growth_registry`: the same in every run, and small, so that making them costs little."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from functools import cached_property

OCI = "application/vnd.oci.image"
MANIFEST_TYPE = f"{OCI}.manifest.v1+json"
# Bytes of the file in each layer; the layer is about as large, since the content does not compress.
_FILE_SIZE = 1024
KINDS = ("layers", "tags", "images")


class Repository:
    """A repository whose name says what it holds: ``KIND-NUMBER``.

    ``layers-N`` is one image, tagged ``t0``, of N layers. ``tags-N`` is one image with N tags. ``images-N`` is N
    images that share a layer and have one of their own. Raises `ValueError` for any other name.
    """

    def __init__(self, name: str) -> None:
        kind, _, number = name.partition("-")
        if kind not in KINDS or not number.isdecimal():
            raise ValueError(f"{name} is none of {', '.join(f'{kind}-NUMBER' for kind in KINDS)}")
        self._kind, self._number = kind, int(number)
        self.blobs: dict[str, bytes] = {}

    @cached_property
    def tags(self) -> list[str]:
        """All tags, in lexical order."""
        count = 1 if self._kind == "layers" else self._number
        width = len(str(count - 1))
        return [f"t{number:0{width}}" for number in range(count)]

    @cached_property
    def manifests(self) -> dict[str, tuple[str, bytes]]:
        """Digest and bytes of each manifest, by tag and by digest; this makes all content."""
        found: dict[str, tuple[str, bytes]] = {}
        for tag, raw in zip(self.tags, self._images(), strict=True):
            digest = _digest(raw)
            found[tag] = found[digest] = digest, raw
        return found

    def _images(self) -> Iterator[bytes]:
        if self._kind == "images":
            for number in range(self._number):
                yield self._image([0, number + 1])
            return
        image = self._image(list(range(self._number)) if self._kind == "layers" else [0])
        for _ in self.tags:
            yield image

    def _image(self, layers: list[int]) -> bytes:
        entries, diff_ids = [], []
        for number in layers:
            plain = _layer(number)
            diff_ids.append(_digest(plain))
            entries.append(self._keep(_compressed(plain), "layer.v1.tar+gzip"))
        config = {
            "created": "2024-01-01T00:00:00Z",
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "growth"} for _ in diff_ids],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._keep(json.dumps(config, separators=(",", ":")).encode(), "config.v1+json"),
            "layers": entries,
        }
        return json.dumps(manifest, separators=(",", ":")).encode()

    def _keep(self, content: bytes, kind: str) -> dict[str, object]:
        digest = _digest(content)
        self.blobs[digest] = content
        return {"mediaType": f"{OCI}.{kind}", "digest": digest, "size": len(content)}


def _layer(number: int) -> bytes:
    """Return an archive of one file."""
    content = b"".join(hashlib.sha256(b"%d/%d" % (number, block)).digest() for block in range(_FILE_SIZE // 32))
    member = tarfile.TarInfo(f"files/{number}")
    member.size = len(content)
    return member.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (2 * tarfile.BLOCKSIZE)


def _compressed(plain: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(plain) + compressor.flush()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
