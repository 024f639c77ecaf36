"""Numbers as people read them: bytes, things, durations."""

from __future__ import annotations

_UNITS = (("B", 1, 0), ("KiB", 1024, 1), ("MiB", 1024**2, 1), ("GiB", 1024**3, 2))  # name, bytes, decimals


def size(count: float) -> str:
    """Format a number of bytes, such as ``1.5 MiB``."""
    name, factor, decimals = _unit(count)
    return f"{count / factor:.{decimals}f} {name}"


def part_of(done: float, total: float) -> str:
    """Format a number of bytes of a total, in the unit of the total: ``1.5 of 20.0 MiB``; always equally long."""
    name, factor, decimals = _unit(total)
    whole = f"{total / factor:.{decimals}f}"
    return f"{done / factor:>{len(whole)}.{decimals}f} of {whole} {name}"


def _unit(count: float) -> tuple[str, int, int]:
    """Return the unit in which a number of bytes is below 1024."""
    return next((unit for unit in _UNITS if count < unit[1] * 1024), _UNITS[-1])


def quantity(count: int, noun: str) -> str:
    """Format a number of things, such as ``1 blob`` and ``2 blobs``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def span(seconds: float) -> str:
    """Format a duration in seconds, such as ``1m30s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"
