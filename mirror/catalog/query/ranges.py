"""Numbers, sizes and dates as people write them: ``<1B``, ``>=2GB``, ``1B..7B``, ``2024-06``.

What is written stands for an interval: ``2024-06`` for a month, ``7B`` for whatever is
called 7B when rounded (6.5 to under 7.5 billion), ``1000`` for itself. A comparison is
with the interval: ``>2024-06`` begins in July. An age (``30d``) is counted from today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_AGE: Final = re.compile(r"(\d{1,5})\s*(d|w|m|y)")
_DAYS: Final = {"d": 1, "w": 7, "m": 30, "y": 365}
_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
#: Any value at all, as long as there is one.
ANY: Final = "*"

_EXAMPLES: Final = {
    "size": "<2GB, >=500MB or 1GB..10GB",
    "number": "<1B, >=1000 or 1B..7B",
    "date": ">=2026-01, 2024-06..2024-12 or <30d",
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


def parse_ranges(field: Field, text: str, *, excluded: bool = False) -> tuple[Between, ...]:
    """Read the ranges of a number or date, of which one must fit: ``<1B,>70B``.

    Given as filters that all must fit: from the least bound to the greatest, without the
    gaps in between.

    Raises:
        ValueError: it is no range; says why in a sentence.
    """
    parts = [part for part in text.split(",") if part.strip()] or [text]
    found = [_parse_range(field, part, excluded) for part in parts]
    return tuple(found) if excluded or len(found) == 1 else tuple(_joined(field.name, found))


def _joined(name: str, ranges: list[Between]) -> Iterator[Between]:
    """The hull of ranges, then the gaps between them, excluded."""
    ranges = sorted(ranges, key=lambda item: (item.low is not None, _comparable(item.low)))
    gaps: list[Between] = []
    end = ranges[0].high
    for item in ranges[1:]:
        if end is None:
            break
        if item.low is not None and _comparable(item.low) > _comparable(end):
            gaps.append(Between(name, end, item.low, excluded=True))
        if item.high is None or _comparable(item.high) > _comparable(end):
            end = item.high
    yield Between(name, ranges[0].low, end)
    yield from gaps


def _parse_range(field: Field, text: str, excluded: bool) -> Between:
    if text.strip() == ANY:
        return Between(field.name, None, None, excluded)
    low, dots, high = text.partition("..")
    if dots:
        high, below = high.strip().removeprefix("<").lstrip(), high.lstrip().startswith("<")
        return _between(field, low.strip(), high, excluded, below=below)
    found = _COMPARISON.fullmatch(text)
    sign, value = (found[1], found[2]) if found is not None else (None, text)
    if field.kind == "date" and (age := _AGE.fullmatch(value.lower())) is not None:
        return _aged(field, _days_ago(int(age[1]) * _DAYS[age[2]]), sign, excluded)
    span = _span(field, value)
    if span is None:
        raise _not_understood(field, text)
    low_bound: int | str | None = span.low
    high_bound = span.end
    if sign in {"<", "<=", "≤"}:
        low_bound = None
        high_bound = span.exact if sign == "<" else span.after
    elif sign in {">", ">=", "≥"}:
        high_bound = None
        low_bound = span.after if sign == ">" else span.exact
        if low_bound is None:
            raise ValueError(f"nothing comes after {value}")
    return Between(field.name, low_bound, high_bound, excluded)


def _aged(field: Field, day: str, sign: str | None, excluded: bool) -> Between:
    """``<30d`` is younger, thus later; without a sign it is meant as well."""
    if sign in {">", ">=", "≥"}:
        return Between(field.name, None, day, excluded)
    return Between(field.name, day, None, excluded)


def _days_ago(days: int) -> str:
    """The beginning of a day, UTC: so that the same question has the same answer all day."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return _iso(today - timedelta(days=days))
    except OverflowError:
        return "0001-01-01T00:00:00Z"


def _between(field: Field, low: str, high: str, excluded: bool, *, below: bool) -> Between:
    """From ``low`` to ``high``, or to what is ``below`` it (``1K..<10K``)."""
    first, last = _span(field, low) if low else None, _span(field, high) if high else None
    if (low and first is None) or (high and last is None) or not (low or high):
        raise _not_understood(field, f"{low}..{high}")
    start = first.exact if first else None
    end = None if last is None else last.exact if below else last.after
    if start is not None and end is not None and _comparable(start) >= _comparable(end):
        raise ValueError(f"{low}..{high} begins after its end")
    return Between(field.name, start, end, excluded)


def _comparable(bound: int | str | None) -> tuple[int, str]:
    """Make bounds of one field comparable."""
    return (bound or 0, "") if bound is None or isinstance(bound, int) else (0, bound)


def _not_understood(field: Field, text: str) -> ValueError:
    example = _EXAMPLES["size" if field.name in _SIZE_FIELDS else field.kind]
    return ValueError(
        f"{text.strip()!r} is no {field.kind}: write for example {field.name}:{example}"
    )


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
    if text in _DAYS_BACK:
        text = _days_ago(_DAYS_BACK[text])[:10]
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
