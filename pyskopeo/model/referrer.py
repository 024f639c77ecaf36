"""What refers to a manifest: signatures, attestations, lists of packages (distribution specification 1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..fast_dataclass import dataclass
from . import mediatype
from .descriptor import Descriptor, platform_json
from .digest import Digest

if TYPE_CHECKING:
    from .manifest import Manifest

Origin: TypeAlias = Literal["referrers API", "tag schema", "cosign tag", "index entry", "subject"]
"""How a referrer was found; ``subject`` is that of a manifest in a layout."""

COSIGN_SUFFIXES = ("sig", "att", "sbom")
"""The ends of the tags of signatures, attestations and lists of packages: ``sha256-HEX.sig``."""

MAX_REFERRERS = 10_000
"""The number of referrers of one manifest, and of all those that are listed for an image."""

_HEX = "0123456789abcdef"
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_REFERENCE_TYPE = "vnd.docker.reference.type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that refers to another one.

    ``artifact_type`` is "" if it is not known, ``tag`` the tag by which it was found, else "". ``referrers`` are what
    refers to it in turn; they are listed where the digest is found first, and ``repeated`` marks the other places.
    """

    descriptor: Descriptor
    artifact_type: str
    origin: Origin
    tag: str = ""
    referrers: tuple[Referrer, ...] = ()
    repeated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``referrers --json`` prints."""
        value: dict[str, Any] = {
            **self.descriptor.brief_json(), "artifactType": self.artifact_type, "foundBy": self.origin,
        }  # fmt: skip
        if self.tag:
            value["tag"] = self.tag
        if self.descriptor.annotations:
            value["annotations"] = dict(self.descriptor.annotations)
        if self.repeated:
            value["repeated"] = True
        return value | {"referrers": [one.to_json() for one in self.referrers]}


@dataclass(frozen=True, slots=True)
class ReferredImage:
    """An image or index with what refers to it; ``descriptor`` has the platform that the index states."""

    descriptor: Descriptor
    referrers: tuple[Referrer, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``referrers --json`` prints."""
        value: dict[str, Any] = {"mediaType": self.descriptor.media_type, "digest": str(self.descriptor.digest)}
        if self.descriptor.platform is not None:
            value["platform"] = platform_json(self.descriptor.platform)
        return value | {"referrers": [one.to_json() for one in self.referrers]}


@dataclass(frozen=True, slots=True)
class ReferrerReport:
    """What refers to an image ``name``: to its index, if it has one, and to each image in that.

    ``unread`` is the number of referrers that were not read, or not asked for what refers to them, because there are
    too many or they are too deep.
    """

    name: str
    images: tuple[ReferredImage, ...]
    unread: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document that ``referrers --json`` prints."""
        return {"name": self.name, "images": [one.to_json() for one in self.images], "unread": self.unread}


@dataclass(frozen=True, slots=True)
class WantedReferrers:
    """What a copy does with what refers to an image.

    ``copied`` is whether manifests whose subject it is are copied, and what refers to them in turn; with ``types`` only
    those of these artifact types, and all that refers to them. ``cosign_tags`` is whether the images with cosign's tags
    ``sha256-HEX.sig``, ``.att`` and ``.sbom`` are. ``required`` are artifact types of which there must be one each.
    """

    copied: bool = False
    types: tuple[str, ...] = ()
    cosign_tags: bool = False
    required: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is copied or required."""
        return self.copied or self.cosign_tags or bool(self.required)

    def copies(self, tag: str) -> bool:
        """Return whether what has a tag is copied with the image whose digest is in the tag."""
        return (self.copied and is_referrers_tag(tag)) or (self.cosign_tags and is_cosign_tag(tag))


NO_REFERRERS = WantedReferrers()


def referrers_tag(digest: Digest) -> str:
    """Return the tag of the index that lists what refers to ``digest`` ("Referrers Tag Schema")."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def cosign_tag(digest: Digest, suffix: str) -> str:
    """Return the tag by which cosign finds what belongs to ``digest``; ``suffix`` is one of `COSIGN_SUFFIXES`."""
    return f"{digest.algorithm}-{digest.hex}.{suffix}"


def is_referrers_tag(tag: str) -> bool:
    """Return whether a tag is one that `referrers_tag` makes, such as ``sha256-HEX``."""
    algorithm, _, encoded = tag.partition("-")
    return algorithm in _HEX_DIGITS and len(encoded) == 64 and not encoded.strip(_HEX)


def is_cosign_tag(tag: str) -> bool:
    """Return whether a tag is one that `cosign_tag` makes, such as ``sha256-HEX.sig``."""
    name, _, suffix = tag.rpartition(".")
    algorithm, _, encoded = name.partition("-")
    return suffix in COSIGN_SUFFIXES and len(encoded) == _HEX_DIGITS.get(algorithm) and not encoded.strip(_HEX)


def belongs_to_image(tag: str) -> bool:
    """Return whether what has a tag belongs to the image whose digest is in it: by the tag schema, or cosign's tags."""
    return is_referrers_tag(tag) or is_cosign_tag(tag)


def artifact_type(manifest: Manifest) -> str:
    """Return what a referrer is: its artifact type, or the type of its first layer if its configuration is an image's.

    Those of cosign's tags and of BuildKit's entries state no type, or that of an image.
    """
    stated = manifest.artifact_type
    if stated in mediatype.IMAGE_CONFIGS and manifest.layers:
        first = manifest.layers[0].media_type
        is_layer = mediatype.layer_to_oci(first) is not None or first.startswith(mediatype.OCI_LAYER)
        return stated if is_layer else first
    return stated


def attested_digest(annotations: Mapping[str, str]) -> str:
    """Return the digest that an entry of an index is BuildKit's attestation of, as text, "" if it is none."""
    if annotations.get(_REFERENCE_TYPE) != "attestation-manifest":
        return ""
    return annotations.get(_REFERENCE_DIGEST, "")
