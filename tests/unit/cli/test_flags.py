"""Flags are read as pflag reads them: where a value may stand, what a boolean takes, what is said of mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.cli.flags import Flag, Parsed, UsageError, age, boolean, duration, integer, listed, parse

FLAGS = (
    Flag("all", "everything", short="a", read=boolean, default=False),
    Flag("quiet", "nothing", short="q", read=boolean, default=False),
    Flag("verify", "a boolean with three states", read=boolean),
    Flag("format", "a text", short="f", value="TEXT"),
    Flag("times", "a number", value="N", read=integer, default=3),
    Flag("wait", "a duration", value="DURATION", read=duration),
    Flag("tag", "several", value="TAG", read=listed, repeat=True),
    Flag("mode", "a choice", value="MODE", choices=("one", "two")),
    Flag("secret", "not in the help", hidden=True),
    Flag("some", "all or some", value="[=ONE,...]", read=listed, repeat=True, implied=""),
)


def read(*words: str) -> tuple[dict[str, Any], list[str]]:
    parsed, left = parse(words, FLAGS)
    assert left == []
    return {name: parsed.values[name] for name in parsed.given}, parsed.arguments


@pytest.mark.parametrize(
    ("words", "values", "arguments"),
    [
        (["--format", "x", "a", "b"], {"format": "x"}, ["a", "b"]),
        (["a", "--format=x", "b"], {"format": "x"}, ["a", "b"]),
        (["a", "b", "-f", "x"], {"format": "x"}, ["a", "b"]),
        (["-fx", "a"], {"format": "x"}, ["a"]),
        (["-f=x", "a"], {"format": "x"}, ["a"]),
        (["--format=a=b"], {"format": "a=b"}, []),
        (["--format="], {"format": ""}, []),
        (["--format", ""], {"format": ""}, []),
        # A value is whatever comes next, also when it looks like a flag.
        (["--format", "--all"], {"format": "--all"}, []),
        (["--format", "--"], {"format": "--"}, []),
        (["--times", "-1"], {"times": -1}, []),
        # A boolean never takes the next word.
        (["--all", "false"], {"all": True}, ["false"]),
        (["--all=false"], {"all": False}, []),
        (["--verify=false", "a"], {"verify": False}, ["a"]),
        (["--verify", "false", "a"], {"verify": True}, ["false", "a"]),
        (["-q", "false"], {"quiet": True}, ["false"]),
        (["-q=false"], {"quiet": False}, []),
        (["-aq", "x"], {"all": True, "quiet": True}, ["x"]),
        (["-aqf", "x"], {"all": True, "quiet": True, "format": "x"}, []),
        (["-aqfx"], {"all": True, "quiet": True, "format": "x"}, []),
        (["-aq=0"], {"all": True, "quiet": False}, []),
        (["--", "--all", "-q"], {}, ["--all", "-q"]),
        (["a", "--", "b", "--"], {}, ["a", "b", "--"]),
        (["-"], {}, ["-"]),
        (["--tag", "a", "--tag", "b,c"], {"tag": ["a", "b", "c"]}, []),
        (["--format", "x", "--format", "y"], {"format": "y"}, []),
        # A flag with an implied value takes another one only after an equals sign.
        (["--some", "a"], {"some": [""]}, ["a"]),
        (["--some=a,b", "c"], {"some": ["a", "b"]}, ["c"]),
        (["--some", "--some=a"], {"some": ["", "a"]}, []),
        (["-h"], {"help": True}, []),
        (["-qh"], {"quiet": True, "help": True}, []),
        (["--help=false"], {"help": False}, []),
    ],
)
def test_where_values_stand(words: list[str], values: dict[str, Any], arguments: list[str]) -> None:
    assert read(*words) == (values, arguments)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bogus"], "unknown flag: --bogus"),
        (["--bogus=pass"], "unknown flag: --bogus"),
        (["--al"], "unknown flag: --al; did you mean --all?"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["-qZ"], "unknown shorthand flag: 'Z' in -Z"),
        (["-uuser:pass"], "unknown shorthand flag: 'u' in -u"),
        (["---all"], "bad flag syntax: ---all"),
        (["--=pass"], "bad flag syntax: --"),
        (["--format"], "flag needs an argument: --format"),
        (["-f"], "flag needs an argument: 'f' in -f"),
        (["-qf"], "flag needs an argument: 'f' in -f"),
        (["--all=maybe"], 'invalid argument "maybe" for "-a, --all" flag: want true or false'),
        (["-a="], 'invalid argument "" for "-a, --all" flag: want true or false'),
        (["--verify=No"], 'invalid argument "No" for "--verify" flag: want true or false'),
        (["--times", "x"], 'invalid argument "x" for "--times" flag: want a whole number'),
        (["--times", "1.5"], 'invalid argument "1.5" for "--times" flag: want a whole number'),
        (["--times", "\u0663"], 'invalid argument "\u0663" for "--times" flag: want a whole number'),
        (["--wait", "soon"], 'invalid argument "soon" for "--wait" flag: want a duration such as 30s or 1m30s'),
        (["--wait", "-1s"], 'invalid argument "-1s" for "--wait" flag: want a duration such as 30s or 1m30s'),
        (["--mode", "three"], 'invalid argument "three" for "--mode" flag: want one of one, two'),
    ],
)
def test_what_is_said_of_mistakes(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words, FLAGS)
    assert str(caught.value) == message


def test_flags_that_are_not_given_have_their_default_each_time() -> None:
    first, _ = parse(["--tag", "a"], FLAGS)
    second, _ = parse([], FLAGS)
    assert first.repeated("tag", str) == ("a",)
    names = ("tag", "times", "verify", "help")
    assert [second.values[name] for name in names] == [[], 3, None, False]
    assert second.given == set()


def test_values_have_their_type() -> None:
    parsed, _ = parse(["-a", "--wait=1m", "--tag=a,b", "--format="], FLAGS)
    assert (parsed.get("all", bool), parsed.get("times", int), parsed.get("wait", float)) == (True, 3, 60.0)
    assert (parsed.optional("verify", bool), parsed.optional("mode", str), parsed.optional("format", str)) == (None, None, "")
    assert (parsed.repeated("tag", str), parse([], FLAGS)[0].repeated("tag", str)) == (("a", "b"), ())
    assert (parsed.path("format"), parsed.path("mode"), parse(["-fx"], FLAGS)[0].path("format")) == (None, None, Path("x"))


@pytest.mark.parametrize(
    ("read_value", "error"),
    [
        (lambda parsed: parsed.get("times", str), TypeError),
        (lambda parsed: parsed.get("verify", bool), TypeError),  # not given, and without a default
        (lambda parsed: parsed.optional("times", str), TypeError),
        (lambda parsed: parsed.repeated("tag", int), TypeError),
        (lambda parsed: parsed.repeated("times", int), TypeError),
        (lambda parsed: parsed.path("times"), TypeError),
        (lambda parsed: parsed.get("bogus", str), KeyError),
        (lambda parsed: parsed.optional("bogus", str), KeyError),
    ],
)
def test_a_value_is_not_taken_for_something_else(
    read_value: Callable[[Parsed], object], error: type[Exception]
) -> None:
    parsed, _ = parse(["--tag", "a"], FLAGS)
    with pytest.raises(error):
        read_value(parsed)


def test_flags_before_the_command_count_unless_they_are_repeated_after_it() -> None:
    outer, rest = parse(["-q", "--format=outer", "--times=1", "copy"], FLAGS, stop_at_argument=True)
    inner, _ = parse(["--format=inner", *rest], FLAGS)
    inner.inherit(outer)
    assert (inner.get("quiet", bool), inner.get("format", str), inner.get("times", int)) == (True, "inner", 1)
    assert inner.given == {"quiet", "format", "times"}
    assert inner.inherited == {"quiet", "times"}


def test_the_first_argument_ends_the_global_flags() -> None:
    parsed, left = parse(["-q", "copy", "-q", "x"], FLAGS, stop_at_argument=True)
    assert (parsed.get("quiet", bool), parsed.arguments, left) == (True, [], ["copy", "-q", "x"])
    _, left = parse(["-q", "--", "copy", "-q"], FLAGS, stop_at_argument=True)
    assert left == ["copy", "-q"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("1h", 3600), ("1.5h", 5400), ("200ms", 0.2), ("1us", 1e-6), ("7\u00b5s", 7e-6),
     ("3ns", 3e-9), (".5s", 0.5), ("1.s", 1), ("5", 5), ("0.25", 0.25), ("0", 0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


def test_booleans() -> None:
    assert [boolean(text) for text in ("1", "t", "T", "true", "TRUE", "True")] == [True] * 6
    assert [boolean(text) for text in ("0", "f", "F", "false", "FALSE", "False")] == [False] * 6


@pytest.mark.parametrize(("text", "seconds"), [("30d", 30 * 86400.0), ("2w", 14 * 86400.0), ("12h", 43200.0), ("90", 90.0)])
def test_ages(text: str, seconds: float) -> None:
    assert age(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "1y", "-1d", "1.5d", "1d12h", "123456d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match="want a duration such as 30d, 2w or 12h"):
        age(text)
