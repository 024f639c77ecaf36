"""Flags that exclude each other on the command line do not when one of them is a user's default."""

from __future__ import annotations

import itertools

import pytest

from pyskopeo.cli.command import GLOBAL, Command, load_command
from pyskopeo.cli.defaults import apply_defaults, variable
from pyskopeo.cli.flag_conflicts import EXCLUSIVE, NEEDED
from pyskopeo.cli.flags import Flag, parse
from pyskopeo.cli.known_names import FLAGS
from pyskopeo.errors import PyskopeoError

SAMPLES = ("1", "1s", "linux/arm64", "a=b", "jwe:/none", "docker", "/none")
VALUES = {"platform": "linux/arm64", "multi-arch": "all", "format": "oci", "src": "docker", "dest": "dir", "shard": "1/2"}
# Only a third flag makes these go together: the user is told where the default is from.
EXPLAINED = {"dest-layout-profile"}


def sample(flag: Flag) -> str:
    """A text that the flag accepts."""
    for text in (VALUES.get(flag.name), *flag.choices, *SAMPLES):
        try:
            flag.read_value(text or "")
        except (ValueError, PyskopeoError):
            continue
        return text or ""
    raise AssertionError(f"no sample for --{flag.name}")


def works(command: Command[object], arguments: list[str], words: list[str], environ: dict[str, str]) -> bool:
    parsed, _ = parse([*arguments, *words], (*GLOBAL, *command.flags))
    try:
        apply_defaults(command, parsed, {"PYSKOPEO_CONFIG": "", **environ})
        command.read(parsed)
    except PyskopeoError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("copy", ["docker://a/b:c", "oci:/none:d"]),
        ("sync", ["--src", "docker", "--dest", "dir", "a/b", "/none"]),
        ("inspect", ["docker://a/b"]),
        ("verify", ["docker://a/b"]),
        ("ls", ["docker://a/b:c"]),
        ("ls", ["docker://a/b"]),
        ("tree", ["docker://a/b:c"]),
        ("du", ["docker://a/b:c"]),
        ("diff", ["docker://a/b:c", "docker://a/b:d"]),
        ("referrers", ["docker://a/b"]),
        ("lock", ["images.yaml"]),
        ("extract", ["docker://a/b", "--dest", "/none"]),
    ],
)
def test_a_flag_puts_aside_a_default_that_it_excludes(name: str, arguments: list[str]) -> None:
    command = load_command(name)
    assert isinstance(command, Command)
    listed = [flag for flag in (*GLOBAL, *command.flags) if not (flag.hidden and flag.name == "tls-verify")]
    words = {flag.name: f"--{flag.name}={sample(flag)}" for flag in listed}
    variables = {flag.name: {variable(name, flag.name): sample(flag)} for flag in listed}
    alone = [one for one in words if works(command, arguments, [words[one]], {})]
    excluding = [
        pair for pair in itertools.combinations(alone, 2) if not works(command, arguments, [words[one] for one in pair], {})
    ]
    failed = [
        f"--{given} on the command line, --{default} by default"
        for pair in excluding
        for given, default in (pair, pair[::-1])
        if not works(command, arguments, [words[given]], variables[default]) and not EXPLAINED & set(pair)
    ]
    assert failed == []
    assert not name.startswith("copy") or len(excluding) > 10


def test_what_a_flag_needs_is_dropped_without_it() -> None:
    copy = load_command("copy")
    assert isinstance(copy, Command)
    arguments = ["docker://a/b:c", "oci:/none:d"]
    for (name, flag), partners in NEEDED.items():
        if name == "copy":
            declared = {one.name: one for one in copy.flags}
            assert not works(copy, arguments, [f"--{flag}={sample(declared[flag])}"], {}), flag
            assert works(copy, arguments, [], {variable(name, flag): sample(declared[flag])}), flag
            assert set(partners) <= set(declared)


def test_the_tables_name_flags() -> None:
    named = {name for row in EXCLUSIVE for names in row for name in names} | {name for _, name in NEEDED}
    assert named <= FLAGS
