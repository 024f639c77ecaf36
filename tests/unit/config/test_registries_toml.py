"""The text of a registries.conf: what is taken, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.config import registries_toml
from pyskopeo.config.registries import Mirror, Registries, RegistriesFile, Registry
from pyskopeo.errors import InvalidInput
from tests.support.registries_conf import REFUSED, parse_registries


def test_everything_at_once() -> None:
    text = """
        unqualified-search-registries = ["docker.io", "example.com:5000/", "host"]
        credential-helpers = ["containers-auth.json", "pass"]
        short-name-mode = "disabled"
        additional-layer-store-auth-helper = "x"
        [[registry]]
        prefix = "example.com/foo/"
        location = "internal.net/bar//"
        insecure = true
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.local/"
        insecure = true
        [[registry.mirror]]
        location = "n.local"
        [[registry]]
        prefix = "*.example.com"
        blocked = true
        [[registry.mirror]]
        location = "o.local"
        pull-from-mirror = "digest-only"
        [aliases]
        "alpine" = "docker.io/library/alpine"
        "team/tool" = "localhost/tool"
        "gone" = ""
    """
    assert registries_toml.parse(text, "F") == RegistriesFile(
        where="F",
        registries=(
            Registry("*.example.com", "", blocked=True, mirrors=(Mirror("o.local", pull="digest-only"),), where="F"),
            Registry(
                "example.com/foo",
                "internal.net/bar",
                insecure=True,
                mirror_by_digest_only=True,
                mirrors=(Mirror("m.local", insecure=True), Mirror("n.local")),
                where="F",
            ),
        ),
        credential_helpers=("containers-auth.json", "pass"),
        unqualified_search=("docker.io", "example.com:5000", "host"),
        short_name_mode="disabled",
        aliases={"alpine": "docker.io/library/alpine", "team/tool": "localhost/tool", "gone": ""},
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "# only a comment\n\n  # and another",
        "bogus = 1\n[more]\nx = [1, 'a']",
        "registry = []",
        "[registries]\n",
        "[registries.search]\n",
        "[registries.other]\nregistries = ['x']",
        "aliases = {}",
    ],
)
def test_what_says_nothing(text: str) -> None:
    assert registries_toml.parse(text, "F").registries == ()
    assert parse_registries(text, "F") == Registries(files=("F",))


def test_a_missing_prefix_is_the_location() -> None:
    assert parse_registries('[[registry]]\nlocation = "example.com/a/"', "F").registries == (
        Registry("example.com/a", "example.com/a", where="F"),
    )


def test_keys_match_in_any_case_as_go_reads_them() -> None:
    text = '[[Registry]]\nLocation = "a.org"\nINSECURE = true\n[[Registry.Mirror]]\nLOCATION = "m.org"\n'
    assert parse_registries(text, "F").registries == (
        Registry("a.org", "a.org", insecure=True, mirrors=(Mirror("m.org"),), where="F"),
    )


def test_of_the_same_prefix_twice_in_one_file_the_first_counts() -> None:
    text = '[[registry]]\nprefix = "a.org"\nlocation = "x.org"\n[[registry]]\nprefix = "a.org"\nlocation = "y.org"\n'
    assert [one.location for one in parse_registries(text, "F").registries] == ["x.org"]


@pytest.mark.parametrize("value", ["", "all", "digest-only", "tag-only"])
def test_the_values_of_pull_from_mirror(value: str) -> None:
    text = f'[[registry]]\nlocation = "a.org"\n[[registry.mirror]]\nlocation = "m.org"\npull-from-mirror = "{value}"'
    assert parse_registries(text, "F").registries[0].mirrors == (Mirror("m.org", pull=value or "all"),)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_what_is_refused_and_how(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        registries_toml.parse(text, "/etc/x.conf")
    message = str(caught.value)
    assert message == f'loading registries configuration "/etc/x.conf": {problem}'
    assert "\n" not in message


@pytest.mark.parametrize("text", ["broken =", '[[registry]]\nlocation = "a"\nlocation = "b"', "[a\nb]", "a = '\x00'"])
def test_what_is_no_toml(text: str) -> None:
    with pytest.raises(InvalidInput, match=r'^loading registries configuration "F": toml: [^\n]+$'):
        registries_toml.parse(text, "F")


SEARCH = "[registries.search] as unqualified-search-registries = [...]"
INSECURE = "each of [registries.insecure] as a [[registry]] with location and insecure = true"
BLOCK = "each of [registries.block] as a [[registry]] with location and blocked = true"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[registries.search]\nregistries = ['docker.io']", SEARCH),
        ("[registries.search]\nregistries = []", SEARCH),
        ("[registries.insecure]\nregistries = ['a.org']", INSECURE),
        ("[registries.block]\nregistries = ['a.org']", BLOCK),
        ("[registries.block]\nregistries = []\n[registries.search]\nregistries = []", f"{SEARCH}, {BLOCK}"),
        ("[registries.search]\nregistries = ['x']\n[[registry]]\nlocation = 'a.org'", SEARCH),
    ],
)
def test_version_1_is_refused_with_what_to_write_in_its_place(text: str, advice: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        registries_toml.parse(text, "F")
    expected = f"registries.conf must be in v2 format but is in v1: write {advice}"
    assert str(caught.value) == f'loading registries configuration "F": {expected}'


@given(st.text(max_size=60) | st.text(alphabet='[]registry."=\n aliases:*/', max_size=60))
def test_no_text_brings_anything_but_a_value_or_one_line_of_refusal(text: str) -> None:
    try:
        message = registries_toml.parse(text, "F").where
    except InvalidInput as error:
        message = str(error)
    assert "F" in message
    assert "\n" not in message
