"""Which repos have a number or date in a range.

The catalog has a set for each bucket (:func:`mirror.catalog.fields.bucket_of`). Those that
lie in the range are joined; of the one or two that its bounds cut, SQL tells which repos
are in it.
"""

from __future__ import annotations

import math
import re
from typing import Final

from pyroaring import BitMap

from mirror.catalog.fields import COLUMNS, FIELDS, Field
from mirror.catalog.query.query import Between
from mirror.catalog.read.sets import Sets

Bound = float | str

#: First of it, and first after it.
Span = tuple[Bound, Bound]

_WITHIN: Final = {
    field: f"SELECT repo FROM repos WHERE {column} >= ? AND {column} < ?"  # noqa: S608
    for field, column in COLUMNS.items()
}
_MONTH: Final = re.compile(r"(\d{4})-(\d\d)")
_MONTH_START: Final = re.compile(r"(\d{4}-\d\d)-01(?:T00:00:00Z)?")
#: More and later than any value, less and earlier than any.
_MOST: Final[dict[str, Bound]] = {"number": math.inf, "date": "~"}
_LEAST: Final[dict[str, Bound]] = {"number": -math.inf, "date": ""}


def in_range(sets: Sets, between: Between) -> BitMap:
    """Give the repos with a value from ``low`` to below ``high``."""
    return sets.kept(
        ("range", between.field, between.low, between.high), lambda: _in_range(sets, between)
    )


def with_value(sets: Sets, field: str) -> BitMap:
    """Give the repos of which the number or date is known."""
    return sets.kept(("known", field), lambda: sets.union(sets.buckets(field).values()))


def span_of(field: Field, bucket: str) -> Span | None:
    """Give what a bucket holds; ``None`` where its name does not tell."""
    if field.kind == "date":
        if (month := _MONTH.fullmatch(bucket)) is None:
            return None
        year, number = int(month[1]), int(month[2])
        after = f"{year + 1:04}-01" if number == 12 else f"{year:04}-{number + 1:02}"
        return bucket, after
    if not (bucket.isascii() and bucket.isdigit()):
        return None
    return int(bucket), int(bucket) + 10 ** (len(bucket) - 1)


def _in_range(sets: Sets, between: Between) -> BitMap:
    field = FIELDS[between.field]
    low = _LEAST[field.kind] if between.low is None else _rounded(between.low)
    high = _MOST[field.kind] if between.high is None else _rounded(between.high)
    whole, cut = [], []
    for bucket, row in sets.buckets(field.name).items():
        first, after = span_of(field, bucket) or (_LEAST[field.kind], _MOST[field.kind])
        if not (_before(low, after) and _before(first, high)):
            continue
        if _before(first, low) or _before(high, after):
            bounds = low if _before(first, low) else first, high if _before(high, after) else after
            cut.append((row, bounds))
        else:
            whole.append(row)
    found = sets.union(whole)
    for row, bounds in cut:
        found = found | (_within(sets, field.name, *bounds) & sets.of(row))
    return found


def _rounded(bound: Bound) -> Bound:
    """A time at the start of a month as the month: it is before all of its times, too."""
    if isinstance(bound, str) and (month := _MONTH_START.fullmatch(bound)):
        return month[1]
    return bound


def _before(one: Bound, other: Bound) -> bool:
    return one < other  # type: ignore[operator]


def _within(sets: Sets, field: str, low: Bound, high: Bound) -> BitMap:
    bounds = _bindable(low), _bindable(high)
    rows = sets.connection.execute(_WITHIN[field], bounds).fetchall()
    return BitMap([number for (number,) in rows])


def _bindable(bound: Bound) -> Bound:
    """A number that SQLite can hold: it compares whole ones with infinity, too."""
    if isinstance(bound, str) or abs(bound) < 2**63:
        return bound
    return math.copysign(math.inf, bound)
