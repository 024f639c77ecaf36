"""Images for tests, generated: `build` turns a spec into the bytes a registry would serve.

Written from the specifications and independent of the package under test, so that neither can
repeat the other's mistake. The same spec gives the same digests on one machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .configs import config_json
from .rootfs import PROGRAM, Compression, LayerSpec, build_layer
from .specs import KINDS, Algorithm, ArtifactSpec, Flavor, ImageSpec, IndexSpec, PlatformSpec, Spec

__all__ = [
    "KINDS",
    "PROGRAM",
    "ArtifactSpec",
    "BuiltImage",
    "BuiltManifest",
    "ImageSpec",
    "IndexSpec",
    "LayerSpec",
    "PlatformSpec",
    "Spec",
    "build",
    "digest_of",
    "edited",
]

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
_MANIFEST_TYPES: Mapping[Flavor, str] = {
    "oci": f"{_OCI}.manifest.v1+json",
    "docker": f"{_DOCKER}.distribution.manifest.v2+json",
}
_INDEX_TYPES: Mapping[Flavor, str] = {
    "oci": f"{_OCI}.index.v1+json",
    "docker": f"{_DOCKER}.distribution.manifest.list.v2+json",
}
_CONFIG_TYPES: Mapping[Flavor, str] = {
    "oci": f"{_OCI}.config.v1+json",
    "docker": f"{_DOCKER}.container.image.v1+json",
}
_LAYER_TYPES: Mapping[tuple[Flavor, Compression], str] = {
    ("oci", "gzip"): f"{_OCI}.layer.v1.tar+gzip",
    ("oci", "zstd"): f"{_OCI}.layer.v1.tar+zstd",
    ("oci", "none"): f"{_OCI}.layer.v1.tar",
    ("docker", "gzip"): f"{_DOCKER}.image.rootfs.diff.tar.gzip",
    ("docker", "zstd"): f"{_DOCKER}.image.rootfs.diff.tar.zstd",
    ("docker", "none"): f"{_DOCKER}.image.rootfs.diff.tar",
}
_Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class BuiltManifest:
    """A manifest's bytes, and the type and digest a registry gives for them."""

    digest: str
    media_type: str
    raw: bytes

    @property
    def json(self) -> dict[str, object]:
        """The parsed manifest."""
        parsed: dict[str, object] = json.loads(self.raw)
        return parsed


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """All that belongs to one name: ``manifests`` by digest, children first, and ``blobs`` by digest.

    ``tars`` holds the uncompressed layers by digest of the layer.
    """

    root: BuiltManifest
    manifests: Mapping[str, BuiltManifest]
    blobs: Mapping[str, bytes]
    tars: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The root manifest's digest."""
        return self.root.digest

    def config_digest(self, manifest: str | None = None) -> str:
        """The config's digest of one manifest, the root unless told."""
        return str(self._descriptors(manifest, "config")[0]["digest"])

    def config(self, manifest: str | None = None) -> bytes:
        """The config's bytes of one manifest, the root unless told."""
        return self.blobs[self.config_digest(manifest)]

    def layer_digests(self, manifest: str | None = None) -> tuple[str, ...]:
        """The layers' digests of one manifest, the root unless told; repeated ones repeatedly."""
        return tuple(str(layer["digest"]) for layer in self._descriptors(manifest, "layers"))

    def child(self, position: int) -> BuiltManifest:
        """The manifest that the root index names at ``position``."""
        return self.manifests[str(self._descriptors(None, "manifests")[position]["digest"])]

    def _descriptors(self, manifest: str | None, key: str) -> list[_Json]:
        parsed = (self.manifests[manifest] if manifest else self.root).json
        found = parsed[key]
        if isinstance(found, dict):
            return [found]
        assert isinstance(found, list)
        return found


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of ``data`` as manifests write it."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def build(spec: Spec | str) -> BuiltImage:
    """The image ``spec`` describes; a string names one of `KINDS`."""
    builder = _Builder()
    root = builder.add(KINDS[spec] if isinstance(spec, str) else spec)
    return BuiltImage(
        root,
        MappingProxyType(builder.manifests),
        MappingProxyType(builder.blobs),
        MappingProxyType(builder.tars),
    )


def edited(image: BuiltImage, change: Callable[[dict[str, Any]], object]) -> BuiltImage:
    """``image`` with another root: ``change`` gets the parsed one, to alter it."""
    document = image.root.json
    change(document)
    raw = json.dumps(document).encode()
    root = BuiltManifest(digest_of(raw), image.root.media_type, raw)
    children = {digest: manifest for digest, manifest in image.manifests.items() if digest != image.digest}
    return BuiltImage(root, {**children, root.digest: root}, image.blobs, image.tars)


class _Builder:
    def __init__(self) -> None:
        self.manifests: dict[str, BuiltManifest] = {}
        self.blobs: dict[str, bytes] = {}
        self.tars: dict[str, bytes] = {}

    def add(self, spec: Spec) -> BuiltManifest:
        if isinstance(spec, ImageSpec):
            return self._image(spec)
        if isinstance(spec, ArtifactSpec):
            return self._artifact(spec)
        return self._index(spec)

    def _blob(self, data: bytes, media_type: str, algorithm: Algorithm) -> _Json:
        digest = digest_of(data, algorithm)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _manifest(self, content: _Json, media_type: str, algorithm: Algorithm) -> BuiltManifest:
        # Docker indents its manifests by three; the bytes are what counts, so tests should see both forms.
        indent = 3 if media_type.startswith(_DOCKER) else None
        raw = json.dumps(content, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":")).encode()
        built = BuiltManifest(digest_of(raw, algorithm), media_type, raw)
        self.manifests[built.digest] = built
        return built

    def _image(self, spec: ImageSpec) -> BuiltManifest:
        built = [build_layer(layer, spec.platform.architecture) for layer in spec.layers]
        config = config_json(spec, [digest_of(layer.tar) for layer in built])
        config_entry = self._blob(config, _CONFIG_TYPES[spec.flavor], spec.algorithm)
        entries: list[_Json] = []
        for wanted, layer in zip(spec.layers, built, strict=True):
            entries.append(self._blob(layer.data, _LAYER_TYPES[spec.flavor, wanted.compression], spec.algorithm))
            self.tars[digest_of(layer.data, spec.algorithm)] = layer.tar
        media_type = _MANIFEST_TYPES[spec.flavor]
        content = _head(media_type, stated=spec.manifest_media_type) | {"config": config_entry, "layers": entries}
        return self._manifest(_annotated(content, spec.annotations), media_type, spec.algorithm)

    def _artifact(self, spec: ArtifactSpec) -> BuiltManifest:
        media_type = _MANIFEST_TYPES["oci"]
        content = _head(media_type) | {
            "artifactType": spec.artifact_type,
            "config": self._blob(b"{}", "application/vnd.oci.empty.v1+json", spec.algorithm),
            "layers": [self._blob(spec.content, spec.layer_type, spec.algorithm)],
        }
        return self._manifest(_annotated(content, spec.annotations), media_type, spec.algorithm)

    def _index(self, spec: IndexSpec) -> BuiltManifest:
        entries: list[_Json] = []
        attestations: list[_Json] = []
        for child in spec.entries:
            entry = _descriptor(self.add(child))
            if isinstance(child, ImageSpec) and child.platform_in_index:
                entry["platform"] = child.platform.as_json()
            if isinstance(child, ArtifactSpec):
                entry["artifactType"] = child.artifact_type
            if isinstance(child, ImageSpec) and spec.attestations:
                attestations.append(self._attestation(str(entry["digest"])))
            entries.append(entry)
        media_type = _INDEX_TYPES[spec.flavor]
        content = _head(media_type, stated=spec.manifest_media_type) | {"manifests": entries + attestations}
        return self._manifest(_annotated(content, spec.annotations), media_type, spec.algorithm)

    def _attestation(self, subject: str) -> _Json:
        statement = json.dumps(
            {"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": subject}]}
        ).encode()
        layer = self._blob(statement, "application/vnd.in-toto+json", "sha256")
        platform = {"architecture": "unknown", "os": "unknown"}
        config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
        content = _head(_MANIFEST_TYPES["oci"]) | {
            "config": self._blob(json.dumps(config).encode(), _CONFIG_TYPES["oci"], "sha256"),
            "layers": [layer | {"annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}}],
        }
        note = {"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}
        entry = _descriptor(self._manifest(content, _MANIFEST_TYPES["oci"], "sha256"))
        return entry | {"annotations": note, "platform": platform}


def _head(media_type: str, *, stated: bool = True) -> _Json:
    return {"schemaVersion": 2, "mediaType": media_type} if stated else {"schemaVersion": 2}


def _descriptor(manifest: BuiltManifest) -> _Json:
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.raw)}


def _annotated(content: _Json, annotations: Mapping[str, str]) -> _Json:
    return content | {"annotations": dict(annotations)} if annotations else content
