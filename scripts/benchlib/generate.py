"""Generate the benchmark's images from this machine's files and push them to a registry.

Run as a program, so that its memory is not the benchmark's: ``python -m benchlib.generate URL SCRATCH IMAGE...``
prints a JSON object that describes each image, by name.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sys
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

_ROOT = Path("/usr")
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to generate an image: ``layers`` of at least ``layer_bytes`` bytes each, compressed.

    With several ``images`` in one repository, each has a last layer of its own and shares the others.
    """

    layers: int
    layer_bytes: int
    images: int = 1


RECIPES = {
    "layers8": Recipe(8, 135_000_000),
    "many80": Recipe(80, 2_500_000),
    "huge1": Recipe(1, 1_500_000_000),
    "small100": Recipe(2, 20_000, images=100),
    "lock20": Recipe(4, 400_000, images=20),
    "pair8": Recipe(8, 135_000_000, images=2),
    "layers8-quick": Recipe(8, 250_000),
    "many80-quick": Recipe(80, 10_000),
    "huge1-quick": Recipe(1, 2_000_000),
    "small100-quick": Recipe(2, 2_000, images=100),
    "lock20-quick": Recipe(4, 4_000, images=20),
    "pair8-quick": Recipe(8, 250_000, images=2),
}


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's digest and size in bytes; for layers also those of the uncompressed tar."""

    digest: str
    size: int
    diff_id: str = ""
    tar_size: int = 0


class _GzipWriter:
    """A file that compresses what is written to it, and computes the digests of both forms."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
        self._tar_hash, self._hash = hashlib.sha256(), hashlib.sha256()
        self.tar_size = self.size = 0

    def write(self, data: bytes) -> int:
        self._tar_hash.update(data)
        self.tar_size += len(data)
        self._put(self._compressor.compress(data))
        return len(data)

    def finish(self) -> Blob:
        self._put(self._compressor.flush())
        digest, diff_id = f"sha256:{self._hash.hexdigest()}", f"sha256:{self._tar_hash.hexdigest()}"
        return Blob(digest, self.size, diff_id, self.tar_size)

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self._out.write(data)
        self.size += len(data)


def machine_files(largest: int) -> list[str]:
    """Return the readable regular files below /usr of at most ``largest`` bytes, sorted."""
    found = []
    for folder, folders, names in os.walk(_ROOT):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.access(path, os.R_OK) and 0 < os.path.getsize(path) <= largest:
                found.append(path)
    return found


def make_layer(target: Path, paths: Sequence[str], first: int, wanted: int) -> Blob:
    """Write a layer of at least ``wanted`` bytes to ``target``, from ``paths`` starting at ``first``, repeatedly."""
    with target.open("wb") as out:
        writer = _GzipWriter(out)
        with tarfile.open(fileobj=cast("BinaryIO", writer), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name, path in _repeated(paths, first):
                member = tarfile.TarInfo(name)
                with open(path, "rb") as content:
                    member.size = os.fstat(content.fileno()).st_size
                    member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                    tar.addfile(member, content)
                if writer.size >= wanted:
                    break
        return writer.finish()


def _repeated(paths: Sequence[str], first: int) -> Iterator[tuple[str, str]]:
    """Yield names in the layer with the paths of their content, without end."""
    if not paths:
        raise SystemExit(f"bench: no readable files below {_ROOT} to make images of")
    number = first
    while True:
        path = paths[number % len(paths)]
        yield f"round-{number // len(paths)}{path}", path
        number += 1


def push_image(name: str, url: str, scratch: Path) -> dict[str, object]:
    """Generate the images of a recipe with two processes and push them layer by layer; return their description."""
    recipe = RECIPES[name]
    repository = f"bench/{name}"
    layers = list(_pushed_layers(recipe, url, repository, scratch))
    common, own = layers[: recipe.layers - 1], layers[recipe.layers - 1 :]
    tags = ["1"] if recipe.images == 1 else [f"t{number:03}" for number in range(recipe.images)]
    configs: list[Blob] = []
    manifests: dict[str, str] = {}
    own_blobs: dict[str, list[str]] = {}
    for tag, last in zip(tags, own, strict=True):
        config, manifests[tag] = _push_manifest(url, repository, tag, [*common, last])
        configs.append(config)
        own_blobs[tag] = [config.digest, last.digest]
    blobs = [asdict(blob) for blob in (*configs, *layers)]
    return {"repository": repository, "blobs": blobs, "manifests": manifests, "own": own_blobs}


def _pushed_layers(recipe: Recipe, url: str, repository: str, scratch: Path) -> Iterator[Blob]:
    """Generate, push and yield all layers, those that images share first."""
    files = machine_files(max(recipe.layer_bytes // 4, 100_000))
    count = recipe.layers - 1 + recipe.images
    paths = [scratch / f"{number}.tar.gz" for number in range(count)]
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(make_layer, path, files, number * len(files) // count, recipe.layer_bytes)
            for number, path in enumerate(paths)
        ]
        for job, path in zip(jobs, paths, strict=True):
            layer = job.result()
            with path.open("rb") as content:
                _push_blob(url, repository, layer, content)
            path.unlink()
            yield layer


def _push_manifest(url: str, repository: str, tag: str, layers: list[Blob]) -> tuple[Blob, str]:
    """Push the config and the manifest of one image; return the config and the manifest's digest."""
    raw_config = _config([layer.diff_id for layer in layers])
    config = Blob("sha256:" + hashlib.sha256(raw_config).hexdigest(), len(raw_config))
    _push_blob(url, repository, config, raw_config)
    manifest = _manifest(config, layers)
    headers = {"Content-Type": f"{_OCI}.manifest.v1+json"}
    _request(url, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, headers, 201)
    return config, "sha256:" + hashlib.sha256(manifest).hexdigest()


def _config(diff_ids: list[str]) -> bytes:
    content = {
        "created": "2024-01-01T00:00:00Z",
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64"),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "bench"} for _ in diff_ids],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _manifest(config: Blob, layers: list[Blob]) -> bytes:
    def entry(blob: Blob, kind: str) -> dict[str, object]:
        return {"mediaType": f"{_OCI}.{kind}", "digest": blob.digest, "size": blob.size}

    content = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": entry(config, "config.v1+json"),
        "layers": [entry(layer, "layer.v1.tar+gzip") for layer in layers],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _push_blob(url: str, repository: str, blob: Blob, content: BinaryIO | bytes) -> None:
    location = urlsplit(_request(url, "POST", f"/v2/{repository}/blobs/uploads/", b"", {}, 202))
    target = f"{location.path}?{location.query}&digest={blob.digest}"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    _request(url, "PUT", target, content, headers, 201)


def _request(url: str, method: str, path: str, body: BinaryIO | bytes, headers: dict[str, str], expected: int) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300, blocksize=1 << 20)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status != expected:
        raise SystemExit(f"bench: the registry answered {response.status} to {method} {path}: {content[:200]!r}")
    return response.getheader("Location") or ""


if __name__ == "__main__":
    address, folder, *wanted_images = sys.argv[1:]
    print(json.dumps({image: push_image(image, address, Path(folder)) for image in wanted_images}))
