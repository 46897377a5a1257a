"""Which repos fit a query, and which would if one of its fields were not asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap

from mirror.catalog.fields import FIELDS
from mirror.catalog.query.query import Between, OneOf, Query
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.ranges import in_range
from mirror.catalog.read.sets import Sets
from mirror.catalog.read.words import Found, WordFinder
from mirror.errors import UsageError

_NOTHING: Final = BitMap()


@dataclass(frozen=True)
class Matches:
    """What fits, divided by what it was asked with."""

    words: tuple[Found, ...]
    """Of the words that hits must have."""
    by_words: BitMap
    """What fits the words; everything where there are none."""
    by_field: dict[str, BitMap]
    """What fits all filters of a field."""
    unknown: tuple[tuple[str, str], ...]
    """Values (field, value) that no repo has."""

    def without(self, field: str | None = None) -> BitMap:
        """Give what fits, as if nothing were asked of ``field``."""
        sets = [numbers for name, numbers in self.by_field.items() if name != field]
        # The smallest first: the rest is then joined with little.
        first, *others = sorted([self.by_words, *sets], key=len)
        for numbers in others:
            first = first & numbers
        return first


def match(query: Query, sets: Sets, finder: WordFinder, deadline: Deadline) -> Matches:
    """Find what fits each part of ``query``.

    Raises:
        UsageError: a filter of a field that there is not, or of the wrong kind.
        QueryTimeoutError: the time is up.
    """
    by_words, found = _by_words(query, sets, finder, deadline)
    by_field: dict[str, BitMap] = {}
    unknown: list[tuple[str, str]] = []
    for item in query.filters:
        deadline.check()
        numbers = _fitting(item, sets, unknown)
        known = by_field.get(item.field)
        if item.excluded:
            by_field[item.field] = (sets.everything() if known is None else known) - numbers
        else:
            by_field[item.field] = numbers if known is None else known & numbers
    return Matches(found, by_words, by_field, tuple(unknown))


def _by_words(
    query: Query, sets: Sets, finder: WordFinder, deadline: Deadline
) -> tuple[BitMap, tuple[Found, ...]]:
    by_words, found = sets.everything(), []
    for item in query.words:
        deadline.check()
        numbers = finder.find(item)
        if item.excluded:
            by_words = by_words - (numbers.anywhere if numbers else _NOTHING)
        elif numbers is None:  # nothing but signs: that is in no repo, and not in all of them
            by_words = _NOTHING
        else:
            by_words = by_words & numbers.anywhere
            found.append(numbers)
    return by_words, tuple(found)


def _fitting(item: OneOf | Between, sets: Sets, unknown: list[tuple[str, str]]) -> BitMap:
    field = FIELDS.get(item.field)
    if field is None or (field.kind == "set") is not isinstance(item, OneOf):
        raise UsageError(f"repos cannot be filtered so by {item.field!r}")
    if isinstance(item, Between):
        return in_range(sets, item)
    found = []
    for value in item.values:
        numbers = sets.having(field.name, value)
        if numbers is None:
            unknown.append((field.name, value))
        else:
            found.append(numbers)
    return found[0] if len(found) == 1 else BitMap.union(*found) if found else _NOTHING
