"""Sets of repos out of the database: read when they are asked for, and kept for the next query.

A set is a roaring bitmap of repo numbers. Those that are kept are shared, so nobody may
change one: operators make new ones.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Final, TypeVar, cast

from pyroaring import BitMap

from mirror.catalog.database import damaged

#: Bytes of sets that an open catalog keeps. All sets of a million repos are about 40 MB.
KEPT_BYTES: Final = 64_000_000
#: What a set costs beside its bytes, as an object in the memory.
_OVERHEAD: Final = 300

_BITS: Final = "SELECT bits FROM value_sets WHERE id = ?"
_EXACT: Final = "SELECT id, value, shown FROM value_sets WHERE field = ? AND value = ?"
_NOCASE: Final = f"{_EXACT} COLLATE NOCASE"
_SHOWN: Final = (
    "SELECT id, value, repos FROM value_sets WHERE field = ? AND shown = 1"
    " ORDER BY repos DESC, value"
)
_BUCKETS: Final = "SELECT value, id FROM value_sets WHERE field = ? AND shown = 0"
_T = TypeVar("_T")
_WORD: Final = "SELECT part, bits FROM word_sets WHERE word = ?"


class Sets:
    """The sets of one open catalog."""

    def __init__(self, connection: sqlite3.Connection, kept_bytes: int = KEPT_BYTES) -> None:
        self.connection = connection
        self._kept: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._most = kept_bytes
        #: What is kept now, in bytes.
        self.kept_bytes = 0

    def everything(self) -> BitMap:
        """Give all repos."""
        return self.kept(("all",), lambda: self.union(row for row, _, _ in self.shown("type")))

    def having(self, field: str, value: str) -> BitMap | None:
        """Give the repos that have a value, shown or not; ``None`` where nobody has it.

        As it is written if somebody writes it so, else in any case (of ASCII letters).
        """
        rows = self._rows(_EXACT, field, value) or self._rows(_NOCASE, field, value)
        return self.union(row for row, _, _ in rows) if rows else None

    def named(self, field: str, value: str) -> list[tuple[int, str]]:
        """Give the facet values (row, value) that a query means by ``value``."""
        rows = self._rows(_EXACT, field, value) or self._rows(_NOCASE, field, value)
        return [(row, name) for row, name, shown in rows if shown]

    def _rows(self, statement: str, field: str, value: str) -> list[tuple[int, str, int]]:
        return self.connection.execute(statement, (field, value)).fetchall()

    def shown(self, field: str) -> Iterator[tuple[int, str, int]]:
        """Give the facet values of a field (row, value, repos), the most frequent first."""
        return cast("Iterator[tuple[int, str, int]]", self.connection.execute(_SHOWN, (field,)))

    def buckets(self, field: str) -> Mapping[str, int]:
        """Give the buckets of a number or date: what each is called, and its row."""
        return self.kept(
            ("buckets", field), lambda: dict(self.connection.execute(_BUCKETS, (field,)).fetchall())
        )

    def of(self, row: int) -> BitMap:
        """Give the set in a row of ``value_sets``."""
        found = self._look_up(row)
        if found is None:
            bits = self.connection.execute(_BITS, (row,)).fetchone()[0]
            found = self._keep(row, unpacked(bits), len(bits))
        return cast("BitMap", found)

    def union(self, rows: Iterable[int]) -> BitMap:
        """Give the repos that are in any of these rows."""
        sets = [self.of(row) for row in rows]
        return sets[0] if len(sets) == 1 else BitMap.union(*sets) if sets else BitMap()

    def word(self, word: str) -> Mapping[str, BitMap] | None:
        """Give the repos that have a common word, by part; ``None``: it is not a common one."""
        found = self._look_up(("word", word))
        if found is None:
            rows = self.connection.execute(_WORD, (word,)).fetchall()
            parts = {part: unpacked(bits) for part, bits in rows}
            found = self._keep(("word", word), parts, sum(len(bits) for _, bits in rows))
        return cast("Mapping[str, BitMap]", found) or None

    def kept(self, name: Hashable, make: Callable[[], _T]) -> _T:
        """Give what was made under this name before, else make it."""
        found = self._look_up(name)
        if found is None:
            made = make()
            size = len(made.serialize()) if isinstance(made, BitMap) else 1_000
            found = self._keep(name, made, size)
        return cast("_T", found)

    def _look_up(self, name: Hashable) -> object | None:
        found = self._kept.get(name)
        if found is None:
            return None
        self._kept.move_to_end(name)
        return found[0]

    def _keep(self, name: Hashable, value: object, size: int) -> object:
        size += _OVERHEAD
        self._kept[name] = value, size
        self.kept_bytes += size
        while self.kept_bytes > self._most and len(self._kept) > 1:
            _, (_, gone) = self._kept.popitem(last=False)
            self.kept_bytes -= gone
        return value


def unpacked(bits: bytes) -> BitMap:
    """Read a set.

    Raises:
        CatalogError: it is none.
    """
    try:
        return BitMap.deserialize(bits)
    except (ValueError, TypeError) as error:
        raise damaged("a set of repos in it cannot be read") from error
