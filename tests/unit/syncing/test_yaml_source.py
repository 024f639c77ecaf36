"""The YAML file of a sync: what it means, and what is wrong with it."""

from __future__ import annotations

import sys

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import InvalidInput, TooLarge
from pyskopeo.model.platform import Platform
from pyskopeo.syncing.yaml_source import FILE_LIMIT, ImageItem, RegistrySource, parse_yaml_source

MAN_PAGE = b"""\
registry.example.com:
    images:
        busybox: []
        redis:
            - "1.0"
            - "2.0"
            - "sha256:0000000000000000000000000000000011111111111111111111111111111111"
    images-by-tag-regex:
        nginx: ^1\\.13\\.[12]-alpine-perl$
    images-by-semver:
        alpine: ">= 3.12.0"
    credentials:
        username: john
        password: this is a secret
    tls-verify: true
    cert-dir: /home/john/certs
quay.io:
    tls-verify: false
    images:
        coreos/etcd:
            - latest
"""


def parse(text: str) -> tuple[RegistrySource, ...]:
    return parse_yaml_source(text.encode(), "f.yaml")


def items(*versions: str) -> tuple[ImageItem, ...]:
    return tuple(map(ImageItem, versions))


def test_the_example_of_the_manual() -> None:
    one, two = parse_yaml_source(MAN_PAGE, "sync.yml")
    assert one == RegistrySource(
        "registry.example.com",
        images={"busybox": (), "redis": items("1.0", "2.0", "sha256:" + "0" * 32 + "1" * 32)},
        by_pattern={"nginx": r"^1\.13\.[12]-alpine-perl$"},
        by_version={"alpine": ">= 3.12.0"},
        credentials=Credentials("john", "this is a secret"),
        tls_verify=True,
        cert_dir="/home/john/certs",
    )
    assert two == RegistrySource("quay.io", images={"coreos/etcd": items("latest")}, tls_verify=False)
    assert "secret" not in repr(one).replace("hidden", "")


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("[1.0, 2.10]", ("1.0", "2.10")),
        ("[012, 0x1f, 1_000, 1e3]", ("012", "0x1f", "1_000", "1e3")),
        ("[on, yes, null, ~]", ("on", "yes", "null", "~")),
        ("[2024-01-01]", ("2024-01-01",)),
        ("[12:30:45]", ("12:30:45",)),
        ("[!!str 1.0]", ("1.0",)),
        ("[]", ()),
        ("", ()),
        ("null", ()),
        ("~", ()),
    ],
)
def test_a_tag_is_text_as_it_is_written(text: str, tags: tuple[str, ...]) -> None:
    (found,) = parse(f"h:\n  images:\n    a: {text}\n")
    assert found.images == {"a": items(*tags)}


def test_json_is_read_without_a_parser_for_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """As YAML would be: a tag that is a number is text as it is written."""
    text = """ {"h": {"images": {"a": [1.10, "2", true, {"tag": 012e1, "name": "x"}], "b": null}, "tls-verify": false,
              "cert-dir": null}, "i": null}""".replace("012e1", "12e1")
    monkeypatch.setitem(sys.modules, "yaml", None)
    one, two = parse(text)
    assert one.images == {"a": (*items("1.10", "2", "true"), ImageItem("12e1", "x")), "b": ()}
    assert (one.tls_verify, one.cert_dir, two) == (False, "", RegistrySource("i"))
    with pytest.raises(InvalidInput, match="key 'a' is given twice"):
        parse('{"h": {"images": {"a": [], "a": []}}}')
    for other in ("{h: {images: {a: [b]}}}", '{"h": ', "{" * 100_000, '{"h": {}} x'):
        with pytest.raises(InvalidInput, match="PyYAML"):
            parse(other)
    for depth in range(100, 1000, 50):
        with pytest.raises(InvalidInput):
            parse('{"h": ' + "[" * depth + "]" * depth + "}")
    monkeypatch.undo()
    assert parse(text) == (one, two)
    assert parse(text.replace("{", "{ ").replace('"h"', "h")) == (one, two)


@pytest.mark.parametrize(
    ("text", "verify"),
    [("true", True), ("yes", True), ("On", True), ("false", False), ("off", False), ("No", False), ("", None),
     ("null", None)],
)  # fmt: skip
def test_tls_verify_has_three_states(text: str, verify: bool | None) -> None:
    (found,) = parse(f"h:\n  tls-verify: {text}\n")
    assert found.tls_verify is verify


def test_anchors_and_merges_are_followed() -> None:
    one, two = parse("a: &a\n  images: {x: [v]}\n  tls-verify: no\nb:\n  <<: *a\n  tls-verify: yes\n")
    assert (one.images, one.tls_verify) == ({"x": items("v")}, False)
    assert (two.images, two.tls_verify) == ({"x": items("v")}, True)


def test_what_means_nothing_is_passed_over_and_told() -> None:
    (found,) = parse("h:\n  image: {a: [b]}\n  images: {a: [b]}\n")
    assert (found.images, found.unknown) == ({"a": items("b")}, ("image",))


def test_names_and_platforms_for_locks() -> None:
    digest = "sha256:" + "0" * 64
    (found,) = parse(
        "h:\n  platforms: [linux/amd64, linux/arm/v7]\n  images:\n    a:\n"
        f"      - '1'\n      - {{tag: 2, name: two, platforms: [linux/arm64]}}\n      - {{digest: {digest}}}\n"
        f"      - {{tag: 3, digest: {digest}, platforms: }}\n"
    )
    assert found.platforms == (Platform("linux", "amd64"), Platform("linux", "arm", "v7"))
    assert found.images == {"a": (
        ImageItem("1"), ImageItem("2", "two", (Platform("linux", "arm64"),)), ImageItem(digest), ImageItem(f"3@{digest}"),
    )}  # fmt: skip
    assert found.unknown == ()
    assert found.has_lock_keys
    assert not parse("h: {images: {a: [{tag: x}]}}")[0].has_lock_keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h: {images: {a: [{name: x}]}}", "an image needs a tag or a digest"),
        ("h: {images: {a: [{tag: x, arch: y}]}}", "unknown key 'arch'"),
        ("h: {images: {a: [{tag: [x]}]}}", "want text"),
        ("h: {images: {a: [[x]]}}", "want text"),
        ("h: {platforms: linux/amd64}", "want a list of platforms"),
        ("h: {platforms: [linux]}", "h: platforms: invalid platform 'linux'"),
        ("h: {images: {a: [{tag: x, platforms: [a/b/c/d]}]}}", "invalid platform"),
    ],
)
def test_names_and_platforms_that_are_none(text: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match="f.yaml") as caught:
        parse(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "{}\n"])
def test_an_empty_file_is_nothing(text: str) -> None:
    assert parse(text) == ()


def test_a_registry_without_anything_is_empty() -> None:
    (one,) = parse("h:\n")
    (two,) = parse("h:\n  credentials: {username: '', password: ''}\n  tls-verify: false\n")
    assert (one.is_empty, two.is_empty, two.credentials) == (True, True, None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [}", "line 1, column 5: "),
        ("- a", "the file: want names with values"),
        ("a: text", "a: want names with values"),
        ("h:\n  images: [a]\n", "h: images: want names with values"),
        ("h:\n  images: {a: tag}\n", "h: images: 'a': want a list of tags and digests"),
        ("h:\n  images: {a: [[x]]}\n", "h: images: 'a': want text"),
        ("h:\n  images-by-tag-regex: {a: [x]}\n", "h: images-by-tag-regex: want text"),
        ("h:\n  images-by-semver: x\n", "h: images-by-semver: want names with values"),
        ("h:\n  tls-verify: maybe\n", "h: tls-verify: want true or false"),
        ("h:\n  tls-verify: [no]\n", "h: tls-verify: want text"),
        ("h:\n  credentials: john\n", "h: credentials: want names with values"),
        ("h:\n  cert-dir: {}\n", "h: cert-dir: want text"),
        ("h: {}\nh: {}\n", "line 1: key 'h' is given twice"),
        ("h:\n  images: {a: [x], a: [y]}\n", "line 2: key 'a' is given twice"),
        ("h: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
        ("? [a]\n: b\n", "unhashable key"),
        ("a: \x01", "#x0001"),
        ("a: &a {images: *a}\n", "want a list"),
        ("a: {}\n---\nb: {}\n", "another document"),
        ("*nobody", "undefined alias"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith('Failed to unmarshal "f.yaml": yaml: ')
    assert complaint in message
    assert "\n" not in message


def test_a_value_is_in_no_complaint() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("h:\n  credentials: {username: u, password: [hunter2]}\n")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"[" * 5000, b"{a: " * 5000, b"\xff\xfe\x00", b"\xc3(", b"a: \xff"])
def test_hostile_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_yaml_source(raw, "f")


def test_many_aliases_cost_no_memory() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [" + f"*a{n - 1}, " * 9 + f"*a{n - 1}]\n" for n in range(1, 12))
    with pytest.raises(InvalidInput):
        parse(bomb)


def test_a_file_has_a_limit() -> None:
    with pytest.raises(TooLarge):
        parse_yaml_source(b"#" * (FILE_LIMIT + 1), "f")
