"""Go's times: parsing, printing, the calendar."""

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.gocompat.template import GoTime


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
