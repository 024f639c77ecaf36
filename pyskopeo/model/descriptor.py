"""Content descriptors (OCI image specification, "Descriptors")."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..errors import ContentMismatch, InvalidContent
from ..fast_dataclass import dataclass
from . import mediatype
from .digest import Digest
from .platform import Platform

UNKNOWN_SIZE = -1
"""The size of a layer of a schema 1 manifest, which has no sizes; not valid in a document."""
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The media type, digest and size in bytes of a blob or manifest, with the optional properties.

    ``platform`` is that of an entry of an index. ``urls`` are where else the content can be downloaded.
    ``data`` is the embedded content, which `from_json` has verified.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    urls: tuple[str, ...] = ()
    artifact_type: str = ""
    data: bytes | None = None

    @classmethod
    def from_json(cls, value: object, where: str) -> Descriptor:
        """Validate a decoded JSON object; ``where`` names it in errors.

        Raises `InvalidContent`, and `ContentMismatch` for embedded content that differs from the digest.
        """
        if not isinstance(value, Mapping):
            raise InvalidContent(f"{where} is not a descriptor")
        media_type, size = value.get("mediaType", ""), value.get("size")
        if not isinstance(media_type, str):
            raise InvalidContent(f"{where}.mediaType is not a string")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
            raise InvalidContent(f"{where}.size is not a size in bytes: {ascii(size)[:40]}")
        platform = value.get("platform")
        found = cls(
            media_type,
            Digest.parse(value.get("digest")),
            size,
            platform=None if platform is None else Platform.from_json(platform),
            annotations=read_annotations(value.get("annotations"), where),
            urls=_urls(value.get("urls"), where),
            artifact_type=_text(value.get("artifactType"), where),
            data=_data(value.get("data"), where),
        )
        if found.data is not None and (
            len(found.data) != size or Digest.of(found.data, found.digest.algorithm) != found.digest
        ):
            raise ContentMismatch(
                f"{where}.data is not the content its digest names",
                expected=str(found.digest),
                actual=str(Digest.of(found.data, found.digest.algorithm)),
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, with the fields in the order of the specification's Go type.

        ``artifact_type`` and ``data`` are not written.
        """
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            value["urls"] = list(self.urls)
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.platform is not None:
            value["platform"] = platform_json(self.platform)
        return value

    @property
    def is_manifest(self) -> bool:
        """Whether the content is a manifest or an index, by the media type."""
        return self.media_type in mediatype.MANIFESTS


def platform_json(platform: Platform) -> dict[str, Any]:
    """Return the JSON object of a platform, without empty optional fields (OCI image spec, "Image Index")."""
    value: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        value["os.version"] = platform.os_version
    if platform.os_features:
        value["os.features"] = list(platform.os_features)
    if platform.variant:
        value["variant"] = platform.variant
    return value


def read_annotations(value: object, where: str) -> Mapping[str, str]:
    """Validate decoded ``annotations``, {} for None; ``where`` names their object in errors.

    Raises `InvalidContent`.
    """
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise InvalidContent(f"{where}.annotations is not a map of strings")
    return value


def _urls(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise InvalidContent(f"{where}.urls is not a list of strings")
    return tuple(value)


def _text(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidContent(f"{where}.artifactType is not a string")
    return value


def _data(value: object, where: str) -> bytes | None:
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except binascii.Error:
        pass  # raised below
    raise InvalidContent(f"{where}.data is not base64")
