"""All repos in the order of each sort, best first, and the place of each in it."""

from __future__ import annotations

import sqlite3
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection
from typing import Any, Final

from mirror.catalog.fields import SORTS

_PUT: Final = "INSERT OR REPLACE INTO orders (sort, repos, ranks) VALUES (?, ?, ?)"
_BY_NAME: Final = "SELECT repo FROM repos ORDER BY repo_id, repo_type"
#: The rank of a number that no repo has.
NO_RANK: Final = 2**32 - 1


def write_orders(connection: sqlite3.Connection) -> None:
    """Sort all repos in every way.

    By name once; the other sorts, which are stable, then need not compare names.
    """
    by_name = [number for (number,) in connection.execute(_BY_NAME)]
    for sort, (column, descending) in SORTS.items():
        if sort == "name":
            _put(connection, sort, array("I", by_name))
            continue
        values = dict(connection.execute(f"SELECT repo, {column} FROM repos"))  # noqa: S608
        known = [number for number in by_name if values[number] is not None]
        known.sort(key=values.__getitem__, reverse=descending)
        unknown = (number for number in by_name if values[number] is None)
        _put(connection, sort, array("I", known) + array("I", unknown))


def change_orders(
    connection: sqlite3.Connection, removed: Collection[int], added: Collection[int]
) -> None:
    """Take repos out of every order, and put others in where they belong.

    ``repos`` must have the rows of ``added`` and no longer those of ``removed``.
    """
    gone = {*removed, *added}
    for sort, (column, descending) in SORTS.items():
        (found,) = connection.execute("SELECT repos FROM orders WHERE sort = ?", (sort,)).fetchone()
        order = unpacked(found)
        kept = array("I", (number for number in order if number not in gone))
        key = _Key(connection, column, descending)
        _put(connection, sort, _merged(kept, sorted(added, key=key), key))


def _merged(order: array[int], more: list[int], key: _Key) -> array[int]:
    """Put sorted numbers where they belong among others."""
    merged, start = array("I"), 0
    for number in more:
        end = bisect_left(order, key(number), lo=start, key=key)
        merged += order[start:end]
        merged.append(number)
        start = end
    return merged + order[start:]


class _Key:
    """What a repo is sorted by, read for those that are asked for."""

    def __init__(self, connection: sqlite3.Connection, column: str, descending: bool) -> None:
        self._connection = connection
        self._descending = descending
        self._statement = f"SELECT {column}, repo_id, repo_type FROM repos WHERE repo = ?"  # noqa: S608
        self._known: dict[int, tuple[Any, ...]] = {}

    def __call__(self, number: int) -> tuple[Any, ...]:
        if (known := self._known.get(number)) is None:
            value, repo_id, kind = self._connection.execute(self._statement, (number,)).fetchone()
            missing = value is None
            place = 0 if missing else _Down(value) if self._descending else value
            known = self._known[number] = (missing, place, repo_id.encode(), kind)
        return known


class _Down:
    """Compares the other way round, as numbers and times do that begin with the most."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Down) -> bool:
        return bool(self.value > other.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


def _put(connection: sqlite3.Connection, sort: str, order: array[int]) -> None:
    ranks = array("I", [NO_RANK]) * (max(order, default=-1) + 1)
    for place, number in enumerate(order):
        ranks[number] = place
    connection.execute(_PUT, (sort, _bytes(order), _bytes(ranks)))


def _bytes(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = array("I", numbers)
        numbers.byteswap()
    return numbers.tobytes()


def unpacked(data: bytes) -> array[int]:
    """Give the numbers of a column of ``orders``."""
    numbers = array("I")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
