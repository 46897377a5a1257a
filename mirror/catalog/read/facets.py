"""Counting the values of fields among hits.

Many hits: values are taken in the order of how many repos have them at all, and the set of
each is joined with the hits; as soon as the next value cannot be among the first any more,
the rest is not looked at. Few hits: their own values are counted. Both give the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from pyroaring import BitMap

from mirror.catalog.fields import FIELDS, UNKNOWN
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.ranges import span_of
from mirror.catalog.read.results import Facet, FacetValue
from mirror.catalog.read.sets import Sets

#: Up to so many hits, their own values are read: 1 µs a value, where a set costs 5; of the
#: fields with tens of thousands of values up to more hits.
FEW: Final = 300
FEW_OF_MANY: Final = 3_000
_MANY: Final = frozenset({"author", "base_model", "dataset", "evaluated_on", "paper", "tag"})

#: The order of a CROSS JOIN is kept: SQLite would rather go through a whole index by value,
#: which has the groups ready, than look up some repos.
_HITS: Final = "FROM json_each(?) AS hit CROSS JOIN"
_LINKS: Final = {"base_model": "base_model", "dataset": "dataset", "paper": "arxiv"}
_OTHERS: Final = (
    *("format", "dtype", "quantization", "modality", "size_category", "kind", "evaluated_on"),
)
#: Field → SELECT of the values of some repos, as often as repos have them.
_VALUES: Final = {
    "type": f"SELECT repo_type AS found {_HITS} repos ON repo = hit.value",
    "author": f"SELECT author AS found {_HITS} repos ON repo = hit.value WHERE author <> ''",
    "task": f"SELECT task AS found {_HITS} repo_tasks ON repo = hit.value",
    "license": (
        f"SELECT coalesce(license, '{UNKNOWN}') AS found FROM json_each(?) AS hit"  # noqa: S608
        " LEFT JOIN repo_licenses ON repo = hit.value"
    ),
    "language": (
        f"SELECT found FROM (SELECT DISTINCT repo, language AS found"  # noqa: S608
        f" {_HITS} repo_languages ON repo = hit.value)"
    ),
    "library": f"SELECT library AS found {_HITS} repo_libraries ON repo = hit.value",
    "tag": f"SELECT tag AS found {_HITS} repo_tags ON repo = hit.value",
    **{
        field: f"SELECT target AS found {_HITS} repo_links ON repo = hit.value AND +kind = '{kind}'"
        for field, kind in _LINKS.items()
    },
    **{
        field: (
            f"SELECT repo_values.value AS found {_HITS} repo_values"
            f" ON repo = hit.value AND +field = '{field}'"
        )
        for field in _OTHERS
    },
}
_COUNTS: Final = {
    field: f"SELECT found, count(*) FROM ({values}) GROUP BY found"  # noqa: S608
    for field, values in _VALUES.items()
}
_FREQUENCIES: Final = (
    "SELECT value, repos FROM value_sets"
    " WHERE field = ? AND shown = 1 AND value IN (SELECT value FROM json_each(?))"
)
_UNITS: Final = {
    "size": ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB")),
    "other": ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")),
}


def count_facet(
    sets: Sets,
    field: str,
    among: BitMap,
    limit: int,
    selected: Iterable[str],
    deadline: Deadline,
) -> Facet:
    """Count the values of ``field`` among these repos.

    The first ``limit`` of them, and those that are ``selected``. Of two that as many hits
    have, the one that more repos have goes first.

    Raises:
        QueryTimeoutError: the time is up.
    """
    if FIELDS[field].kind != "set":
        counted = _ranges(sets, field, among)
    elif field in _COUNTS and len(among) <= (FEW_OF_MANY if field in _MANY else FEW):
        counted = _counted(sets, field, among, limit)
    else:
        counted = _joined(sets, field, among, limit, deadline)
    counted.sort(key=lambda item: -item[1])
    first, rest = counted[:limit], dict(counted[limit:])
    wanted = {name: row for value in selected for row, name in sets.named(field, value)}
    for name in sorted(wanted.keys() - dict(first).keys()):
        count = rest.get(name) or sets.of(wanted[name]).intersection_cardinality(among)
        first += [(name, count)] if count else []
    values = tuple(FacetValue(name, count, name in wanted) for name, count in first)
    return Facet(field, values, truncated=bool(rest))


_Counted = list[tuple[str, int]]


def _counted(sets: Sets, field: str, among: BitMap, limit: int) -> _Counted:
    """Count the values that the hits have; the first ``limit`` of them in their order."""
    rows = sets.connection.execute(_COUNTS[field], (json.dumps(list(among)),))
    counted: _Counted = sorted(rows, key=lambda item: (-item[1], item[0]))
    least = counted[limit][1] if limit < len(counted) else 0
    # Only for those that may be shown does it matter how many repos have them at all.
    end = next((n for n, item in enumerate(counted) if item[1] < least), len(counted))
    names = json.dumps([name for name, _ in counted[:end]])
    frequency = dict(sets.connection.execute(_FREQUENCIES, (field, names)))
    first = sorted(counted[:end], key=lambda item: (-item[1], -frequency.get(item[0], 0)))
    return first + counted[end:]


def _joined(sets: Sets, field: str, among: BitMap, limit: int, deadline: Deadline) -> _Counted:
    """Join sets with the hits, until the first ``limit`` and whether there are more is known."""
    all_of_it = len(among) == len(sets.everything())
    found: _Counted = []
    best: list[int] = []
    for place, (row, value, repos) in enumerate(sets.shown(field) if among else ()):
        if len(best) > limit and best[limit] >= repos:
            break
        if place % 64 == 63:
            deadline.check()
        count = repos if all_of_it else sets.of(row).intersection_cardinality(among)
        if count:
            found.append((value, count))
            if len(best) <= limit or count > best[limit]:
                best.append(count)
                best.sort(reverse=True)
                del best[limit + 1 :]
    return found


def _ranges(sets: Sets, field: str, among: BitMap) -> _Counted:
    """Count the years of a date, and the powers of ten of a number."""
    groups: dict[str, list[int]] = {}
    for bucket, row in sorted(sets.buckets(field).items()):
        if span_of(FIELDS[field], bucket) is not None:
            groups.setdefault(_range_of(field, bucket), []).append(row)
    counted = (
        (name, sets.union(rows).intersection_cardinality(among)) for name, rows in groups.items()
    )
    return [item for item in counted if item[1]]


def _range_of(field: str, bucket: str) -> str:
    """Give the range as a query has it: ``2026``, or ``1B..<10B``."""
    if FIELDS[field].kind == "date":
        return bucket[:4]
    if bucket == "0":
        return bucket
    least = 10 ** (len(bucket) - 1)
    return f"{_short(field, least)}..<{_short(field, 10 * least)}"


def _short(field: str, number: int) -> str:
    for size, unit in _UNITS.get(field, _UNITS["other"]):
        if number >= size:
            return f"{number // size}{unit}"
    return str(number)
