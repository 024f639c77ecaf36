"""Structs, maps and times as templates and JSON see them."""

import pytest

from pyskopeo.errors import InvalidContent, InvalidInput
from pyskopeo.gocompat.go_json import dumps
from pyskopeo.gocompat.template import Field, GoTime, Struct, json_value, render

PLATFORM = Struct("v1.Platform", {"Architecture": Field("arm64", json="architecture"), "OS": Field("linux", json="os")})
IMAGE = Struct(
    "v1.Image",
    {
        "Created": Field(None, "*time.Time", json="created", omitempty=True),
        "Author": Field("", "string", json="author", omitempty=True),
        "Platform": Field(PLATFORM, embedded=True),
        "Config": Field(
            Struct("v1.ImageConfig", {"Env": Field(["b", "a"], json="Env", omitempty=True)}), json="config"
        ),
    },
)


def test_embedded_fields() -> None:
    assert render("{{.OS}} {{.Platform.Architecture}} {{.Config.Env}}", IMAGE) == "linux arm64 [b a]\n"
    assert dumps(json_value(IMAGE)) == '{"architecture":"arm64","os":"linux","config":{"Env":["b","a"]}}'


def test_nil_pointer() -> None:
    assert render("{{.Created}}{{if .Created}}x{{end}}{{json .Created}}", IMAGE) == "<nil>null\n"
    assert render("{{eq .Created nil}} {{printf `%v %s %T` .Created .Created .Created}}", IMAGE) == (
        "true <nil> <nil> *time.Time\n"
    )
    with pytest.raises(InvalidInput, match=r"nil pointer evaluating \*time\.Time\.Year"):
        render("{{.Created.Year}}", IMAGE)
    with pytest.raises(InvalidInput, match=r"can't evaluate field Nope in type \*time\.Time"):
        render("{{.Created.Nope}}", IMAGE)


def test_struct_against_map() -> None:
    assert render("{{.nope}} {{.nope.deeper}}", {"a": 1}) == "<no value> <no value>\n"
    with pytest.raises(InvalidInput, match="can't evaluate field nope in type T"):
        render("{{.x.nope}}", Struct("S", {"x": Struct("T", {})}))


def test_plain() -> None:
    assert json_value({"b": [GoTime(2020, 1, 2), None], "a": Struct("T", {"z": 1, "y": 2.5})}) == {
        "a": {"z": 1, "y": 2.5},
        "b": ["2020-01-02T00:00:00Z", None],
    }
    assert list(json_value({"b": 1, "a": 2})) == ["a", "b"]  # type: ignore[call-overload]
    assert list(json_value(Struct("T", {"b": 1, "a": 2}))) == ["b", "a"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "printed", "marshalled"),
    [
        ("2020-01-01T00:00:00Z", "2020-01-01 00:00:00 +0000 UTC", None),
        ("2020-01-01T00:00:00.120000000Z", "2020-01-01 00:00:00.12 +0000 UTC", "2020-01-01T00:00:00.12Z"),
        ("2020-01-01T00:00:00+00:00", "2020-01-01 00:00:00 +0000 UTC", "2020-01-01T00:00:00Z"),
        ("2019-06-05T04:03:02.000000001-07:30", "2019-06-05 04:03:02.000000001 -0730 -0730", None),
        (
            "2024-02-29T23:59:59.9999999999Z",
            "2024-02-29 23:59:59.999999999 +0000 UTC",
            "2024-02-29T23:59:59.999999999Z",
        ),
        ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC", None),
        ("0000-02-29T00:00:00+02:00", "0000-02-29 00:00:00 +0200 +0200", None),
        ("9999-12-31T00:00:00Z", "9999-12-31 00:00:00 +0000 UTC", None),
    ],
)
def test_times(text: str, printed: str, marshalled: str | None) -> None:
    time = GoTime.parse(text)
    assert str(time) == printed
    assert time.rfc3339() == (marshalled or text)


@pytest.mark.parametrize(
    "text",
    ["", "2020", "2020-01-01", "2020-01-01 00:00:00Z", "2020-13-01T00:00:00Z", "2021-02-29T00:00:00Z",
     "2020-01-01T24:00:00Z", "2020-01-01T00:00:60Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00+25:00",
     "2020-01-01T00:00:00+00:60", "2020-01-00T00:00:00Z", "٢٠٢٠-01-01T00:00:00Z", "2020-01-01T00:00:00Z\n"],
)  # fmt: skip
def test_bad_times(text: str) -> None:
    with pytest.raises(InvalidContent):
        GoTime.parse(text)


@pytest.mark.parametrize(
    ("text", "unix", "weekday", "year_day"),
    [
        ("1970-01-01T00:00:00Z", 0, "Thursday", 1),
        ("2000-02-29T12:00:00Z", 951825600, "Tuesday", 60),
        ("1900-03-01T00:00:00Z", -2203891200, "Thursday", 60),
        ("2019-06-05T04:03:02-07:30", 1559734382, "Wednesday", 156),
        ("0001-01-01T00:00:00Z", -62135596800, "Monday", 1),
        ("0000-01-01T00:00:00Z", -62167219200, "Saturday", 1),
        ("9999-12-31T23:59:59Z", 253402300799, "Friday", 365),
    ],
)
def test_calendar(text: str, unix: int, weekday: str, year_day: int) -> None:
    time = GoTime.parse(text)
    assert (time.unix, time.weekday, time.year_day) == (unix, weekday, year_day)
    assert time.utc().unix == unix
    assert time.utc().offset == 0


def test_utc_crosses_days() -> None:
    assert str(GoTime.parse("2020-03-01T01:00:00+02:00").utc()) == "2020-02-29 23:00:00 +0000 UTC"
    assert str(GoTime.parse("2019-12-31T23:30:00-01:00").utc()) == "2020-01-01 00:30:00 +0000 UTC"
