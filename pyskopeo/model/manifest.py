"""Parsing and validation of manifests and indexes.

OCI image specification 1.1 ("Image Manifest", "Image Index"); Docker's image manifest version 2,
schema 2 and schema 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..errors import ContentMismatch, InvalidContent, Unsupported
from ..fast_dataclass import dataclass, replace
from ..gocompat.field_names import FieldNames
from . import mediatype
from .descriptor import UNKNOWN_SIZE, Descriptor, check_subject_names, read_annotations
from .digest import Digest
from .platform import Platform
from .strict_json import MANIFEST_LIMIT, parse_object

_MAX_ENTRIES = 20_000
# The fields of all types of manifests, since the fields that a document has decide which type it is.
_NAMES = FieldNames.of(
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations",
    "fsLayers", "history", "signatures",
)  # fmt: skip
_SCHEMA1_NAMES = FieldNames.of("name", "tag", "architecture")
_SINGLE_IMAGES = mediatype.IMAGES | mediatype.SCHEMA1_IMAGES
_KNOWN = mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES


@dataclass(frozen=True)
class Manifest:
    """A manifest of an image or artifact, or an index.

    ``raw`` are its bytes, which are copied unchanged unless the manifest has to be converted; the other
    attributes are derived from them. ``manifests`` are the entries of an index, ``config`` and ``layers``
    the blobs of an image, base layer first. A manifest of schema 1 has no config and its layers are of
    `UNKNOWN_SIZE`; its ``digest`` is that of its content without the signatures. ``served_as`` is the media
    type that a server or a descriptor gave if the document is of another one, else "". ``platform`` is the one that an
    index states for the image, None if it was not read from one.
    """

    raw: bytes
    media_type: str
    digest: Digest
    manifests: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    served_as: str = field(default="", compare=False)
    platform: Platform | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, raw: bytes, *, content_type: str = "", expected: Digest | None = None) -> Manifest:
        """Parse and validate a manifest.

        ``expected`` is the digest that was requested; it is checked before anything is parsed.
        ``content_type`` is the media type given by a server or by the parent's descriptor. It counts if
        the document does not state its own; an image of Docker's type that is given as OCI's is still
        what it states, as is one of schema 1, and so are indexes (`served_as`).

        Raises `ContentMismatch` for another digest, `TooLarge` over `MANIFEST_LIMIT` bytes, `Unsupported`
        for an unknown media type, and `InvalidContent` for all other faults, such as an image that is
        given as an index, members of more than one type of manifest (CVE-2021-41190), or names that differ
        from those of the specification by case only, which programs in Go read and others do not.
        """
        digest = Digest.of(raw, expected.algorithm if expected else "sha256")
        if b"signatures" not in raw:  # the digest of a signed manifest is not that of all its bytes
            _check_digest(digest, expected)
        document = parse_object(raw, "manifest", MANIFEST_LIMIT)
        _NAMES.check(document, "manifest")
        check_subject_names(document.get("subject"))
        given = mediatype.essence(content_type)
        media_type = _media_type(document, given)
        served_as = given if given in _KNOWN and given != media_type else ""
        if media_type in mediatype.SCHEMA1_IMAGES:
            manifest = _schema1(raw, media_type, document, digest.algorithm, expected)
            # Signed and unsigned ones are served with either type.
            return manifest if given in mediatype.SCHEMA1_IMAGES else replace(manifest, served_as=served_as)
        _check_digest(digest, expected)
        if media_type in mediatype.INDEXES:
            children = _descriptors(document, "manifests")
            return cls(raw, media_type, digest, manifests=children, served_as=served_as)
        config = Descriptor.from_json(document.get("config"), "config")
        layers = _descriptors(document, "layers")
        return cls(raw, media_type, digest, config=config, layers=layers, served_as=served_as)

    @property
    def document(self) -> Mapping[str, Any]:
        """The decoded JSON, of schema 1 without the signatures.

        Decoded again at each access, since it may need many times the memory of ``raw``.
        """
        return _decode(self.raw, signed=self.media_type == mediatype.SCHEMA1_SIGNED)

    @property
    def is_index(self) -> bool:
        """Whether it is an OCI index or a Docker manifest list."""
        return self.media_type in mediatype.INDEXES

    @property
    def is_schema1(self) -> bool:
        """Whether it is a manifest of Docker's schema 1; see `schema1`."""
        return self.media_type in mediatype.SCHEMA1_IMAGES

    @property
    def is_image(self) -> bool:
        """Whether the config is an image configuration, so that it is not an artifact or an index."""
        return self.config is not None and self.config.media_type in mediatype.IMAGE_CONFIGS

    @property
    def artifact_type(self) -> str:
        """The ``artifactType``, or the config's media type without one (OCI image spec, "Image Manifest")."""
        stated = self.document.get("artifactType")
        if isinstance(stated, str) and stated:
            return stated
        return self.config.media_type if self.config else ""

    @property
    def subject(self) -> Descriptor | None:
        """The manifest that this one refers to, None if there is none; raises `InvalidContent`."""
        stated = self.document.get("subject")
        return None if stated is None else Descriptor.from_json(stated, "subject")

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of the manifest; raises `InvalidContent`."""
        return read_annotations(self.document.get("annotations"), "manifest")

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The layers in order, then the config, which is the order of skopeo's output.

        Raises `Unsupported` for an index, which has images and no blobs of its own: see `image_manifest`.
        """
        if self.is_index:
            raise Unsupported(
                "an index has no blobs of its own: choose one of its images, for example with pyskopeo.image_manifest"
            )
        return self.layers if self.config is None else (*self.layers, self.config)

    def check_size(self, descriptor: Descriptor) -> None:
        """Raise `ContentMismatch` unless it has as many bytes as a descriptor of it says, if that says how many."""
        if descriptor.size not in (len(self.raw), UNKNOWN_SIZE):
            raise ContentMismatch(
                f"manifest {self.digest} has {len(self.raw)} bytes, its descriptor says {descriptor.size}",
                expected=str(descriptor.size),
                actual=str(len(self.raw)),
            )

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of the manifest itself, with its platform if that is known."""
        return Descriptor(self.media_type, self.digest, len(self.raw), self.platform)


def _check_digest(digest: Digest, expected: Digest | None) -> None:
    if expected is not None and digest != expected:
        raise ContentMismatch(
            f"manifest digest mismatch: want {expected}, got {digest}", expected=str(expected), actual=str(digest)
        )


def _schema1(
    raw: bytes, media_type: str, document: Mapping[str, Any], algorithm: str, expected: Digest | None
) -> Manifest:
    # Imported on demand: such images are rare.
    from . import jws, schema1_layers

    content = raw
    if media_type == mediatype.SCHEMA1_SIGNED:
        content = jws.payload(raw, document["signatures"])
        document = parse_object(content, "manifest", MANIFEST_LIMIT)
        _NAMES.check(document, "manifest")
    _SCHEMA1_NAMES.check(document, "manifest")
    digest = Digest.of(content, algorithm)
    _check_digest(digest, expected)
    return Manifest(raw, media_type, digest, layers=schema1_layers.read_layers(document))


def _decode(raw: bytes, *, signed: bool) -> Mapping[str, Any]:
    """Decode a manifest that was validated before; one that is an ``index.json`` may be larger than others."""
    document = parse_object(raw, "manifest", max(MANIFEST_LIMIT, len(raw)))
    if not signed:
        return document
    from . import jws

    return parse_object(jws.payload(raw, document["signatures"]), "manifest", MANIFEST_LIMIT)


def _descriptors(document: Mapping[str, Any], name: str) -> tuple[Descriptor, ...]:
    found = document.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > _MAX_ENTRIES:
        raise InvalidContent(f"manifest: {name} is not a list of at most {_MAX_ENTRIES} descriptors")
    return tuple(Descriptor.from_json(entry, f"{name}[{position}]") for position, entry in enumerate(found))


def _media_type(document: Mapping[str, Any], content_type: str) -> str:
    """Return the media type of a document; raises if it could be of more than one type."""
    image_keys = sorted(document.keys() & {"config", "layers"})
    index_keys = sorted(document.keys() & {"manifests"})
    schema1_keys = sorted(document.keys() & {"fsLayers", "history", "signatures"})
    if sum(map(bool, (image_keys, index_keys, schema1_keys))) > 1:
        both = ", ".join(image_keys + index_keys + schema1_keys)
        raise InvalidContent(f"ambiguous manifest: it has keys of more than one kind ({both})")
    version = document.get("schemaVersion")
    if version == 1 or schema1_keys:
        return _schema1_type(document, content_type)
    if version != 2 or type(version) is not int:  # 2.0 is no integer for Go
        raise InvalidContent(f"manifest: schemaVersion is {ascii(version)[:20]}, want 2")
    found = _stated_type(document) or _unstated_type(document, content_type)
    if content_type in _KNOWN and found != content_type and not _may_be_served_as(document, found, content_type):
        raise InvalidContent(f"manifest says it is {ascii(found)[:100]}, but it was served as {content_type}")
    if found not in mediatype.MANIFESTS:
        raise Unsupported(f"unsupported manifest type {ascii(found)[:100]}")
    if (found in mediatype.INDEXES and image_keys) or (found in mediatype.IMAGES and index_keys):
        raise InvalidContent(f"manifest says it is {found}, but its keys say otherwise")
    return found


def _unstated_type(document: Mapping[str, Any], content_type: str) -> str:
    """Return the type of a document of schema 2 without ``mediaType``."""
    if content_type == mediatype.DOCKER_MANIFEST and _config_type(document) == mediatype.OCI_CONFIG:
        return mediatype.OCI_MANIFEST  # in Docker's format ``mediaType`` is required
    return content_type if content_type in mediatype.MANIFESTS else _guess(document)


def _may_be_served_as(document: Mapping[str, Any], found: str, content_type: str) -> bool:
    """Return whether a document of type ``found`` may be served as another type: both are images, or both indexes.

    An image whose config is that of the other format is refused.
    """
    if found in mediatype.INDEXES:
        return content_type in mediatype.INDEXES
    other = mediatype.DOCKER_CONFIG if found == mediatype.OCI_MANIFEST else mediatype.OCI_CONFIG
    return found in mediatype.IMAGES and content_type in _SINGLE_IMAGES and _config_type(document) != other


def _config_type(document: Mapping[str, Any]) -> object:
    config = document.get("config")
    return config.get("mediaType") if isinstance(config, dict) else None


def _schema1_type(document: Mapping[str, Any], content_type: str) -> str:
    version, stated = document.get("schemaVersion"), _stated_type(document)
    if version != 1 or type(version) is not int:
        raise InvalidContent(f"manifest: schemaVersion is {ascii(version)[:20]}, want 1 for Docker's schema 1")
    if content_type in mediatype.INDEXES:
        raise InvalidContent(f"manifest is of Docker's schema 1, but it was served as {content_type}")
    if (stated and stated not in mediatype.SCHEMA1_IMAGES) or document.keys() & {"config", "layers", "manifests"}:
        raise InvalidContent("manifest says it is of Docker's schema 1, but its keys say otherwise")
    # By its signatures, since registries serve signed and unsigned ones with either type, or as plain JSON.
    return mediatype.SCHEMA1 if document.get("signatures") is None else mediatype.SCHEMA1_SIGNED


def _stated_type(document: Mapping[str, Any]) -> str:
    stated = document.get("mediaType")
    if not isinstance(stated, str | None):
        raise InvalidContent("manifest: mediaType is not a string")
    return stated or ""


def _guess(document: Mapping[str, Any]) -> str:
    """Return the type of a document without ``mediaType``, by its contents (containers/image, GuessMIMEType)."""
    if isinstance(entries := document.get("manifests"), list):
        docker = any(isinstance(e, dict) and e.get("mediaType") == mediatype.DOCKER_MANIFEST for e in entries[:1])
        return mediatype.DOCKER_LIST if docker else mediatype.OCI_INDEX
    config = document.get("config")
    if isinstance(config, dict):
        docker = config.get("mediaType") == mediatype.DOCKER_CONFIG
        return mediatype.DOCKER_MANIFEST if docker else mediatype.OCI_MANIFEST
    raise InvalidContent("this is not a manifest: it has neither config nor manifests")
