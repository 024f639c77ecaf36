"""Manifests of files that are attached to images, and the names of such files (OCI image specification, manifest.md).

An artifact has no configuration of its own, but the empty descriptor ("Guidance for an Empty Descriptor").
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidInput
from . import mediatype
from .descriptor import Descriptor
from .digest import Digest
from .manifest import Manifest

TITLE = "org.opencontainers.image.title"
"""The annotation of a layer that is the name of the file (annotations.md)."""
EMPTY_CONTENT = b"{}"
EMPTY = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(EMPTY_CONTENT), len(EMPTY_CONTENT))
"""The descriptor of an artifact's configuration, whose content is `EMPTY_CONTENT`."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_LONGEST_NAME = 200
# What some program takes for something else than a part of a file's name.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028-\u202e\u2066-\u2069]')


def check_media_type(text: str) -> str:
    """Return ``text`` if it is a media type without parameters (RFC 6838 section 4.2); raises `InvalidInput`."""
    if not _MEDIA_TYPE.fullmatch(text):
        raise InvalidInput(f"{ascii(text)[1:-1][:200]} is no media type: want TYPE/SUBTYPE, as application/spdx+json")
    return text


def artifact_manifest(
    subject: Manifest | None, artifact_type: str, layers: Sequence[Descriptor], annotations: Mapping[str, str]
) -> Manifest:
    """Return the manifest of an artifact of ``layers`` that refers to ``subject``, or to nothing.

    It is the same for the same arguments. Raises `InvalidInput` for annotations that are not valid Unicode, and
    `TooLarge`.
    """
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": EMPTY.to_json() | {"data": base64.b64encode(EMPTY_CONTENT).decode()},
        # Some programs refuse an empty list of layers (manifest.md, "layers").
        "layers": [layer.to_json() for layer in layers or (EMPTY,)],
    }
    if subject is not None:
        document["subject"] = Descriptor(subject.media_type, subject.digest, len(subject.raw)).to_json()
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    if not _is_text(text):
        raise InvalidInput("an annotation is not valid Unicode")
    return Manifest.parse(text.encode())


def titled(name: str) -> dict[str, str]:
    """Return the annotations of the layer that is a file of this name, whatever bytes it is made of."""
    return {TITLE: name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")}


def files_of(artifact: Manifest) -> tuple[Descriptor, ...]:
    """Return the layers of an artifact that are files: all but the empty content."""
    return tuple(layer for layer in artifact.layers if layer.media_type != EMPTY.media_type)


def file_name(layer: Descriptor) -> str:
    """Return a name for a file that anybody may have attached: the last part of its title, without anything unsafe.

    It does not begin with a dot. Without a usable title it is made of the digest.
    """
    title = re.split(r"[/\\]", layer.annotations.get(TITLE, "").rstrip("/\\"))[-1]
    name = _UNSAFE.sub("_", title).strip(" ").lstrip(".")
    while len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        name = name[:-1]
    if not name.strip("_. ") or not _is_text(name):
        ending = ".json" if layer.media_type.endswith("json") else ""
        return f"{layer.digest.hex}{ending}"
    return name


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
