"""What can be asked of `images.build`: specs are plain values, and `KINDS` names one of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .rootfs import LayerSpec

Flavor = Literal["docker", "oci"]
Algorithm = Literal["sha256", "sha512"]

# Letters that Go's JSON writer escapes and others do not: `<&>` and the two line separators.
ODD_TEXT = 'a<b>&c \u2028 \u2029 \u00e9 \U0001f40b "quoted" back\\slash'


@dataclass(frozen=True, slots=True)
class PlatformSpec:
    """A platform as image configurations and indexes write it."""

    architecture: str = "amd64"
    os: str = "linux"
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The ``platform`` object of a descriptor."""
        found: dict[str, object] = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            found["os.version"] = self.os_version
        if self.os_features:
            found["os.features"] = list(self.os_features)
        if self.variant:
            found["variant"] = self.variant
        return found


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image for one platform.

    ``empty_history`` puts that many entries without a layer before, between and after the others.
    ``go_escapes`` writes ``<`` and its like in the configuration as ``\\u003c``, as Go does.
    ``manifest_media_type`` False leaves ``mediaType`` out, as the OCI specification allows.
    ``platform_in_index`` False leaves ``platform`` out of the entry of an index.
    """

    flavor: Flavor = "oci"
    layers: tuple[LayerSpec, ...] = (LayerSpec("base", base=True), LayerSpec("data"))
    platform: PlatformSpec = PlatformSpec()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: tuple[str, ...] = ("PATH=/bin",)
    empty_history: int = 0
    go_escapes: bool = False
    algorithm: Algorithm = "sha256"
    manifest_media_type: bool = True
    platform_in_index: bool = True


@dataclass(frozen=True, slots=True)
class ArtifactSpec:
    """An OCI manifest that is no image: the empty config, and a blob of any type."""

    artifact_type: str = "application/vnd.example.sbom.v1+json"
    layer_type: str = "application/vnd.example.sbom.v1+json"
    content: bytes = b'{"packages":[]}'
    annotations: Mapping[str, str] = field(default_factory=dict)
    algorithm: Algorithm = "sha256"


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An OCI index or a Docker manifest list.

    ``attestations`` adds BuildKit's entry for ``unknown/unknown`` after those of the images.
    """

    entries: tuple[ImageSpec | ArtifactSpec | IndexSpec, ...]
    flavor: Flavor = "oci"
    attestations: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    algorithm: Algorithm = "sha256"
    manifest_media_type: bool = True


Spec = ImageSpec | ArtifactSpec | IndexSpec


def layers(
    count: int, *, size: int = 1500, compression: Literal["gzip", "zstd", "none"] = "gzip"
) -> tuple[LayerSpec, ...]:
    """``count`` different layers, the first of them with a root file system."""
    return tuple(
        LayerSpec(f"layer-{number}", size=size, compression=compression, base=number == 0) for number in range(count)
    )


PLATFORMS = (
    PlatformSpec("amd64"),
    PlatformSpec("arm", variant="v6"),
    PlatformSpec("arm", variant="v7"),
    PlatformSpec("arm64", variant="v8"),
    PlatformSpec("s390x"),
    PlatformSpec("amd64", os="windows", os_version="10.0.20348.2113"),
)


def platforms(
    flavor: Flavor, *, attestations: bool = False, offered: tuple[PlatformSpec, ...] = PLATFORMS
) -> IndexSpec:
    """An index with one image for each platform of ``offered``; they share their second layer."""
    images = tuple(
        ImageSpec(
            flavor,
            layers=(LayerSpec(f"base-{p.architecture}{p.variant}-{p.os}", base=True), LayerSpec("shared")),
            platform=p,
        )
        for p in offered
    )
    return IndexSpec(images, flavor, attestations=attestations)


_SAME = LayerSpec("repeated")

KINDS: Mapping[str, Spec] = {
    "docker": ImageSpec("docker", layers=layers(3), labels={"maintainer": "someone"}),
    "oci": ImageSpec("oci", layers=layers(3), annotations={"org.opencontainers.image.title": "test"}),
    "oci-without-media-type": ImageSpec("oci", manifest_media_type=False),
    "docker-repeated": ImageSpec(
        "docker", layers=(LayerSpec("base", base=True), _SAME, LayerSpec("between"), _SAME, _SAME)
    ),
    "oci-repeated": ImageSpec("oci", layers=(LayerSpec("base", base=True), _SAME, LayerSpec("between"), _SAME)),
    "docker-odd-text": ImageSpec("docker", labels={"odd": ODD_TEXT, "<key>": "&"}, env=("PATH=/bin", "ODD=<&>\u2028")),
    "docker-odd-text-go": ImageSpec("docker", labels={"odd": ODD_TEXT}, env=("PATH=/bin", "ODD=<&>"), go_escapes=True),
    "oci-odd-text": ImageSpec("oci", labels={"odd": ODD_TEXT}, annotations={"odd": ODD_TEXT}),
    "docker-history": ImageSpec("docker", layers=layers(3), empty_history=2),
    "oci-history": ImageSpec("oci", layers=layers(3), empty_history=2),
    "docker-list": platforms("docker"),
    "oci-index": platforms("oci"),
    "oci-index-attested": platforms("oci", attestations=True),
    "nested-index": IndexSpec((platforms("oci", offered=PLATFORMS[:2]), platforms("oci", offered=PLATFORMS[2:4]))),
    "index-with-artifact": IndexSpec((ImageSpec(), ArtifactSpec())),
    "index-without-platform": IndexSpec((ImageSpec(platform_in_index=False),)),
    "oci-zstd": ImageSpec("oci", layers=layers(2, compression="zstd")),
    "docker-zstd": ImageSpec("docker", layers=layers(2, compression="zstd")),
    "oci-uncompressed": ImageSpec("oci", layers=layers(2, compression="none")),
    "docker-uncompressed": ImageSpec("docker", layers=layers(2, compression="none")),
    "artifact": ArtifactSpec(),
    "oci-sha512": ImageSpec("oci", layers=layers(2), algorithm="sha512"),
    "oci-index-sha512": IndexSpec(
        (ImageSpec(algorithm="sha512"), ImageSpec(platform=PlatformSpec("arm64"))), algorithm="sha512"
    ),
    "oci-no-layers": ImageSpec("oci", layers=()),
}
