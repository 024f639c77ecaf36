"""Which images of an index are copied: flags, platforms, and what is refused."""

from __future__ import annotations

import pytest

from pyskopeo.engine.selection import Selection, choose_child, parse_selection, selected_children
from pyskopeo.errors import InvalidInput, NoMatchingPlatform
from pyskopeo.model import mediatype
from pyskopeo.model.platform import Platform
from tests.support.graphs import entry, index_of

AMD64 = Platform("linux", "amd64")


class TestParseSelection:
    @pytest.mark.parametrize("mode", ["system", "all", "index-only"])
    def test_modes(self, mode: str) -> None:
        assert parse_selection(mode, platform=AMD64) == Selection(AMD64, mode)
        with pytest.raises(InvalidInput, match="strip-removed-platforms goes with"):
            parse_selection(mode, platform=AMD64, strip=True)

    def test_platforms(self) -> None:
        wanted = (Platform("linux", "amd64"), Platform("linux", "arm", "v7"))
        assert parse_selection("linux/amd64, linux/arm/v7", platform=AMD64, strip=True) == Selection(
            AMD64, "platforms", wanted, strip=True
        )

    @pytest.mark.parametrize("text", ["", "ALL", "none", "amd64"])
    def test_unknown(self, text: str) -> None:
        with pytest.raises(InvalidInput, match=r"Choose one of the supported options: 'system', 'all', 'index-only'"):
            parse_selection(text, platform=AMD64)

    @pytest.mark.parametrize("text", ["linux/", "linux/amd64,", "linux/amd64,arm64"])
    def test_malformed_platforms(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="want os/arch"):
            parse_selection(text, platform=AMD64)


class TestWantedChildren:
    index = index_of(
        entry(0, "linux/arm/v6"), entry(1, "linux/amd64"), entry(2, "linux/arm/v7"), entry(3, "windows/amd64"),
        entry(4), entry(5, "unknown/unknown"), entry(6, "linux/arm64/v8"),
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("mode", "platform", "positions"),
        [
            ("system", "linux/amd64", [1]),
            ("system", "linux/arm", [2]),
            ("system", "linux/arm/v6", [0]),
            ("system", "windows/amd64", [3]),
            ("system", "linux/s390x", [4]),  # an entry without a platform, when nothing else fits
            ("all", "linux/amd64", [0, 1, 2, 3, 4, 5, 6]),
            ("index-only", "linux/amd64", []),
        ],
    )
    def test_by_mode(self, mode: str, platform: str, positions: list[int]) -> None:
        found = selected_children(self.index, Selection(Platform.parse(platform), mode))
        assert list(found) == [self.index.manifests[n] for n in positions]

    @pytest.mark.parametrize(
        ("platforms", "positions"),
        [
            ("linux/amd64", [1]),
            ("windows/amd64,linux/amd64", [3, 1]),
            ("linux/amd64,linux/amd64", [1]),
            ("linux/arm", [0, 2]),
            ("linux/arm/v7", [2]),
            ("linux/arm64", [6]),
            ("linux/arm64/v8", [6]),
        ],
    )
    def test_by_platforms(self, platforms: str, positions: list[int]) -> None:
        found = selected_children(self.index, parse_selection(platforms, platform=AMD64))
        assert list(found) == [self.index.manifests[n] for n in positions]

    def test_by_digests(self) -> None:
        wanted = frozenset(self.index.manifests[n].digest for n in (4, 0))
        found = selected_children(self.index, Selection(AMD64, "digests", digests=wanted))
        assert list(found) == [self.index.manifests[n] for n in (0, 4)]

    def test_no_match_says_what_there_is(self) -> None:
        index = index_of(entry(0, "linux/arm/v6"), entry(1, "windows/amd64"), entry(2, "linux/arm/v6"))
        with pytest.raises(NoMatchingPlatform) as caught:
            selected_children(index, Selection(Platform("linux", "arm64", "v8")))
        assert str(caught.value) == (
            'no image found in image index for architecture "arm64", variant "v8", OS "linux"; '
            "there is: linux/arm/v6, windows/amd64"
        )
        assert caught.value.wanted == "linux/arm64/v8"
        assert caught.value.available == ("linux/arm/v6", "windows/amd64")

    def test_no_match_names_hostile_platforms_in_one_line_and_not_too_many(self) -> None:
        hostile = entry(999)
        hostile["platform"] = {"os": "linux\nFATA[0000]", "architecture": "\x1b[2Jamd64"}
        index = index_of(hostile, *(entry(number, f"plan9/a{number}") for number in range(200)))
        with pytest.raises(NoMatchingPlatform) as caught:
            choose_child(index, AMD64)
        message = str(caught.value)
        assert message.isprintable()
        assert r"there is: linux\nFATA[0000]/\x1b[2Jamd64, plan9/a0, " in message
        assert message.endswith("plan9/a98 and 101 more")
        assert len(caught.value.available) == 201

    def test_no_match_in_a_docker_list(self) -> None:
        index = index_of(media_type=mediatype.DOCKER_LIST)
        with pytest.raises(NoMatchingPlatform, match=r"in manifest list for .*there is: nothing"):
            choose_child(index, AMD64)

    @pytest.mark.parametrize("platforms", ["linux/s390x", "linux/amd64,linux/s390x", "linux/arm/v5"])
    def test_every_platform_asked_for_must_be_there(self, platforms: str) -> None:
        with pytest.raises(NoMatchingPlatform, match="there is: linux/arm/v6, linux/amd64"):
            selected_children(self.index, parse_selection(platforms, platform=AMD64))

    def test_an_attestation_is_nobodys_image(self) -> None:
        index = index_of(entry(0, "unknown/unknown"), entry(1, "linux/arm64"))
        with pytest.raises(NoMatchingPlatform):
            choose_child(index, AMD64)
        with pytest.raises(NoMatchingPlatform):
            choose_child(index, Platform("unknown", "unknown"))

    def test_what_is_no_manifest_is_not_chosen_but_a_missing_media_type_is(self) -> None:
        bare = {name: value for name, value in entry(1, "linux/amd64").items() if name != "mediaType"}
        index = index_of(entry(0, "linux/amd64", "application/x"), bare)
        assert choose_child(index, AMD64) is index.manifests[1]

    def test_a_nested_index_is_chosen_like_an_image(self) -> None:
        index = index_of(entry(0, media_type=mediatype.OCI_INDEX))
        assert choose_child(index, AMD64) is index.manifests[0]
