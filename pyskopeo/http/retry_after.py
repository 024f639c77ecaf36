"""The header ``Retry-After``: how long a server asks to wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

# Seconds. A longer wait is shown as this.
_FOREVER = 1e9
# RFC 9110 has whole seconds; some servers write a number as their language does.
_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE]\+?[0-9]+)?"  # compiled by `re` at the first use


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return ``Retry-After`` in seconds, given in seconds or as a date (RFC 9110 section 10.2.3); None for neither."""
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(_NUMBER, value):
        return min(float(value), _FOREVER)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max((when - (now or datetime.now(UTC))).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):  # not a date, or one out of range
        return None
