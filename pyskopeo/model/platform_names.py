"""Names for the platforms of a list, as parts of file names and of reference names in a layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from .digest import Digest
from .platform import BASHBREW, Platform

STYLES = ("os-arch", "bashbrew")
"""How a platform is named: ``linux-arm-v7``, or as docker-library's bashbrew names it, ``arm32v7``."""

_DEFAULT_VARIANTS = {"arm": "v7", "arm64": "v8"}
_BASHBREW_NAMES = {platform: name for name, platform in BASHBREW.items()}
_OTHER = re.compile(r"[^A-Za-z0-9]+", re.ASCII)
_LENGTHS = (12, 128)  # digits of a digest in a name: as few as tell images apart


def platform_name(platform: Platform, style: str) -> str:
    """Return the name of a platform in one of the `STYLES`, with the version of the operating system if there is one.

    It consists of letters, digits, ``-`` and ``.``, and is "" if the platform has none of these. A platform that
    bashbrew does not know has the same name in both styles.
    """
    known = None
    if style == "bashbrew":
        variant = platform.variant or _DEFAULT_VARIANTS.get(platform.architecture, "")
        known = _BASHBREW_NAMES.get(str(Platform(platform.os, platform.architecture, variant)))
    parts = (known or str(platform), platform.os_version)
    text = _OTHER.sub(lambda found: "." if found[0] == "." else "-", "-".join(filter(None, parts)))
    return text[:100].strip("-.")


def platform_names(images: Sequence[tuple[Platform, Digest]], style: str) -> list[str]:
    """Return a name for each image of a list, in order, all different: where that needs it, with part of the digest."""
    names = [platform_name(platform, style) for platform, _ in images]
    counts, found = Counter(names), names
    for length in _LENGTHS:
        found = [
            name if name and counts[name] == 1 else f"{name}-{digest.hex[:length]}".lstrip("-")
            for name, (_, digest) in zip(names, images, strict=True)
        ]
        if len(set(found)) == len(found):
            break
    return found
