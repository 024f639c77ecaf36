"""What we write has versions: the hashes in docs/reference/formats.md are those of an image that never changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, Spec, build
from tests.support.nar import sri_of
from tests.support.outputs import write_layout

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
# No compression: what a compressor makes depends on its version.
LAYERS = tuple(LayerSpec(name, size=5000, compression="none") for name in ("one", "two", "one"))
OCI, DOCKER = ImageSpec("oci", layers=LAYERS, labels={"odd": "<&>"}), ImageSpec("docker", layers=LAYERS)
IMAGES: dict[str, Spec] = {
    "oci": OCI,
    "docker": DOCKER,
    "index": IndexSpec((OCI, ImageSpec("oci", layers=LAYERS[:2], platform=PlatformSpec("arm64", variant="v8")))),
}
FLAGS = ("--override-os=linux", "--override-arch=amd64")
# How each is made, and whether it is one file.
FORMATS = {
    "`docker-archive:`": (("copy", "oci:{source}:docker", "docker-archive:{made}:example.com/a/b:1"), True),
    "`docker-archive:` of an OCI image": (("copy", "oci:{source}:oci", "docker-archive:{made}:b:1"), True),
    "`oci-archive:`": (("copy", "--all", "oci:{source}:index", "oci-archive:{made}:1"), True),
    "`oci:` of one platform": (("copy", "oci:{source}:index", "oci:{made}:1"), False),
    "`oci:`": (("copy", "--all", "oci:{source}:index", "oci:{made}:1"), False),
    "`dir:`": (("copy", "--all", "oci:{source}:index", "dir:{made}"), False),
    "bundle": (("bundle", "create", "--all", "oci:{source}:index", "oci:{source}:docker", "-o", "{made}"), True),
    "conversion to OCI": (("copy", "--format=oci", "oci:{source}:docker", "dir:{made}"), False),
    "conversion to Docker's": (("copy", "--format=v2s2", "oci:{source}:oci", "dir:{made}"), False),
}


def table() -> dict[str, tuple[str, str]]:
    """The rows of the page: version and hash by format."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| .+? \| `(sha256-\S+)` \|$", PAGE.read_text(), re.MULTILINE)
    return {name: (version, sri) for name, version, sri in rows}


def test_the_page_has_every_format_once() -> None:
    assert table().keys() == FORMATS.keys()
    assert len(re.findall(r"`sha256-", PAGE.read_text())) == len(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_the_bytes_of_this_version(name: str, tmp_path: Path) -> None:
    """A change of bytes breaks the hashes that users have pinned: it needs a new version in the page, and a reason."""
    for tag, spec in IMAGES.items():
        write_layout(build(spec), tmp_path / "source", tag=tag)
    words, flat = FORMATS[name]
    made = tmp_path / "made"
    succeed(pyskopeo_here(*FLAGS, *(word.format(source=tmp_path / "source", made=made) for word in words)))
    assert sri_of(made, flat=flat) == table()[name][1]
