"""Images with the databases of package managers, as scanners read them: Debian's dpkg and Alpine's apk."""

from __future__ import annotations

from collections.abc import Mapping

from .rootfs import LayerSpec
from .specs import ImageSpec, IndexSpec, PlatformSpec

_DEBIAN = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n'
_ALPINE = b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME="Alpine Linux v3.20"\n'

_COMMON = {"common-tool": "1.0-1", "base-files": "12.4"}
PACKAGES: Mapping[PlatformSpec, Mapping[str, str]] = {
    PlatformSpec("amd64"): {**_COMMON, "only-amd64": "2.3-4"},
    PlatformSpec("arm", variant="v7"): {**_COMMON, "only-arm": "0.9-1"},
    PlatformSpec("arm64", variant="v8"): {"musl": "1.2.5-r0", "busybox": "1.36.1-r29", "only-arm64": "7.0-r1"},
}
"""The packages of the image for each platform, with their versions; the last is an Alpine, the others are Debians."""


def scanned_list(*, attestations: bool = True) -> IndexSpec:
    """A list with an image for each platform of `PACKAGES`; the Debians share their first layer."""
    return IndexSpec(tuple(map(_image, PACKAGES)), attestations=attestations)


def _image(platform: PlatformSpec) -> ImageSpec:
    packages = PACKAGES[platform]
    if "musl" in packages:
        files = (("etc/os-release", _ALPINE), ("etc/alpine-release", b"3.20.1\n"),
                 ("lib/apk/db/installed", _apk(packages)))  # fmt: skip
        return ImageSpec(layers=(LayerSpec("apk", files=files),), platform=platform)
    shared = LayerSpec("shared", size=100_000, files=(("etc/os-release", _DEBIAN),))
    own = LayerSpec("dpkg", files=(("var/lib/dpkg/status", _dpkg(packages, platform.architecture)),))
    return ImageSpec(layers=(shared, own), platform=platform)


def _dpkg(packages: Mapping[str, str], architecture: str) -> bytes:
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: misc\nInstalled-Size: 10\n"
        f"Maintainer: Someone <someone@example.com>\nArchitecture: {architecture}\nVersion: {version}\n"
        f"Description: a package for tests\n"
        for name, version in packages.items()
    ).encode()


def _apk(packages: Mapping[str, str]) -> bytes:
    return "\n".join(
        f"C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:{name}\nV:{version}\nA:aarch64\nS:100\nI:200\nT:a package for tests\n"
        f"U:https://example.com\nL:MIT\no:{name}\nm:Someone <someone@example.com>\nt:1700000000\nF:usr\nF:usr/bin\n"
        f"R:{name}\na:0:0:755\n"
        for name, version in packages.items()
    ).encode()
