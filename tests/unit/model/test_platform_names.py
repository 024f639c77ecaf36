"""Names of platforms are parts of file names and of reference names, and tell images apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.cli import layout_output_flags
from pyskopeo.model.digest import Digest
from pyskopeo.model.layout import is_name
from pyskopeo.model.platform import BASHBREW, Platform
from pyskopeo.model.platform_names import STYLES, platform_name, platform_names


def digest(number: int) -> Digest:
    return Digest.parse(f"sha256:{number:064x}")


@pytest.mark.parametrize(
    ("platform", "plain", "bashbrew"),
    [
        (Platform("linux", "amd64"), "linux-amd64", "amd64"),
        (Platform("linux", "arm", "v7"), "linux-arm-v7", "arm32v7"),
        (Platform("linux", "arm"), "linux-arm", "arm32v7"),
        (Platform("linux", "arm64"), "linux-arm64", "arm64v8"),
        (Platform("linux", "386"), "linux-386", "i386"),
        (Platform("linux", "loong64"), "linux-loong64", "linux-loong64"),
        (Platform("windows", "amd64", os_version="10.0.20348.1"), "windows-amd64-10.0.20348.1", "windows-amd64-10.0.20348.1"),
        (Platform("darwin", "arm64", os_version="macOS 12.6"), "darwin-arm64-macOS-12.6", "darwin-arm64-macOS-12.6"),
        (Platform("../..", "x/y", "a_b"), "x-y-a-b", "x-y-a-b"),
        (Platform("", ""), "", ""),
    ],
)
def test_names(platform: Platform, plain: str, bashbrew: str) -> None:
    assert platform_name(platform, "os-arch") == plain
    assert platform_name(platform, "bashbrew") == bashbrew


def test_bashbrew_knows_its_own_names() -> None:
    for name, text in BASHBREW.items():
        assert platform_name(Platform.parse(text), "bashbrew") == name


def test_the_command_line_has_the_same_styles() -> None:
    assert layout_output_flags.STYLES == STYLES


def test_equal_names_get_part_of_the_digest() -> None:
    amd64 = Platform("linux", "amd64")
    one, two, other, none = (Digest.of(text) for text in (b"1", b"2", b"3", b"4"))
    images = [(amd64, one), (Platform("linux", "s390x"), other), (amd64, two), (Platform("", ""), none)]
    assert platform_names(images, "os-arch") == [
        f"linux-amd64-{one.hex[:12]}", "linux-s390x", f"linux-amd64-{two.hex[:12]}", none.hex[:12],
    ]  # fmt: skip
    # Nor do digests with the same beginning make two images one.
    same = platform_names([(amd64, digest(1)), (amd64, digest(2))], "os-arch")
    assert same == [f"linux-amd64-{digest(number).hex}" for number in (1, 2)]


@given(st.builds(Platform, st.text(), st.text(), st.text(), st.text()), st.sampled_from(STYLES))
def test_every_name_is_a_name(platform: Platform, style: str) -> None:
    """Whatever a list says, it leads to no other directory, and to no name that layouts may not have."""
    name = platform_names([(platform, digest(1))], style)[0]
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,230}", name), name
    assert ".." not in name
    assert is_name(name), name
