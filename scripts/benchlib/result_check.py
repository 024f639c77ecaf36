"""Check that a contender did all of its work, so that none is fast because it left something out."""

from __future__ import annotations

import hashlib
import http.client
import json
from pathlib import Path
from typing import Any

from tests.support.peers import Registry

from .contenders import Job
from .images import MANIFEST_TYPE, Image
from .measure import RunError

_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


def check_result(job: Job, name: str) -> None:
    """Raise `RunError` unless contender ``name`` has done all of ``job``."""
    try:
        if check := _CHECKS.get(job.kind):
            check(job, name)
    except (OSError, ValueError, LookupError) as error:
        raise RunError(f"{name} did not do its work: {type(error).__name__}: {error}") from error


def _check_archive(job: Job, name: str) -> None:
    if job.path.stat().st_size < job.image.tar_bytes:
        raise RunError(f"{name} wrote an archive smaller than the layers")


def _check_blobs(job: Job, name: str) -> None:
    folder = job.path if name == "floor" or job.kind == "blobs" else _blobs(job.path)
    for digest, size in job.image.blobs_of(job.tag).items():
        _require_file(folder, digest, size, name)
    if job.kind == "oci-four":
        _check_names(job, name)


def _check_directories(job: Job, name: str) -> None:
    """Check that every image is in a directory of its own, with the source's manifest and all blobs."""
    for tag, digest in job.image.manifests.items():
        folder = job.path / f"{job.image.repository.rpartition('/')[2]}:{tag}"
        raw = (folder / "manifest.json").read_bytes()
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" != digest:
            raise RunError(f"{name} wrote another manifest for {tag} than the source has")
        manifest: dict[str, Any] = json.loads(raw)
        for blob in (manifest["config"], *manifest["layers"]):
            _require_file(folder, blob["digest"], blob["size"], name)


def _check_layout(job: Job, name: str) -> None:
    """Check that every image is in the index of the layout, and all blobs are there."""
    index: dict[str, Any] = json.loads((job.path / "index.json").read_text())
    if {entry["digest"] for entry in index["manifests"]} != set(job.image.manifests.values()):
        raise RunError(f"{name} did not name all images: there are {len(index['manifests'])}")
    for digest, size in job.image.blobs.items():
        _require_file(_blobs(job.path), digest, size, name)


def _check_names(job: Job, name: str) -> None:
    """Check that each of the four processes has named its image."""
    index: dict[str, Any] = json.loads((job.path / "index.json").read_text())
    names = {entry.get("annotations", {}).get("org.opencontainers.image.ref.name") for entry in index["manifests"]}
    if names != {"1", "2", "3", "4"}:
        raise RunError(f"{name} did not name all images: {sorted(map(str, names))}")


def _check_zstd(job: Job, name: str) -> None:
    """Check that all layers are compressed with zstd and the config, with its diff IDs, is unchanged."""
    folder = _blobs(job.path)
    index = json.loads((job.path / "index.json").read_text())
    manifest: dict[str, Any] = json.loads(_file(folder, index["manifests"][0]["digest"]).read_text())
    config, layers = manifest["config"], manifest["layers"]
    if config["digest"] != job.image.config or len(layers) != len(job.image.blobs) - 1:
        raise RunError(f"{name} wrote an image of another config or of {len(layers)} layers")
    _require_file(folder, config["digest"], config["size"], name)
    for layer in layers:
        _require_file(folder, layer["digest"], layer["size"], name)
        with _file(folder, layer["digest"]).open("rb") as content:
            magic = content.read(len(_ZSTD_MAGIC))
        if not layer["mediaType"].endswith("+zstd") or magic != _ZSTD_MAGIC:
            raise RunError(
                f"{name} wrote {layer['digest']} as {layer['mediaType']}, and it is not zstd or not called so"
            )


def _blobs(layout: Path) -> Path:
    return layout / "blobs" / "sha256"


def _file(folder: Path, digest: str) -> Path:
    return folder / digest.partition(":")[2]


def _require_file(folder: Path, digest: str, size: int, name: str) -> None:
    path = _file(folder, digest)
    if not path.is_file() or path.stat().st_size != size:
        raise RunError(f"{name} did not write {digest} with its {size} bytes")


def _check_registry(job: Job, name: str) -> None:
    """Check that every blob and the source's manifest are in the target's repository."""
    assert job.target
    registry = _RegistryClient(job.target.registry)
    try:
        for digest, size in job.image.blobs.items():
            if registry.head(f"{job.target.repository}/blobs/{digest}").get("Content-Length") != str(size):
                raise RunError(f"{name} did not push {digest} with its {size} bytes")
        pushed = registry.head(f"{job.target.repository}/manifests/1").get("Docker-Content-Digest")
    finally:
        registry.close()
    if pushed is None or pushed != _manifest_digest(job.registry, job.image):
        raise RunError(f"{name} did not push the manifest as it is at the source: {pushed or 'none is there'}")


def _manifest_digest(registry: Registry, image: Image) -> str | None:
    client = _RegistryClient(registry)
    try:
        return client.head(f"{image.repository}/manifests/1").get("Docker-Content-Digest")
    finally:
        client.close()


class _RegistryClient:
    """One connection to a registry over plain HTTP."""

    def __init__(self, registry: Registry) -> None:
        self._connection = http.client.HTTPConnection(registry.host, timeout=60)

    def head(self, path: str) -> dict[str, str]:
        """Return the headers of a response with status 200, an empty mapping for any other."""
        self._connection.request("HEAD", f"/v2/{path}", headers={"Accept": MANIFEST_TYPE})
        with self._connection.getresponse() as response:
            response.read()
            return dict(response.getheaders()) if response.status == http.client.OK else {}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _check_file(job: Job, name: str) -> None:
    if not (job.path / job.file).stat().st_size:
        raise RunError(f"{name} extracted an empty {job.file}")


def _check_inspected(job: Job, name: str) -> None:
    said = job.path.read_text()
    if missing := [tag for tag, digest in job.image.manifests.items() if digest not in said]:
        raise RunError(f"{name} did not print {len(missing)} images, such as {missing[0]}")


def _check_planned(job: Job, name: str) -> None:
    said = job.path.read_text()
    if missing := [tag for tag in job.image.manifests if f"{job.image.repository}:{tag}" not in said]:
        raise RunError(f"{name} did not plan {len(missing)} images, such as {missing[0]}")


_CHECKS = {
    "inspect-all": _check_inspected,
    "plan-all": _check_planned,
    "extract-one": _check_file,
    "docker-archive": _check_archive,
    **dict.fromkeys(("oci", "oci-pinned", "oci-four", "blobs"), _check_blobs),
    "prefetch": _check_layout,
    **dict.fromkeys(("sync", "sync-file"), _check_directories),
    "zstd": _check_zstd,
    "docker": _check_registry,
}
