"""Content descriptors (OCI image specification, "Descriptors")."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from ..errors import ContentMismatch, InvalidContent
from ..fast_dataclass import dataclass
from ..gocompat.field_names import FieldNames
from . import mediatype
from .digest import Digest
from .platform import Platform

UNKNOWN_SIZE = -1
"""The size of a layer of a schema 1 manifest, which has no sizes; not valid in a document."""
_LARGEST = 2**63 - 1
_NAMES = FieldNames.of(
    "mediaType", "digest", "size", "platform", "annotations", "urls", "artifactType", "data"
)  # fmt: skip


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
        """Validate a decoded JSON object; ``where`` names it in errors. A null is the same as an absent field.

        Raises `InvalidContent`, and `ContentMismatch` for embedded content that differs from the digest.
        """
        if not isinstance(value, Mapping):
            raise InvalidContent(f"{where} is not a descriptor")
        _NAMES.check(value, where)
        size = value.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
            raise InvalidContent(f"{where}.size is not a size in bytes: {ascii(size)[:40]}")
        platform = value.get("platform")
        found = cls(
            _text(value, "mediaType", where),
            Digest.parse(value.get("digest")),
            size,
            platform=None if platform is None else Platform.from_json(platform),
            annotations=read_annotations(value.get("annotations"), where),
            urls=_urls(value.get("urls"), where),
            artifact_type=_text(value, "artifactType", where),
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

    def brief_json(self) -> dict[str, Any]:
        """Return the JSON object with the media type, digest and size only, and the platform if there is one."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        return value if self.platform is None else value | {"platform": platform_json(self.platform)}

    @property
    def is_manifest(self) -> bool:
        """Whether the content is a manifest or an index, by the media type."""
        return self.media_type in mediatype.MANIFESTS

    @property
    def is_blob(self) -> bool:
        """Whether the content is known not to be a manifest or an index, by the media type."""
        return mediatype.is_blob(self.media_type)


_NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})


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
    """Validate decoded ``annotations``; ``where`` names their object in errors.

    As in Go, null is no annotations, and an annotation that is null is empty. Raises `InvalidContent`.
    """
    if value is None:
        return _NO_ANNOTATIONS
    if not isinstance(value, dict) or not all(isinstance(text, str | None) for text in value.values()):
        raise InvalidContent(f"{where}.annotations is not a map of strings")
    return {name: text or "" for name, text in value.items()} if None in value.values() else value


def check_subject_names(value: object) -> None:
    """Raise `InvalidContent` for names of a ``subject`` that differ from a descriptor's by case only."""
    if isinstance(value, Mapping):
        _NAMES.check(value, "subject")


def _urls(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(url, str | None) for url in value):
        raise InvalidContent(f"{where}.urls is not a list of strings")
    return tuple(url or "" for url in value)


def _text(value: Mapping[str, Any], name: str, where: str) -> str:
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise InvalidContent(f"{where}.{name} is not a string")
    return found


def _data(value: object, where: str) -> bytes | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            # As in Go, line breaks are ignored.
            return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except binascii.Error:
        pass  # raised below
    raise InvalidContent(f"{where}.data is not base64")
