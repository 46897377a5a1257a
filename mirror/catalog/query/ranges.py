"""Numbers, sizes and dates as people write them: ``<1B``, ``>=2GB``, ``1B..7B``, ``2024-06``.

What is written stands for an interval: ``2024-06`` for a month, ``7B`` for whatever is
called 7B when rounded (6.5 to under 7.5 billion), ``1000`` for itself. A comparison is
with the interval: ``>2024-06`` begins in July.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from mirror.catalog.fields import Field
from mirror.catalog.query.query import Between

_MAX: Final = 2**63 - 1
_COMPARISON: Final = re.compile(r"\s*(<=|>=|<|>|=|≤|≥)?\s*(.*?)\s*", re.DOTALL)
_NUMBER: Final = re.compile(r"(\d{1,19}(?:_\d{3})*)(?:\.(\d{1,9}))?\s*([a-z]*)")
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[t ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:z|\+00:00)?)?)?)?"
)
_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_SIZES: Final = {
    **_UNITS,
    "b": 1,
    **{f"{prefix}b": 10 ** (3 * power) for power, prefix in enumerate("kmgtp", 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgtp", 1)},
}
_SIZE_FIELDS: Final = frozenset({"size"})

_EXAMPLES: Final = {
    "size": "<2GB, >=500MB or 1GB..10GB",
    "number": "<1B, >=1000 or 1B..7B",
    "date": ">=2026-01, <2025 or 2024-06..2024-12",
}


@dataclass(frozen=True)
class _Span:
    """From the least that is meant to the first that is not."""

    low: int | str
    end: int | str | None
    """``None``: there is nothing after."""
    exact: int | str
    """What was written, as a bound: 7,000,000,000 of ``7B``."""
    after: int | str | None
    """The first after ``exact``."""


def parse_range(field: Field, text: str, *, excluded: bool = False) -> Between | str:
    """Read the range of a number or date; where it is none, say why in a sentence."""
    low, dots, high = text.partition("..")
    if dots:
        return _between(field, low.strip(), high.strip(), excluded)
    found = _COMPARISON.fullmatch(text)
    sign, value = (found[1], found[2]) if found is not None else (None, text)
    span = _span(field, value)
    if span is None:
        return _not_understood(field, text)
    low_bound: int | str | None = span.low
    high_bound = span.end
    if sign in {"<", "<=", "≤"}:
        low_bound = None
        high_bound = span.exact if sign == "<" else span.after
    elif sign in {">", ">=", "≥"}:
        high_bound = None
        low_bound = span.after if sign == ">" else span.exact
        if low_bound is None:
            return f"nothing comes after {value}"
    return Between(field.name, low_bound, high_bound, excluded)


def _between(field: Field, low: str, high: str, excluded: bool) -> Between | str:
    first, last = _span(field, low) if low else None, _span(field, high) if high else None
    if (low and first is None) or (high and last is None) or not (low or high):
        return _not_understood(field, f"{low}..{high}")
    start, end = first.exact if first else None, last.after if last else None
    if start is not None and end is not None and _comparable(start) >= _comparable(end):
        return f"{low}..{high} begins after its end"
    return Between(field.name, start, end, excluded)


def _comparable(bound: int | str) -> tuple[int, str]:
    """Make bounds of one field comparable."""
    return (bound, "") if isinstance(bound, int) else (0, bound)


def _not_understood(field: Field, text: str) -> str:
    example = _EXAMPLES["size" if field.name in _SIZE_FIELDS else field.kind]
    return f"{text.strip()!r} is no {field.kind}: write for example {field.name}:{example}"


def _span(field: Field, text: str) -> _Span | None:
    return _date(text.lower()) if field.kind == "date" else _number(field, text.lower())


def _number(field: Field, text: str) -> _Span | None:
    found = _NUMBER.fullmatch(text)
    units = _SIZES if field.name in _SIZE_FIELDS else _UNITS
    if found is None or found[3] not in units:
        return None
    unit, fraction = units[found[3]], found[2] or ""
    value = Decimal(f"{found[1].replace('_', '')}.{fraction or 0}") * unit
    if value > _MAX:
        return None
    exact = int(value)
    if unit == 1:
        return None if fraction else _Span(exact, exact + 1, exact, exact + 1)
    half = Decimal(unit).scaleb(-len(fraction)) / 2
    return _Span(int(max(Decimal(0), value - half)), int(value + half), exact, exact + 1)


def _date(text: str) -> _Span | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        int(part) if part else None for part in found.groups()
    )
    try:
        start = datetime(
            year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC
        )
    except ValueError:
        return None
    low, end = _iso(start), _after(start, month, day, hour, second)
    return _Span(low, end, low, end)


def _after(
    start: datetime, month: int | None, day: int | None, hour: int | None, second: int | None
) -> str | None:
    """The end of the year, month, day, minute or second that begins at ``start``."""
    try:
        if month is None:
            return _iso(start.replace(year=start.year + 1))
        if day is None:
            return _iso((start + timedelta(days=31)).replace(day=1))
        step = timedelta(days=1) if hour is None else timedelta(minutes=1)
        return _iso(start + (step if second is None else timedelta(seconds=1)))
    except (ValueError, OverflowError):  # the year 9999
        return None


def _iso(time: datetime) -> str:
    # strftime's %Y has no leading zeros everywhere.
    return f"{time.year:04}-{time:%m-%dT%H:%M:%SZ}"
