"""The text of a registries.conf: what is taken, and what is refused with which words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.config import registries_toml
from pyskopeo.config.registries import Mirror, Registries, RegistriesFile, Registry
from pyskopeo.errors import InvalidInput
from tests.support.registries_conf import parse_registries


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


MIRROR = '[[registry]]\nlocation = "a.org"\n[[registry.mirror]]\n'

REFUSED = [
    ("[[registry]]", "invalid condition: both location and prefix are unset in registry[0]"),
    ('[[registry]]\nlocation = "/"', "invalid condition: both location and prefix are unset in registry[0]"),
    ('[[registry]]\nprefix = "a.b"', ("invalid condition: location is unset and prefix is not in the format: *.example.com; "
     'add location = "a.b" to registry[0], or where its images really are')),
    ('[[registry]]\nlocation = "a.b"\n[[registry]]\nlocation = 5', "registry[1].location is not a string"),
    ('[[registry]]\nlocation = "a.b"\ninsecure = "true"', "registry[0].insecure is not true or false"),
    ('[[registry]]\nlocation = "a.b"\nblocked = 1', "registry[0].blocked is not true or false"),
    ('[[registry]]\nlocation = "a.b"\nprefix = ["x"]', "registry[0].prefix is not a string"),
    ('[[registry]]\nlocation = "a.b"\nmirror-by-digest-only = ""', "registry[0].mirror-by-digest-only is not true or false"),
    ('[[registry]]\nlocation = "a.b"\nmirror = "m"', "registry[0].mirror is not an array"),
    ('[[registry]]\nlocation = "a.b"\nmirror = ["m"]', "registry[0].mirror[0] is not a table"),
    ('[registry]\nlocation = "a.b"', "registry is not an array; write [[registry]] for [registry]"),
    ('registry = ["a.b"]', "registry[0] is not a table"),
    ('[[registry]]\nlocation = "https://a.b"',
     "invalid location 'https://a.b': URI schemes are not supported; begin with the host"),
    ('[[registry]]\nlocation = "a.b"\nprefix = "http://a.b"',
     "invalid location 'http://a.b': URI schemes are not supported; begin with the host"),
    (MIRROR + 'location = "http://m"', "invalid location 'http://m': URI schemes are not supported; begin with the host"),
    (MIRROR + "insecure = true", "invalid condition: mirror location is unset in registry[0].mirror[0]"),
    (MIRROR + 'location = "m.org"\npull-from-mirror = "never"', ('unsupported pull-from-mirror value "never" for mirror '
     '"m.org"; want one of all, digest-only, tag-only')),
    (MIRROR + 'location = "m.org"\npull-from-mirror = 1', "registry[0].mirror[0].pull-from-mirror is not a string"),
    (MIRROR + 'location = "m.org"\ninsecure = 1', "registry[0].mirror[0].insecure is not true or false"),
    ('[[registry]]\nlocation = "a.org"\npull-from-mirror = "all"',
     'pull-from-mirror must not be set for a non-mirror registry "a.org"'),
    (('[[registry]]\nlocation = "a.org"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.org"\n'
     'pull-from-mirror = "all"'),
     ('cannot set mirror usage mirror-by-digest-only for the registry ("a.org") and pull-from-mirror for per-mirror '
     '("m.org") at the same time')),
    *((f'[[registry]]\nprefix = "{prefix}"\nlocation = "x.y"', ("Wildcarded prefix should be in the format: *.example.com. "
       f'Current prefix "{prefix}" is incorrectly formatted')) for prefix in ("*.a.b/c", "*.a.b:5000", "*.a.b@sha256")),
    ('[[registry]]\nlocation = "a.b"\n[[registry]]\nprefix = "c.d"\nlocation = "a.b/"\ninsecure = true',
     "registry 'a.b' is defined multiple times with conflicting 'insecure' setting"),
    ('[[registry]]\nlocation = "a.b"\n[[registry]]\nlocation = "a.b"\nblocked = true',
     "registry 'a.b' is defined multiple times with conflicting 'blocked' setting"),
    ('[[registry]]\nprefix = "*.b"\n[[registry]]\nprefix = "*.b"\nblocked = true',
     "registry '*.b' is defined multiple times with conflicting 'blocked' setting"),
    ('unqualified-search-registries = "docker.io"', "unqualified-search-registries is not an array"),
    (
        '[[registry]]\nlocation = "https://a\\nb"',
        "invalid location 'https://a\\nb': URI schemes are not supported; begin with the host",
    ),
    ("unqualified-search-registries = [1]", "unqualified-search-registries[0] is not a string"),
    *((f'unqualified-search-registries = ["ok.org", "{entry}"]', ("Invalid unqualified-search-registries entry "
       f'"{entry}"; want host or host:port')) for entry in ("", "a/b", "a b", "-a", "a.b:port")),
    ('unqualified-search-registries = ["https://a.b"]',
     "invalid location 'https://a.b': URI schemes are not supported; begin with the host"),
    ('credential-helpers = "pass"', "credential-helpers is not an array"),
    ("credential-helpers = [true]", "credential-helpers[0] is not a string"),
    ('short-name-mode = "sometimes"', 'invalid short-name mode: "sometimes"; want one of enforcing, permissive, disabled'),
    ("short-name-mode = 1", "short-name-mode is not a string"),
    ("aliases = []", "aliases is not a table"),
    ("[aliases]\nx = 1", 'aliases."x" is not a string'),
    ('[aliases]\n"a.b/c" = "d.e/f"', 'validating short-name aliases: invalid short name "a.b/c": must not contain registry'),
    ('[aliases]\n"localhost/c" = "d.e/f"',
     'validating short-name aliases: invalid short name "localhost/c": must not contain registry'),
    ('[aliases]\n"a:1" = "d.e/f"', 'validating short-name aliases: invalid short name "a:1": must not contain tag or digest'),
    ('[aliases]\nx = "y"', 'validating short-name aliases: invalid alias "y": must contain registry and repository'),
    ('[aliases]\nx = "team/y"', 'validating short-name aliases: invalid alias "team/y": must contain registry and repository'),
    ('[aliases]\nx = "a.org/y:1"', 'validating short-name aliases: invalid alias "a.org/y:1": must not contain tag or digest'),
    ('[aliases]\nx = "a.org/Y"', ('validating short-name aliases: invalid alias "a.org/Y": invalid reference format: '
     "repository name (Y) must be lowercase")),
    ("a = " + "[" * 3000, "toml: nested too deeply"),
    ("registries = 5", "registries is not a table"),
]  # fmt: skip


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


def test_a_file_of_comments_does_not_load_the_parser() -> None:
    code = (
        "import sys; from pyskopeo.config.registries_toml import parse;"
        "parse('# nothing\\n', 'F'); assert 'tomllib' not in sys.modules;"
        "parse('a = 1', 'F'); assert 'tomllib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
