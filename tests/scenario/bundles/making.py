"""Bundles of images in a simulated registry."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

PLAIN = "--tls-verify=false"
BASE = LayerSpec("base", base=True)
LARGE = 3_000_000


def numbered(number: int, size: int = 200_000) -> BuiltImage:
    """Images that have their base in common and nothing else."""
    return build(ImageSpec(layers=(BASE, LayerSpec(f"data{number}", size=size))))


IMAGES = [numbered(n) for n in range(4)]
LISTED = build("oci-index")
DIVIDED = numbered(9, LARGE)


def create(output: Path, *words: object) -> Done:
    """``bundle create WORDS -o OUTPUT``."""
    return pyskopeo_here("bundle", "create", PLAIN, *words, "-o", output)


def made(output: Path, *words: object) -> Path:
    """The bundle that `create` makes."""
    succeed(create(output, *words))
    return output


def apply(to: str, *words: object) -> Done:
    """``bundle apply WORDS --to TO``."""
    return pyskopeo_here("bundle", "apply", PLAIN, *words, "--to", to)


def image(registry: Simulator, number: int) -> str:
    """The name of an image in the registry."""
    return f"docker://{registry.host}/team/app:v{number}"


def listed(path: Path, **images: str) -> Path:
    """A list of images with the names that they get in the bundle."""
    path.write_text("".join(f"{source} quay.io/team/{name}\n" for name, source in images.items()))
    return path


def members(path: Path) -> dict[str, bytes]:
    """The files in an archive."""
    with tarfile.open(path) as archive:
        found = ((one.name, archive.extractfile(one)) for one in archive if one.isfile())
        return {name: file.read() for name, file in found if file is not None}


def changed(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """Write an archive again, with its files changed."""
    files = members(path)
    change(files)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def contents(path: Path) -> dict[str, Any]:
    """What the small file of a bundle says."""
    found: dict[str, Any] = json.loads(path.with_name(f"{path.name}.manifest").read_bytes())
    return found
