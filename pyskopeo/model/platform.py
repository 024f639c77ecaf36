"""Platforms, and which entry of an index is the one for ours.

The choice follows containers/image (skopeo's rules): the operating system and the architecture
must be equal, variants are tried from the wanted one down, and the first match wins.
"""

from __future__ import annotations

import platform as host
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import InvalidContent, InvalidInput
from ..fast_dataclass import dataclass

_MACHINES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
    "mips64": "mips64le",
}
_HOST_VARIANTS = {"armv6l": "v6", "armv7l": "v7", "armv8l": "v8", "aarch64": "v8", "arm64": "v8"}
# Newest first: a v7 processor runs v7, v6 and v5.
_COMPATIBLE = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, with the image specification's field names."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse ``os/arch[/variant]``; raises `InvalidInput`."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise InvalidInput(f"invalid platform {text!r}: want os/arch[/variant], for example linux/arm64/v8")
        os, architecture, *variant = parts
        return cls(os, architecture, "".join(variant))

    @classmethod
    def from_json(cls, value: object) -> Platform:
        """Read a descriptor's ``platform``; raises `InvalidContent`."""
        if not isinstance(value, Mapping):
            raise InvalidContent("platform of a descriptor is not a JSON object")

        def text(name: str) -> str:
            found = value.get(name) or ""
            if not isinstance(found, str):
                raise InvalidContent(f"platform.{name} of a descriptor is not a string")
            return found

        features: Any = value.get("os.features") or ()
        if not isinstance(features, list | tuple) or not all(isinstance(f, str) for f in features):
            raise InvalidContent("platform.os.features of a descriptor is not a list of strings")
        return cls(text("os"), text("architecture"), text("variant"), text("os.version"), tuple(features))

    @classmethod
    def host(cls, *, os: str = "", architecture: str = "", variant: str = "") -> Platform:
        """The platform to choose for: the overrides, else this machine's architecture and Linux.

        Linux on every host, since that is what images hold. The variant is taken from the machine
        only when the architecture is.
        """
        machine = host.machine().lower()
        if not architecture:
            architecture = _MACHINES.get(machine, machine)
            variant = variant or _HOST_VARIANTS.get(machine, "")
        return cls(os or "linux", architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def is_attestation(self) -> bool:
        """BuildKit's attestations: an entry that is no image for anyone."""
        return self.os == "unknown" and self.architecture == "unknown"


def acceptable(wanted: Platform) -> Iterator[Platform]:
    """The platforms that will do, best first."""
    compatible = _COMPATIBLE.get(wanted.architecture, ())
    if not wanted.variant:
        variants: tuple[str, ...] = ("", *compatible)
    elif wanted.variant in compatible:
        variants = (*compatible[compatible.index(wanted.variant) :], "")
    else:
        variants = (wanted.variant, "")
    for variant in variants:
        yield replace(wanted, variant=variant, os_version="", os_features=())


def choose(wanted: Platform, offered: Sequence[Platform | None]) -> int | None:
    """The position of the best match in ``offered``; None when nothing matches.

    Entries without a platform match last: they may be the only image there is.
    """
    for candidate in acceptable(wanted):
        for position, platform in enumerate(offered):
            if platform is not None and (
                (platform.os, platform.architecture, platform.variant)
                == (candidate.os, candidate.architecture, candidate.variant)
            ):
                return position
    return next((position for position, platform in enumerate(offered) if platform is None), None)
