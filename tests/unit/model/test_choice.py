"""Which image is wanted, as a value: its text tells different choices apart."""

from __future__ import annotations

from pyskopeo.model.choice import Choice
from pyskopeo.model.platform import Platform


def test_a_platform_is_a_choice() -> None:
    platform = Platform("linux", "arm", "v7")
    assert Choice.of(platform) == Choice(platform)
    assert Choice.of(Choice(platform, warn=False)) == Choice(platform, warn=False)
    assert not Choice.of(platform).is_detailed


def test_the_text_of_a_plain_choice_is_that_of_its_platform() -> None:
    """It is kept in the record of a sync, together with what else was asked for."""
    assert str(Choice(Platform("linux", "arm", "v7"))) == "linux/arm/v7"
    detailed = Choice(Platform("windows", "amd64", os_version="10", os_features=("f",)), (("a", "b"),))
    assert str(detailed) == 'windows/amd64, OS version "10", OS feature "f", annotation "a=b"'
    assert str(Choice(annotations=(("a", "b"),))) == 'annotation "a=b"'
    assert detailed.is_detailed


def test_which_platforms_will_do() -> None:
    assert Choice(Platform("linux", "arm64", "v8")).compatible() == [("linux", "arm64", "v8"), ("linux", "arm64", "")]
    assert Choice(Platform("linux", "arm64", "x")).compatible() == [("linux", "arm64", "x")]
    lenient = Choice(Platform("linux", "arm64", "x"), known_variants=False)
    assert lenient.compatible() == [("linux", "arm64", "x"), ("linux", "arm64", "")]
