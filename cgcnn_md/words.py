"""Numbers, times and lists as they are written in sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

_UNITS = (("ms", 1e9), ("µs", 1e6), ("ns", 1e3))  # in ps; a time is given in one from ten of it on


def rounded(value: float, digits: int = 3) -> str:
    """Write a number with so many digits, large ones whole: '0.0123', '5.5', '1130'."""
    return f"{value:.0f}" if value >= 10**digits - 0.5 else f"{value:.{digits}g}"


def duration(ps: float) -> str:
    """Write a time given in ps: '5.5 ps', '1130 ps', '12 ns', '25 µs'."""
    unit, size = next(((name, size) for name, size in _UNITS if ps >= 10 * size), ("ps", 1.0))
    return f"{rounded(ps / size)} {unit}"


def listed(items: Iterable[str]) -> str:
    """Join words with commas, the last with an "and"; one at least."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
