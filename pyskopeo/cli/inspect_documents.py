"""The JSON documents that ``inspect`` prints: for images skopeo's, for artifacts and ``--platforms`` our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..api.inspection import missing_creation_time
from ..gocompat.go_json import sorted_map

if TYPE_CHECKING:
    from ..api.inspection import Inspection, Instance
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest


def facts(inspection: Inspection, digest: Digest, name: str, tags: Sequence[str]) -> dict[str, Any]:
    """Return the document for an image: skopeo's fields in skopeo's order. ``digest`` is that of the named manifest."""
    from ..gocompat.go_time import GoTime

    created = inspection.created
    labels = inspection.labels
    return {
        **_named(name),
        "Digest": str(digest),
        "RepoTags": list(tags),
        "Created": GoTime.parse(created).rfc3339() if created else missing_creation_time(inspection),
        "DockerVersion": inspection.docker_version,
        "Labels": None if labels is None else sorted_map(labels),
        "Architecture": inspection.architecture,
        "Os": inspection.os,
        **_layers(inspection.layers),
        "Env": None if inspection.env is None else list(inspection.env),
    }


def artifact(digest: Digest, manifest: Manifest, name: str, tags: Sequence[str]) -> dict[str, Any]:
    """Return the document for an artifact: the fields it shares with images, then those of artifacts only."""
    config = manifest.config
    subject = manifest.document.get("subject")
    return {
        **_named(name),
        "Digest": str(digest),
        "RepoTags": list(tags),
        "MIMEType": manifest.media_type,
        "ArtifactType": manifest.artifact_type,
        "Config": None if config is None else _blob(config),
        **_layers(manifest.layers),
        "Subject": subject.get("digest") if isinstance(subject, Mapping) else None,
        "Annotations": _annotations(manifest.annotations),
    }


def platforms(root: Manifest, instances: Sequence[Instance], name: str) -> dict[str, Any]:
    """Return the document for ``--platforms``. ``Size`` is the size of the configuration and the layers as stored."""
    return {
        **_named(name),
        "Digest": str(root.digest),
        "MIMEType": root.media_type,
        "Platforms": [
            {
                "Platform": str(instance.platform) if instance.platform else None,
                "OsVersion": (instance.platform.os_version if instance.platform else "") or None,
                "Digest": str(instance.manifest.digest),
                "MIMEType": instance.manifest.media_type,
                "ArtifactType": None if instance.manifest.is_image else instance.manifest.artifact_type or None,
                "Layers": len(instance.manifest.layers),
                "Size": instance.size,
                "Annotations": _annotations(instance.annotations),
            }
            for instance in instances
        ],
    }


def _named(name: str) -> dict[str, Any]:
    return {"Name": name} if name else {}


def _layers(layers: Sequence[Descriptor]) -> dict[str, Any]:
    return {"Layers": [str(layer.digest) for layer in layers], "LayersData": [_blob(layer) for layer in layers]}


def _blob(blob: Descriptor) -> dict[str, Any]:
    return {
        "MIMEType": blob.media_type,
        "Digest": str(blob.digest),
        "Size": blob.size,
        "Annotations": _annotations(blob.annotations),
    }


def _annotations(annotations: Mapping[str, str]) -> dict[str, str] | None:
    return sorted_map(annotations) if annotations else None
