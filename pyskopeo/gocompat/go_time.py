"""Go's ``time.Time``: parsing, formatting by layout and JSON encoding, with nanoseconds."""

from __future__ import annotations

import re

from ..errors import InvalidContent
from ..fast_dataclass import dataclass

# Compiled by `re` at the first use, as below.
_RFC3339 = r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,}))?(?:Z|([+-])(\d{2}):(\d{2}))"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

# The elements of Go's reference time; of alternatives with a common beginning, the longest comes first.
_LAYOUT = (
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|-07:00:00|-070000|-07:00|-0700|-07|Z07:00:00|Z070000|Z07:00"
    r"|Z0700|Z07|002|01|02|03|04|05|06|[.,]0+(?!\d)|[.,]9+(?!\d)|_2006|__2|_2|15|PM|pm|[1-5]"
)


@dataclass(frozen=True, slots=True)
class GoTime:
    """A time with nanoseconds; ``offset`` is that of its zone, in seconds east of UTC.

    ``str`` of it is what a template prints, ``2020-01-01 00:00:00.12 +0000 UTC``; `rfc3339` is its JSON form.
    """

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    offset: int = 0

    @classmethod
    def parse(cls, text: str) -> GoTime:
        """Parse an RFC 3339 time; digits after the ninth of the fraction are ignored. Raises `InvalidContent`."""
        match = re.fullmatch(_RFC3339, text, re.ASCII)
        if match is None:
            raise InvalidContent(f"{ascii(text)[:60]} is not a time as in RFC 3339, for example 2020-01-01T00:00:00Z")
        year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
        hours, minutes = int(match[9] or 0), int(match[10] or 0)
        valid = 1 <= month <= 12 and 1 <= day <= _days_in(year, month) and hour < 24 and minute < 60 and second < 60
        if not valid or hours > 23 or minutes > 59:
            raise InvalidContent(f"{text[:60]} is not a time: a part of it is out of range")
        offset = (hours * 3600 + minutes * 60) * (-1 if match[8] == "-" else 1)
        nanosecond = int((match[7] or "")[:9].ljust(9, "0"))
        return cls(year, month, day, hour, minute, second, nanosecond, offset)

    def __str__(self) -> str:
        return self.format("2006-01-02 15:04:05.999999999 -0700 MST")

    def rfc3339(self) -> str:
        """Format the time as RFC 3339 with a fraction of up to nine digits without trailing zeros, as in JSON."""
        return self.format("2006-01-02T15:04:05.999999999Z07:00")

    @property
    def year_day(self) -> int:
        """The day of the year, 1 to 366."""
        return _days_before(self.year, self.month, self.day) - _days_before(self.year, 1, 1) + 1

    @property
    def weekday_number(self) -> int:
        """The day of the week, 0 (Sunday) to 6."""
        # The first of January in the year 0 was a Saturday.
        return (_days_before(self.year, self.month, self.day) + 6) % 7

    @property
    def weekday(self) -> str:
        """The English name of the day of the week."""
        return _DAYS[self.weekday_number]

    @property
    def month_name(self) -> str:
        """The English name of the month."""
        return _MONTHS[self.month - 1]

    @property
    def unix(self) -> int:
        """Seconds since 1970-01-01T00:00:00Z, negative before it."""
        days = _days_before(self.year, self.month, self.day) - _days_before(1970, 1, 1)
        return days * 86400 + self.hour * 3600 + self.minute * 60 + self.second - self.offset

    def utc(self) -> GoTime:
        """Return the same instant in UTC."""
        seconds = self.unix
        days, rest = divmod(seconds, 86400)
        year, month, day = _date_of(days + _days_before(1970, 1, 1))
        return GoTime(year, month, day, rest // 3600, rest // 60 % 60, rest % 60, self.nanosecond)

    def format(self, layout: str) -> str:
        """Format the time by a layout in which Go's reference time, ``Mon Jan 2 15:04:05 MST 2006``, stands for it."""
        return re.sub(_LAYOUT, lambda match: self._part(match[0]), layout)

    def _part(self, part: str) -> str:
        if part[0] in ".,":
            digits = f"{self.nanosecond:09d}".ljust(len(part) - 1, "0")[: len(part) - 1]
            if part[1] == "9":
                digits = digits.rstrip("0")
            return part[0] + digits if digits else ""
        if part[0] in "-Z" or part == "MST":
            return self._zone(part)
        if part == "_2006":
            return f"_{self.year:04d}"
        hour = self.hour % 12 or 12
        texts = {
            "January": self.month_name,
            "Jan": self.month_name[:3],
            "1": f"{self.month}",
            "01": f"{self.month:02d}",
            "Monday": self.weekday,
            "Mon": self.weekday[:3],
            "2": f"{self.day}",
            "_2": f"{self.day:2d}",
            "02": f"{self.day:02d}",
            "__2": f"{self.year_day:3d}",
            "002": f"{self.year_day:03d}",
            "15": f"{self.hour:02d}",
            "3": f"{hour}",
            "03": f"{hour:02d}",
            "4": f"{self.minute}",
            "04": f"{self.minute:02d}",
            "5": f"{self.second}",
            "05": f"{self.second:02d}",
            "2006": f"{self.year:04d}",
            "06": f"{self.year % 100:02d}",
            "PM": "PM" if self.hour >= 12 else "AM",
            "pm": "pm" if self.hour >= 12 else "am",
        }
        return texts[part]

    def _zone(self, part: str) -> str:
        minutes = abs(self.offset) // 60
        sign = "-" if self.offset < 0 else "+"
        if part == "MST":
            if self.offset == 0:
                return "UTC"
            return f"{sign}{minutes // 60:02d}{minutes % 60:02d}"
        if part[0] == "Z" and self.offset == 0:
            return "Z"
        colon = ":" if ":" in part else ""
        text = f"{sign}{minutes // 60:02d}"
        if len(part) >= 5:
            text += f"{colon}{minutes % 60:02d}"
        if len(part) >= 7:
            text += f"{colon}{abs(self.offset) % 60:02d}"
        return text


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def _days_before(year: int, month: int, day: int) -> int:
    """Days from 0000-01-01 to a date of the Gregorian calendar."""
    before = year - 1
    leap_days = before // 4 - before // 100 + before // 400 + 1
    return year * 365 + leap_days + sum(_days_in(year, earlier) for earlier in range(1, month)) + day - 1


def _date_of(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days since 0000-01-01, the inverse of `_days_before`."""
    year = days * 400 // 146097
    while _days_before(year + 1, 1, 1) <= days:
        year += 1
    while _days_before(year, 1, 1) > days:
        year -= 1
    left, month = days - _days_before(year, 1, 1), 1
    while left >= _days_in(year, month):
        left -= _days_in(year, month)
        month += 1
    return year, month, left + 1
