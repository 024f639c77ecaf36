"""``pyskopeo config``: what is set and where, as lines, as a table, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyskopeo.cli.text_output import TextOutput
from tests.support.cli import fatal, pyskopeo_here, succeed

TEXT = """retry-times = 1
dest-password = "hidden"
[copy]
dest-username = "me"
referrers = ["a/b", "c/d"]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    monkeypatch.setenv("PYSKOPEO_CONFIG", str(path))
    monkeypatch.setenv("PYSKOPEO_RETRY_TIMES", "2")
    monkeypatch.setenv("PYSKOPEO_STORE_PRUNE_OLDER_THAN", "30d")
    monkeypatch.delenv("PYSKOPEO_REQUIRE_PEERS", raising=False)
    return path


def test_lines(file: Path) -> None:
    done = succeed(pyskopeo_here("config"))
    assert done.stdout.decode().replace(str(file), "FILE").splitlines() == [
        "older-than\t30d\tstore prune\tPYSKOPEO_STORE_PRUNE_OLDER_THAN",
        "retry-times\t2\tall\tPYSKOPEO_RETRY_TIMES",
        "dest-username\tme\tcopy\tFILE:4",
        "referrers\ta/b, c/d\tcopy\tFILE:5",
        "retry-times\t1\tall\tFILE:1 (overridden)",
        "dest-password\t***\tall\tFILE:2",
    ]
    assert done.stderr == ""


@pytest.mark.parametrize(("columns", "value"), [(120, "a long value without end"), (60, "a long value without…")])
def test_a_table_on_a_terminal(
    file: Path, monkeypatch: pytest.MonkeyPatch, columns: int, value: str
) -> None:
    file.write_text("user-agent-prefix = 'a long value without end'\n")
    monkeypatch.delenv("PYSKOPEO_RETRY_TIMES")
    monkeypatch.delenv("PYSKOPEO_STORE_PRUNE_OLDER_THAN")
    monkeypatch.setattr(TextOutput, "of_stdout", lambda: TextOutput(columns))
    lines = succeed(pyskopeo_here("config")).stdout.decode().splitlines()
    assert lines[:2] == [str(file), ""]
    assert [line.split("  ")[0] for line in lines[2:]] == ["FLAG", "user-agent-prefix"]
    assert value in lines[-1]
    assert lines[-1].endswith("config.toml:1")
    assert len(lines[-1]) <= columns


def test_the_flags_of_a_command(file: Path) -> None:
    lines = succeed(pyskopeo_here("config", "copy")).stdout.decode().replace(str(file), "FILE").splitlines()
    assert {"retry-times\t2\tPYSKOPEO_RETRY_TIMES", "dest-password\t***\tFILE:2", "all\tfalse\tdefault", "format\t-\tdefault"} <= set(lines)
    assert lines == sorted(lines, key=lambda line: line.partition("\t")[0])


def test_json(file: Path) -> None:
    found = json.loads(succeed(pyskopeo_here("config", "--json", "store", "prune")).stdout)
    settings = found.pop("settings")
    assert found == {"file": str(file), "exists": True, "command": "store prune"}
    (age,) = (one for one in settings if one["flag"] == "older-than")
    assert age == {
        "flag": "older-than", "value": "30d", "command": "store prune", "origin": "variable",
        "variable": "PYSKOPEO_STORE_PRUNE_OLDER_THAN", "line": None, "overridden": False,
    }  # fmt: skip
    found = json.loads(succeed(pyskopeo_here("config", "--json")).stdout)
    assert found["settings"][3]["value"] == ["a/b", "c/d"]
    assert "hidden" not in str(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sync]\njobs = 'x'", 'FILE:2: invalid value "x" for jobs: want a whole number'),
        ("[sync]\njob = 1", 'FILE:2: pyskopeo sync has no flag "job"; did you mean jobs?'),
    ],
)
def test_mistakes_in_the_table_of_any_command(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    assert fatal(pyskopeo_here("config")).replace(str(file), "FILE") == message


def test_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextOutput, "of_stdout", lambda: TextOutput(80))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("PYSKOPEO_REQUIRE_PEERS", raising=False)
    assert succeed(pyskopeo_here("config")).stdout.decode().splitlines() == [
        f"{tmp_path}/pyskopeo/config.toml (does not exist)", "No values are set: neither there nor by PYSKOPEO_* variables.",
    ]  # fmt: skip
    monkeypatch.setenv("PYSKOPEO_CONFIG", "")
    assert succeed(pyskopeo_here("config")).stdout.startswith(b"PYSKOPEO_CONFIG is empty: no file\n")


def test_a_variable_that_is_no_flag(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSKOPEO_RETRY_TIME", "2")
    assert "PYSKOPEO_RETRY_TIME: no command has such a flag" in succeed(pyskopeo_here("config")).stderr


def test_unknown_commands(file: Path) -> None:
    assert done_with("store").startswith("'store' is no command: want store du, store ls, ")
    assert done_with("cpoy").startswith("'cpoy' is no command")


def done_with(*words: str) -> str:
    done = pyskopeo_here("config", *words)
    assert (done.code, done.stdout) == (1, b"")
    return done.stderr.partition('msg="')[2]
