"""Sets of repos by value: made for a whole catalog, or changed with a few repos.

A set is a roaring bitmap of repo numbers: small where few repos have the value, and
joined and counted in microseconds (docs/adr/0009-sets-of-repos.md).
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from pyroaring import BitMap

from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.write.found_by import Found, found_by

_INSERT: Final = "INSERT INTO value_sets (field, value, repos, shown, bits) VALUES (?, ?, ?, ?, ?)"
_ALL: Final = "SELECT id, field, value, shown, bits FROM value_sets"
_UPDATE: Final = "UPDATE value_sets SET repos = ?, bits = ? WHERE id = ?"
_DELETE: Final = "DELETE FROM value_sets WHERE id = ?"


def packed(numbers: BitMap) -> bytes:
    """Give the bytes of a set; the same set always gives the same bytes."""
    numbers.run_optimize()
    numbers.shrink_to_fit()
    return bytes(numbers.serialize())


class SetBuilder:
    """Collects which repos have which value, in 4 bytes for each, then writes it."""

    def __init__(self) -> None:
        self._repos: dict[Found, array[int]] = {}

    def add(self, number: int, record: RepoRecord) -> None:
        """Take note of a repo."""
        repos = self._repos
        for found in found_by(record):
            known = repos.get(found)
            if known is None:
                repos[found] = array("I", (number,))
            else:
                known.append(number)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write every set, in the order of field and value; the builder is empty then."""
        connection.executemany(_INSERT, self._rows())

    def _rows(self) -> Iterator[tuple[str, str, int, int, bytes]]:
        for field, value, shown in sorted(self._repos):
            # Let go of each list as soon as it is packed.
            numbers = BitMap(self._repos.pop((field, value, shown)))
            yield field, value, len(numbers), shown, packed(numbers)

    def change(self, connection: sqlite3.Connection, removed: Iterable[int]) -> None:
        """Take repos out of every set that has them, then put the collected ones in.

        All sets are read, which costs less than a second for each million repos, and only
        those that change are written. The builder is empty then.
        """
        gone = BitMap(removed)
        changed: list[tuple[int, BitMap]] = []
        for row, field, value, shown, bits in connection.execute(_ALL):
            numbers = BitMap.deserialize(bits)
            more = self._repos.pop((field, value, shown), None)
            if more is not None or numbers.intersect(gone):
                changed.append((row, (numbers - gone) | BitMap(more or ())))
        for row, numbers in changed:
            if numbers:
                connection.execute(_UPDATE, (len(numbers), packed(numbers), row))
            else:
                connection.execute(_DELETE, (row,))
        self.write(connection)
