"""Platforms, and the selection of an index's entry (OCI image specification, "Image Index").

The rules are those of containers/image: operating system and architecture must be equal, compatible
variants are tried from the requested one downwards, and the first match is selected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from os import uname
from typing import Any

from ..errors import InvalidContent, InvalidInput
from ..fast_dataclass import dataclass, replace
from ..gocompat.field_names import FieldNames

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
# Variants from newest to oldest: a v7 processor runs v7, v6 and v5.
_COMPATIBLE = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}
# The variants that containers/image or containerd know, besides those.
_KNOWN = {"amd64": r"v[1-4]", "arm64": r"v[89](\.[0-9])?"}
# What docker-library's bashbrew calls the platforms that it builds for.
BASHBREW = {
    "amd64": "linux/amd64",
    "arm32v5": "linux/arm/v5",
    "arm32v6": "linux/arm/v6",
    "arm32v7": "linux/arm/v7",
    "arm64v8": "linux/arm64/v8",
    "i386": "linux/386",
    "mips64le": "linux/mips64le",
    "ppc64le": "linux/ppc64le",
    "riscv64": "linux/riscv64",
    "s390x": "linux/s390x",
    "windows-amd64": "windows/amd64",
}
_ALIAS = "bashbrew:"
# The names of the OCI specification, and "features" of Docker's manifest lists.
_NAMES = FieldNames.of("architecture", "os", "os.version", "os.features", "variant", "features")


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform that an image runs on; fields are named as in the specification, "" and () if absent."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse ``os/architecture[/variant]``, or ``bashbrew:NAME`` as in `BASHBREW`; raises `InvalidInput`."""
        if text.startswith(_ALIAS):
            known = BASHBREW.get(text.removeprefix(_ALIAS))
            if known is None:
                raise InvalidInput(f"invalid platform {text!r}: bashbrew's names are {', '.join(BASHBREW)}")
            return cls.parse(known)
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise InvalidInput(f"invalid platform {text!r}: want os/arch[/variant], for example linux/arm64/v8")
        os, architecture, *variant = parts
        return cls(os, architecture, "".join(variant))

    @classmethod
    def from_json(cls, value: object) -> Platform:
        """Validate the decoded ``platform`` of a descriptor; null is the same as absent. Raises `InvalidContent`."""
        if not isinstance(value, Mapping):
            raise InvalidContent("platform of a descriptor is not a JSON object")
        _NAMES.check(value, "platform of a descriptor")

        def text(name: str) -> str:
            found = value.get(name)
            if found is None:
                return ""
            if not isinstance(found, str):
                raise InvalidContent(f"platform.{name} of a descriptor is not a string")
            return found

        features: Any = value.get("os.features")
        if features is None:
            features = ()
        if not isinstance(features, list | tuple) or not all(isinstance(name, str | None) for name in features):
            raise InvalidContent("platform.os.features of a descriptor is not a list of strings")
        names = tuple(name or "" for name in features)
        return cls(text("os"), text("architecture"), text("variant"), text("os.version"), names)

    @classmethod
    def host(cls, *, os: str = "", architecture: str = "", variant: str = "") -> Platform:
        """Return the platform to select images for: this machine's architecture, and Linux on any host.

        The arguments override parts of it. The machine's variant is used only with its architecture.
        """
        machine = uname().machine.lower()  # `platform` says the same, and takes 8 million instructions to load
        if not architecture:
            architecture = _MACHINES.get(machine, machine)
            variant = variant or _HOST_VARIANTS.get(machine, "")
        return cls(os or "linux", architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def has_known_variant(self) -> bool:
        """Whether the variant is one that the architecture is known to have, or there is none."""
        if not self.variant or self.variant in _COMPATIBLE.get(self.architecture, ()):
            return True
        known = _KNOWN.get(self.architecture)
        return known is not None and re.fullmatch(known, self.variant, re.ASCII) is not None

    @property
    def is_attestation(self) -> bool:
        """Whether it marks an attestation of BuildKit, ``unknown/unknown``, which is not an image to run."""
        return self.os == "unknown" and self.architecture == "unknown"


def compatible_platforms(wanted: Platform) -> Iterator[Platform]:
    """Yield the platforms that are compatible with ``wanted``, the best first."""
    compatible = _COMPATIBLE.get(wanted.architecture, ())
    if not wanted.variant:
        variants: tuple[str, ...] = ("", *compatible)
    elif wanted.variant in compatible:
        variants = (*compatible[compatible.index(wanted.variant) :], "")
    else:
        variants = (wanted.variant, "")
    for variant in variants:
        yield replace(wanted, variant=variant, os_version="", os_features=())
