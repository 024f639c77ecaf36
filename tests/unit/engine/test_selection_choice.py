"""Which entry of an index is chosen: by platform, as skopeo does, and by what else it states."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyskopeo.engine.selection import choose_child, matching_children, several_matches
from pyskopeo.errors import NoMatchingPlatform
from pyskopeo.model import mediatype
from pyskopeo.model.choice import Choice
from pyskopeo.model.platform import Platform
from tests.support.graphs import entry, index_of

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
    index = index_of(*(entry(at, name.strip("-")) for at, name in enumerate(offered.split())))
    if position is None:
        with pytest.raises(NoMatchingPlatform):
            choose_child(index, Platform.parse(wanted))
    else:
        assert choose_child(index, Platform.parse(wanted)) is index.manifests[position]


def stated(number: int, platform: str, version: str = "", *features: str, **annotations: str) -> dict[str, Any]:
    found = entry(number, platform)
    if version:
        found["platform"]["os.version"] = version
    if features:
        found["platform"]["os.features"] = list(features)
    return found | ({"annotations": annotations} if annotations else {})


WINDOWS = index_of(
    stated(0, "windows/amd64", "10.0.17763.5576"), stated(1, "windows/amd64", "10.0.20348.2113", "win32k"),
    stated(2, "windows/amd64", "10.0.20348.2114"), stated(3, "windows/amd64", "10.0.2034"), stated(4, "linux/amd64"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("version", "features", "position"),
    [
        ("", (), 0),
        ("10.0.20348.2114", (), 2),
        ("10.0.20348", (), 1),
        ("10.0.2034", (), 3),  # no beginning of 10.0.20348: parts are compared as a whole
        ("10.0.17763", (), 0),
        ("10", (), 0),
        ("", ("win32k",), 1),
        ("10.0.20348", ("win32k",), 1),
        ("10.0.20348.", (), None),
        ("11", (), None),
        ("", ("win32k", "other"), None),
        ("10.0.20348.2114", ("win32k",), None),
    ],
)
def test_by_version_and_features(version: str, features: tuple[str, ...], position: int | None) -> None:
    wanted = Platform("windows", "amd64", os_version=version, os_features=features)
    if position is not None:
        assert choose_child(WINDOWS, wanted) is WINDOWS.manifests[position]
        return
    with pytest.raises(NoMatchingPlatform) as caught:
        choose_child(WINDOWS, wanted)
    said = str(caught.value)
    assert "there is: windows/amd64 (os.version 10.0.17763.5576), windows/amd64 (os.version 10.0.20348.2113)" in said
    assert f'OS version "{version}"' in said if version else f'OS feature "{features[0]}"' in said


def test_an_exact_version_comes_before_those_that_it_begins() -> None:
    index = index_of(stated(0, "darwin/arm64", "macOS 12.6"), stated(1, "darwin/arm64", "macOS 12"))
    assert choose_child(index, Platform("darwin", "arm64", os_version="macOS 12")) is index.manifests[1]


BOTTLES = index_of(
    stated(0, "darwin/arm64", "macOS 13.0", name="8.0.1.arm64_ventura", kind="bottle"),
    stated(1, "darwin/arm64", "macOS 12.6", name="8.0.1.arm64_monterey", kind="bottle"),
    stated(2, "linux/amd64", name="8.0.1.x86_64_linux", kind="bottle"),
)


class TestByAnnotations:
    def choose(self, *annotations: tuple[str, str], platform: str = "") -> int:
        choice = Choice(Platform.parse(platform) if platform else None, annotations)
        return BOTTLES.manifests.index(choose_child(BOTTLES, choice))

    def test_one_that_is_for_another_machine(self) -> None:
        assert self.choose(("name", "8.0.1.arm64_monterey")) == 1
        assert self.choose(("name", "8.0.1.arm64_monterey"), ("kind", "bottle")) == 1

    def test_with_a_platform_it_must_be_for_that(self) -> None:
        assert self.choose(("name", "8.0.1.arm64_monterey"), platform="darwin/arm64") == 1
        with pytest.raises(NoMatchingPlatform, match=r'OS "linux", annotation "name=8\.0\.1\.arm64_monterey"; there is'):
            self.choose(("name", "8.0.1.arm64_monterey"), platform="linux/amd64")

    def test_of_several_this_machines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pyskopeo.model.platform.uname", lambda: SimpleNamespace(machine="x86_64"))
        assert self.choose(("kind", "bottle")) == 2
        monkeypatch.setattr("pyskopeo.model.platform.uname", lambda: SimpleNamespace(machine="s390x"))
        with pytest.raises(NoMatchingPlatform):
            self.choose(("kind", "bottle"))

    @pytest.mark.parametrize("annotation", [("name", ""), ("name", "8.0.1"), ("other", "bottle")])
    def test_none(self, annotation: tuple[str, str]) -> None:
        with pytest.raises(NoMatchingPlatform):
            self.choose(annotation)

    def test_an_attestation_only_if_it_is_asked_for(self) -> None:
        about = stated(0, "unknown/unknown", about="it")
        index = index_of(about)
        assert choose_child(index, Choice(annotations=(("about", "it"),))) is index.manifests[0]
        with pytest.raises(NoMatchingPlatform):
            choose_child(index, Choice(Platform("unknown", "unknown"), (("about", "it"),)))

    def test_indexes_below_are_looked_into(self) -> None:
        nested = entry(0, media_type=mediatype.OCI_INDEX)
        index = index_of(nested, stated(1, "linux/amd64", name="x"))
        assert choose_child(index, Choice(annotations=(("name", "y"),))) is index.manifests[0]


class TestVariants:
    index = index_of(entry(0, "darwin/arm64"), entry(1, "linux/arm64"), entry(2, "linux/arm64/odd 1"))

    @pytest.mark.parametrize("wanted", ["darwin/arm64/macOS 12.6", "linux/arm64/v7", "linux/arm64/odd"])
    def test_one_that_nobody_knows_is_refused(self, wanted: str) -> None:
        variant = wanted.split("/")[2]
        with pytest.raises(NoMatchingPlatform, match=f"'{variant}' is no variant of arm64 that is known.*--os-version"):
            choose_child(self.index, Platform.parse(wanted))

    def test_one_that_is_in_the_list_is_found(self) -> None:
        assert choose_child(self.index, Platform.parse("linux/arm64/odd 1")) is self.index.manifests[2]

    def test_one_that_is_known_gives_way_to_none(self) -> None:
        assert choose_child(self.index, Platform.parse("darwin/arm64/v9")) is self.index.manifests[0]

    def test_as_by_skopeo(self) -> None:
        choice = Choice(Platform.parse("darwin/arm64/macOS 12.6"), known_variants=False)
        assert choose_child(self.index, choice) is self.index.manifests[0]


class TestSeveral:
    def test_equal_ones_are_told_apart_in_the_warning(self) -> None:
        match = matching_children(BOTTLES, Platform("darwin", "arm64"))
        assert match.equal == BOTTLES.manifests[:2]
        assert several_matches(Choice(Platform("darwin", "arm64")), match.equal) == (
            "2 images of the list match darwin/arm64, of which the first is used: "
            f"sha256:{0:064x} (os.version macOS 13.0, name 8.0.1.arm64_ventura), "
            f"sha256:{1:064x} (os.version macOS 12.6, name 8.0.1.arm64_monterey); "
            "see --os-version, --os-feature and --select-annotation"
        )

    def test_no_text_of_the_list_is_shown_as_it_is(self) -> None:
        index = index_of(stated(0, "linux/amd64", x="a\x1b[2J"), stated(1, "linux/amd64", y="l" * 500))
        said = several_matches(Choice(Platform("linux", "amd64")), matching_children(index, Platform("linux", "amd64")).equal)
        assert r"(x a\x1b[2J)" in said
        assert "lll" not in said

    def test_many(self) -> None:
        index = index_of(*(stated(n, "linux/amd64") for n in range(30)))
        said = several_matches(Choice(Platform("linux", "amd64")), matching_children(index, Platform("linux", "amd64")).equal)
        assert said.startswith("30 images")
        assert "and 22 more;" in said
        assert len(said) < 1000

    def test_the_same_image_twice_is_one(self) -> None:
        index = index_of(stated(0, "linux/amd64"), stated(0, "linux/amd64"), stated(1, "linux/arm64"))
        assert len(matching_children(index, Platform("linux", "amd64")).equal) == 1

    def test_less_compatible_ones_do_not_count(self) -> None:
        index = index_of(stated(0, "linux/arm/v7"), stated(1, "linux/arm/v6"))
        assert len(matching_children(index, Platform("linux", "arm", "v7")).equal) == 1


def test_of_two_for_one_platform_the_one_with_zstd_is_used() -> None:
    """By containers/image's annotation, wherever it is in the list; and there is nothing to warn of."""
    zstd = {"io.github.containers.compression.zstd": "true"}
    index = index_of(stated(0, "linux/amd64"), stated(1, "linux/amd64", **zstd), stated(2, "linux/arm64", **zstd))
    match = matching_children(index, Platform("linux", "amd64"))
    assert match.entries == match.equal == (index.manifests[1],)
