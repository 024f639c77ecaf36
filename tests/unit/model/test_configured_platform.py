"""The platform that a configuration states, if it is one."""

from __future__ import annotations

import json

import pytest

from pyskopeo.model.configured_platform import configured_platform
from pyskopeo.model.platform import Platform
from tests.support.images import ImageSpec, build
from tests.support.specs import PlatformSpec


@pytest.mark.parametrize("flavor", ["oci", "docker"])
def test_of_an_image(flavor: str) -> None:
    spec = PlatformSpec("arm64", "windows", "v8", "10.0.1", ("win32k",))
    found = configured_platform(build(ImageSpec(flavor, platform=spec)).config())  # type: ignore[arg-type]
    assert found == Platform("windows", "arm64", "v8", "10.0.1", ("win32k",))


def test_names_match_in_any_case_as_in_go() -> None:
    assert configured_platform(b'{"OS":"linux","Architecture":"arm"}') == Platform("linux", "arm")


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"\xff", *(json.dumps(d).encode() for d in (
        {"os": "linux"}, {"architecture": "arm"}, {"os": 1, "architecture": "x"}, {"os": "", "architecture": "x"},
        {"os": "linux", "architecture": "x", "os.features": "y"},
    ))]
)  # fmt: skip
def test_none(raw: bytes) -> None:
    assert configured_platform(raw) is None
