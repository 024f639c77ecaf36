"""Lock files as input for other tools: Nix and buildozer. No I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .lock_file import LockFile
    from .locked_image import LockedImage

    Attributes: TypeAlias = "Mapping[str, str | Attributes]"

_NOT_IN_TARGET = re.compile(r"[^A-Za-z0-9_.-]")


def to_nix(lock: LockFile) -> str:
    """Return an attribute set of Nix: for each image the names that ``dockerTools.pullImage`` takes, and platforms."""
    images: dict[str, Attributes] = {}
    for name in sorted(lock.images):
        image = lock.images[name]
        fields: dict[str, str | Attributes] = {
            "imageName": image.reference.name,
            "imageDigest": str(image.digest),
            "finalImageName": image.reference.name,
        }
        if image.reference.tag:
            fields["finalImageTag"] = image.reference.tag
        images[name] = fields | {"platforms": dict(_platforms(image))}
    return "".join(_nix_lines(images, "")) + "\n"


def to_buildozer(lock: LockFile) -> str:
    """Return a command for each image, which sets the digest of the ``oci.pull`` of its name in ``MODULE.bazel``.

    Characters that names of Bazel's repositories do not have become ``_``.
    """
    lines = []
    for name in sorted(lock.images):
        image = lock.images[name]
        platforms = [_bazel_string(platform) for platform, _ in _platforms(image)]
        words = ["buildozer", f"set digest {_bazel_string(str(image.digest))}", "remove tag"]
        words += ["remove platforms", f"add platforms {' '.join(platforms)}"] if platforms else []
        words.append(f"MODULE.bazel:{_NOT_IN_TARGET.sub('_', name)}")
        lines.append(shlex.join(words) + "\n")
    return "".join(lines)


def _platforms(image: LockedImage) -> Iterator[tuple[str, str]]:
    """Yield the platform and the digest of each locked image of an index, without attestations."""
    for entry in image.entries:
        if entry.platform is not None and not entry.platform.is_attestation:
            yield str(entry.platform), str(entry.digest)


def _nix_lines(attributes: Attributes, indent: str) -> Iterator[str]:
    yield "{\n"
    for name, value in attributes.items():
        yield f"{indent}  {_nix_string(name)} = "
        yield from [_nix_string(value)] if isinstance(value, str) else _nix_lines(value, f"{indent}  ")
        yield ";\n"
    yield f"{indent}}}"


def _nix_string(text: str) -> str:
    for special in ("\\", '"', "${"):
        text = text.replace(special, f"\\{special}")
    return '"' + text.replace("\n", "\\n").replace("\r", "\\r") + '"'


def _bazel_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace(" ", "\\ ") + '"'
