"""Platforms, and the rules by which an index's entry is chosen (containers/image, as skopeo does)."""
from types import SimpleNamespace

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.model.platform import BASHBREW, Platform, compatible_platforms


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


@pytest.mark.parametrize("name", sorted(BASHBREW))
def test_names_of_bashbrew(name: str) -> None:
    assert str(Platform.parse(f"bashbrew:{name}")) == BASHBREW[name]


@pytest.mark.parametrize("name", ["", "arm64", "linux/amd64", "bashbrew:amd64"])
def test_no_name_of_bashbrew(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"bashbrew's names are amd64, arm32v5"):
        Platform.parse(f"bashbrew:{name}")


@pytest.mark.parametrize(
    ("names", "known"),
    [
        ("linux/amd64 linux/sparc linux/amd64/v1 linux/amd64/v4 linux/arm/v5 linux/arm/v8 linux/arm64/v8", True),
        ("linux/arm64/v8.1 linux/arm64/v9 linux/arm64/v9.7 windows/arm/v7", True),
        ("darwin/arm64/macOS 12.6|linux/amd64/v5|linux/amd64/v0|linux/arm/v9|linux/arm/v4|linux/arm64/v7", False),
        ("linux/arm64/v8.|linux/arm64/8|linux/s390x/v8|linux/amd64/v2\n|linux/arm64/v\u0668", False),
    ],
)
def test_known_variants(names: str, known: bool) -> None:
    for name in names.split("|") if "|" in names else names.split():
        assert Platform.parse(name).has_known_variant is known, name


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
    # Linux on every host.
    monkeypatch.setattr("pyskopeo.model.platform.uname", lambda: SimpleNamespace(machine=machine, sysname="Darwin"))
    assert str(Platform.host(**options)) == expected


def test_attestations() -> None:
    assert Platform("unknown", "unknown").is_attestation
    assert not Platform("linux", "unknown").is_attestation
