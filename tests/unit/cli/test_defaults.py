"""Values from variables and ``config.toml``: what wins, what is put aside, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.cli.command import GLOBAL, Command, load_command
from pyskopeo.cli.defaults import apply_defaults, is_secret, variable, with_origins
from pyskopeo.cli.defaults_location import defaults_path, has_defaults
from pyskopeo.cli.flags import parse
from pyskopeo.errors import InvalidInput
from tests.support.cli import fatal, pyskopeo_here


def read(
    tmp_path: Path, text: str, words: str = "", environ: Mapping[str, str] | None = None, name: str = "copy"
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the flags that are given or set, and where those are from that are set; FILE is the file."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    command = load_command(name)
    assert isinstance(command, Command)
    parsed, _ = parse(words.split(), (*GLOBAL, *command.flags))
    origins = apply_defaults(command, parsed, {"PYSKOPEO_CONFIG": str(path), "HOME": "/home/me", **(environ or {})})
    origins = {name: origin.replace(str(path), "FILE") for name, origin in origins.items()}
    return {name: parsed.values[name] for name in parsed.given}, origins


TOP, TABLE = "retry-times = 1\n", "[copy]\nretry-times = 2\n"
ALL, ONE = {"PYSKOPEO_RETRY_TIMES": "3"}, {"PYSKOPEO_COPY_RETRY_TIMES": "4"}


@pytest.mark.parametrize(
    ("text", "words", "environ", "value", "origin"),
    [
        (TOP, "", {}, 1, "FILE:1"),
        (TOP + TABLE, "", {}, 2, "FILE:3"),
        (TOP + TABLE, "", ALL, 3, "PYSKOPEO_RETRY_TIMES"),
        (TOP + TABLE, "", ALL | ONE, 4, "PYSKOPEO_COPY_RETRY_TIMES"),
        (TOP + TABLE, "--retry-times=5", ALL | ONE, 5, None),
        (TOP, "", {"PYSKOPEO_RETRY_TIMES": ""}, 1, "FILE:1"),
        ("", "", {"PYSKOPEO_SYNC_RETRY_TIMES": "6"}, None, None),
        ("[sync]\nretry-times = 6", "", {}, None, None),
    ],
)
def test_what_is_closer_to_the_call_wins(
    tmp_path: Path, text: str, words: str, environ: Mapping[str, str], value: int | None, origin: str | None
) -> None:
    values, origins = read(tmp_path, text, words, environ)
    assert (values.get("retry-times"), origins.get("retry-times")) == (value, origin)


@pytest.mark.parametrize(
    ("text", "words", "environ", "values"),
    [
        # Lists are replaced, not added to.
        ('trust-realm = ["a", "b"]', "", {}, {"trust-realm": ["a", "b"]}),
        ('trust-realm = ["a", "b"]', "--trust-realm=c", {}, {"trust-realm": ["c"]}),
        ("", "", {"PYSKOPEO_TRUST_REALM": "a\nb"}, {"trust-realm": ["a", "b"]}),
        # A flag with an optional value.
        ("[copy]\nreferrers = true", "", {}, {"referrers": [""]}),
        ('[copy]\nreferrers = ["a/b", "c/d"]', "", {}, {"referrers": ["a/b", "c/d"]}),
        ("[copy]\nreferrers = true", "", {"PYSKOPEO_COPY_REFERRERS": "false"}, {}),
        # Booleans, also as text.
        ("debug = true", "", {"PYSKOPEO_DEBUG": "false"}, {"debug": False}),
        ("debug = 'true'", "--debug=false", {}, {"debug": False}),
        # Paths below the home directory.
        ("authfile = '~/auth.json'\nuser-agent-prefix = '~/x'", "", {}, {"authfile": "/home/me/auth.json", "user-agent-prefix": "~/x"}),
        # What is excluded by something stronger is put aside, and nothing else.
        ("[copy]\nall = true", "--platform linux/arm64", {}, {"platform": True}),
        ("platform = 'linux/arm64'", "--all", {}, {"all": True}),
        ("platform = 'linux/arm64'", "--all=false", {}, {"all": False, "platform": True}),
        ("platform = 'linux/arm64'", "--multi-arch system", {}, {"multi-arch": "system", "platform": True}),
        ("platform = 'linux/arm64'\n[copy]\nall = true", "", {}, {"all": True}),
        ("[copy]\nall = true", "", {"PYSKOPEO_PLATFORM": "linux/arm64"}, {"platform": True}),
        ("platform = 'linux/arm64'", "--override-os linux", {}, {"override-os": "linux"}),
        ("quiet = true", "--progress bars", {}, {"progress": "bars"}),
        ("src-username = 'a'\nsrc-password = 'b'", "--src-creds c:d", {}, {"src-creds": "c:d"}),
        ("src-username = 'a'\nsrc-password = 'b'", "--src-username c --src-password d", {}, {"src-username": "c", "src-password": "d"}),
        ("src-creds = 'a:b'\nsrc-tls-verify = false", "--src-no-creds", {}, {"src-no-creds": True, "src-tls-verify": False}),
        ("require-signed = true", "--insecure-policy", {}, {"insecure-policy": True}),
        ("src-tls-verify = false", "--tls-verify", {}, {"tls-verify": True}),
        ("src-tls-verify = true", "--tls-verify=false", {}, {"tls-verify": False}),
        ("tls-verify = false", "--src-tls-verify", {}, {"src-tls-verify": True, "tls-verify": False}),
        ("dest-authfile = 'a'", "--authfile b", {}, {"authfile": "b"}),
        ("insecure-policy = true", "--policy p.json", {}, {"policy": "p.json"}),
        ("policy = 'p.json'", "--insecure-policy", {}, {"insecure-policy": True}),
        ("insecure-policy = true", "", {"PYSKOPEO_POLICY": "p.json"}, {"policy": "p.json"}),
        # What cannot stand alone is left aside without what it needs.
        ("json = true", "", {}, {}),
        ("json = true", "--dry-run", {}, {"json": True, "dry-run": True}),
        ("json = true\ndry-run = true", "", {}, {"json": True, "dry-run": True}),
        # Of both sides, without a warning.
        ("tls-verify = false", "", {}, {"tls-verify": False}),
        # An empty text is a value in the file.
        ("store = ''", "", {}, {"store": ""}),
    ],
)  # fmt: skip
def test_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str, environ: Mapping[str, str], values: object
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found, _ = read(tmp_path, text, words, environ)
    assert {name: value if name != "platform" else True for name, value in found.items()} == values


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("retry-times = 'x'", {}, 'FILE:1: invalid value "x" for retry-times: want a whole number'),
        ("progress = 'x'", {}, 'FILE:1: invalid value "x" for progress: want one of auto, bars, plain, json, none'),
        ("retry-times = [1]", {}, "FILE:1: retry-times: want one value, not an array"),
        ("retry-times = true", {}, "FILE:1: retry-times: want N, not true or false"),
        ("", {"PYSKOPEO_RETRY_TIMES": "x"}, 'PYSKOPEO_RETRY_TIMES: invalid value "x" for retry-times: want a whole number'),
        ("", {"PYSKOPEO_COPY_ALL": "yes"}, 'PYSKOPEO_COPY_ALL: invalid value "yes" for all: want true or false'),
        ("all = true", {}, "FILE:1: --all is something else in each command that has it: write it below the name of one, such as [copy]"),
        ("", {"PYSKOPEO_ALL": "1"}, "PYSKOPEO_ALL: --all is something else in each command that has it: set PYSKOPEO_COPY_ALL, for example, for the command copy"),
        ("\nretry-time = 1", {}, 'FILE:2: unknown flag "retry-time"; did you mean retry-times?'),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, environ: Mapping[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, text, "", environ)
    assert str(caught.value).replace(str(tmp_path / "config.toml"), "FILE") == message


def test_a_secret_needs_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[inspect]\nregistry-token = 'hidden'")
    path.chmod(0o644)
    command = load_command("copy")
    assert isinstance(command, Command)
    parsed, _ = parse([], (*GLOBAL, *command.flags))
    with pytest.raises(InvalidInput) as caught:
        apply_defaults(command, parsed, {"PYSKOPEO_CONFIG": str(path)})
    assert str(caught.value) == f"{path}:2: registry-token is a secret, and others can read the file: chmod 600 {path}"


def test_which_flags_hold_secrets() -> None:
    names = ("creds", "src-creds", "dest-password", "registry-token", "screds", "decryption-key", "username", "no-creds", "tls-verify", "password-stdin")
    assert [name for name in names if is_secret(name)] == [
        "creds", "src-creds", "dest-password", "registry-token", "screds", "decryption-key",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("--all and --platform do not go together", "--all and --platform do not go together (--all is set by F:1)"),
        ("no images at all", "no images at all"),
        ("--all-tags is wrong\nTry this", "--all-tags is wrong\nTry this"),
        ("--all is wrong\nTry this", "--all is wrong (--all is set by F:1)\nTry this"),
        ("creds and no-creds cannot be specified at the same time",
         "creds and no-creds cannot be specified at the same time (--src-creds is set by V)"),
    ],
)  # fmt: skip
def test_messages_say_where_a_flag_is_set(message: str, expected: str) -> None:
    assert with_origins(message, {"all": "F:1", "src-creds": "V"}) == expected


@pytest.mark.parametrize(
    ("command", "flag", "expected"),
    [
        ("", "registries.d", "PYSKOPEO_REGISTRIES_D"),
        ("copy", "multi-arch", "PYSKOPEO_COPY_MULTI_ARCH"),
        ("store prune", "max-size", "PYSKOPEO_STORE_PRUNE_MAX_SIZE"),
    ],
)
def test_variables(command: str, flag: str, expected: str) -> None:
    assert variable(command, flag) == expected


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/h"}, "/h/.config/pyskopeo/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}, "/c/pyskopeo/config.toml"),
        ({"HOME": "/h", "PYSKOPEO_CONFIG": "f.toml"}, "f.toml"),
        ({"HOME": "/h", "PYSKOPEO_CONFIG": ""}, ""),
    ],
)
def test_where_the_file_is(environ: Mapping[str, str], path: str) -> None:
    assert defaults_path(environ) == path


def test_whether_there_is_anything(tmp_path: Path) -> None:
    nothing = {"XDG_CONFIG_HOME": str(tmp_path), "PATH": "/bin"}
    assert not has_defaults(nothing)
    assert not has_defaults(nothing | {"PYSKOPEO_STORE": "/s", "PYSKOPEO_CONFIG": ""})
    assert has_defaults(nothing | {"PYSKOPEO_JOBS": "1"})
    assert has_defaults(nothing | {"PYSKOPEO_CONFIG": "/none"})
    (tmp_path / "pyskopeo").mkdir()
    (tmp_path / "pyskopeo" / "config.toml").touch()
    assert has_defaults(nothing)


def test_the_command_line_uses_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSKOPEO_COPY_DEST_COMPRESS", "true")
    monkeypatch.setenv("PYSKOPEO_COPY_DEST_DECOMPRESS", "true")
    assert fatal(pyskopeo_here("copy", f"dir:{tmp_path}/none", f"dir:{tmp_path}/new")).startswith(
        "Cannot compress and decompress at the same time"
    )
    done = pyskopeo_here("copy", "--dest-compress", f"dir:{tmp_path}/none", f"dir:{tmp_path}/new")
    assert "initializing source" in fatal(done)


def test_called_skopeo_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/skopeo"])
    monkeypatch.setenv("PYSKOPEO_CONFIG", str(tmp_path / "none.toml"))
    assert "initializing source" in fatal(pyskopeo_here("copy", f"dir:{tmp_path}/none", f"dir:{tmp_path}/new"))
    assert "do not count" in fatal(pyskopeo_here("config"))


def test_a_secret_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, "[copy]\nsrc-creds = ['hidden', 'hidden']")
    assert "hidden" not in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, "[copy]\nregistry-token = 'hidden'")
    assert "hidden" not in str(caught.value)


def test_the_example_of_the_documents(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "configuration.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    values, _ = read(tmp_path, text)
    assert values["referrers"] == [""]
    assert values["multi-arch"] == "all"
    assert read(tmp_path, text, name="inspect")[0]["retry-times"] == 8
