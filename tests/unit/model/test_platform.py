"""Platforms, and the rules by which an index's entry is chosen (containers/image, as skopeo does)."""

import platform as host

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.model.platform import Platform, choose, compatible_platforms


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/arm64/v8", Platform("linux", "arm64", "v8")),
        ("windows/amd64", Platform("windows", "amd64")),
    ],
)
def test_parse(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform
    assert str(platform) == text


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux//v8", "linux/arm/v7/x", "linux/arm/"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InvalidInput, match="want os/arch"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("wanted", "variants"),
    [
        # No variant wanted: none first, then the whole compatibility list.
        ("linux/amd64", [""]),
        ("linux/arm", ["", "v8", "v7", "v6", "v5"]),
        ("linux/arm64", ["", "v8"]),
        # A known variant: down from it, then none.
        ("linux/arm/v8", ["v8", "v7", "v6", "v5", ""]),
        ("linux/arm/v7", ["v7", "v6", "v5", ""]),
        ("linux/arm/v5", ["v5", ""]),
        ("linux/arm64/v8", ["v8", ""]),
        # An unknown variant: itself, then none.
        ("linux/arm/v9", ["v9", ""]),
        ("linux/amd64/v3", ["v3", ""]),
        ("linux/arm64/v9", ["v9", ""]),
    ],
)
def test_which_platforms_will_do_best_first(wanted: str, variants: list[str]) -> None:
    platform = Platform.parse(wanted)
    found = list(compatible_platforms(platform))
    assert [one.variant for one in found] == variants
    assert {(one.os, one.architecture) for one in found} == {(platform.os, platform.architecture)}


ARMS = "linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm64/v8"


@pytest.mark.parametrize(
    ("wanted", "offered", "position"),
    [
        ("linux/amd64", "linux/arm64 linux/amd64 linux/amd64", 1),
        ("linux/amd64", "windows/amd64 linux/386", None),
        ("windows/amd64", "linux/amd64 windows/amd64", 1),
        ("linux/arm", ARMS, 2),
        ("linux/arm", "linux/arm/v6 linux/arm", 1),
        ("linux/arm/v7", ARMS, 2),
        ("linux/arm/v6", ARMS, 1),
        ("linux/arm/v6", "linux/arm/v7 linux/arm", 1),
        ("linux/arm/v5", "linux/arm/v7 linux/arm/v6", None),
        ("linux/arm/v8", ARMS, 2),
        ("linux/arm64", ARMS, 3),
        ("linux/arm64/v8", "linux/arm64", 0),
        ("linux/arm64", "linux/arm64/v8 linux/arm64", 1),
        ("linux/amd64", "linux/amd64/v2", None),
        ("linux/amd64/v2", "linux/amd64 linux/amd64/v2", 1),
        # Entries without a platform come last.
        ("linux/amd64", "- linux/amd64", 1),
        ("linux/amd64", "linux/arm64 - -", 1),
        ("linux/amd64", "-", 0),
        ("linux/amd64", "", None),
    ],
)
def test_choice(wanted: str, offered: str, position: int | None) -> None:
    entries = [None if name == "-" else Platform.parse(name) for name in offered.split()]
    assert choose(Platform.parse(wanted), entries) == position


def test_os_version_and_features_do_not_count() -> None:
    offered = [
        Platform("windows", "amd64", os_version="10.0.20348.1"),
        Platform("windows", "amd64", os_features=("win32k",)),
    ]
    wanted = Platform("windows", "amd64", os_version="10.0.17763.1", os_features=("other",))
    assert choose(wanted, offered) == 0
    assert choose(wanted, offered[1:]) == 0


@pytest.mark.parametrize(
    ("machine", "options", "expected"),
    [
        ("x86_64", {}, "linux/amd64"),
        ("AMD64", {}, "linux/amd64"),
        ("aarch64", {}, "linux/arm64/v8"),
        ("arm64", {}, "linux/arm64/v8"),
        ("armv7l", {}, "linux/arm/v7"),
        ("armv6l", {}, "linux/arm/v6"),
        ("ppc64le", {}, "linux/ppc64le"),
        ("sparc", {}, "linux/sparc"),
        # The variant is the machine's only when the architecture is.
        ("armv7l", {"architecture": "arm"}, "linux/arm"),
        ("armv7l", {"architecture": "amd64"}, "linux/amd64"),
        ("armv7l", {"variant": "v6"}, "linux/arm/v6"),
        ("x86_64", {"architecture": "arm", "variant": "v6"}, "linux/arm/v6"),
        ("x86_64", {"os": "windows"}, "windows/amd64"),
    ],
)
def test_what_is_chosen_for(
    machine: str, options: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "machine", lambda: machine)
    monkeypatch.setattr(host, "system", lambda: "Darwin")  # Linux on every host
    assert str(Platform.host(**options)) == expected


def test_attestations() -> None:
    assert Platform("unknown", "unknown").is_attestation
    assert not Platform("linux", "unknown").is_attestation
