"""The order of repos in every sort: walked from the top, or asked for single repos.

The orders of a million repos are 4 MB each: a page of a frequent thing is found in the
first few thousand places, so no more of it is read.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Final

from pyroaring import BitMap

from mirror.catalog.database import damaged
from mirror.catalog.read.deadline import Deadline
from mirror.errors import CatalogError

#: Places that are read at a time.
_CHUNK: Final = 8_192
#: Sorting n repos by rank costs as much as walking past so many places for each: measured
#: on a million repos (a place 10 ns in chunks, a repo 150 ns).
_PLACES_A_REPO: Final = 15

_ROW: Final = "SELECT rowid FROM orders WHERE sort = ?"
_RANKS: Final = "SELECT ranks FROM orders WHERE sort = ?"


class Orders:
    """The orders of one open catalog. What was read of them is kept: at most 8 bytes a repo."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._walked: dict[tuple[str, bool], list[array[int]]] = {}
        self._ranks: dict[str, array[int]] = {}
        self._blobs: dict[str, sqlite3.Blob] = {}

    def close(self) -> None:
        """Let go of the file."""
        for blob in self._blobs.values():
            blob.close()
        self._blobs = {}

    def first(
        self, sort: str, members: BitMap, count: int, deadline: Deadline, *, last: bool = False
    ) -> list[int]:
        """Give the first ``count`` of ``members`` in the order of ``sort``; or the last ones.

        Raises:
            QueryTimeoutError: the time is up.
        """
        size = len(members)
        if count <= 0 or not size:
            return []
        places = len(self._blob(sort)) // 4
        to_walk = places * min(count, size) // size
        if size * _PLACES_A_REPO < to_walk:
            return self._sorted(sort, members, last=last)[:count]
        found: list[int] = []
        for chunk in self._chunks(sort, last):
            deadline.check()
            if not members.isdisjoint(BitMap(chunk)):
                found.extend(islice(filter(members.__contains__, chunk), count - len(found)))
                if len(found) >= count:
                    return found
        if len(found) < size:
            raise _damaged()
        return found

    def _sorted(self, sort: str, members: BitMap, *, last: bool) -> list[int]:
        ranks = self._ranks.get(sort)
        if ranks is None:
            (data,) = self._connection.execute(_RANKS, (sort,)).fetchone()
            ranks = self._ranks[sort] = _numbers(data)
        if members.max() >= len(ranks):
            raise _damaged()
        return sorted(members, key=ranks.__getitem__, reverse=last)

    def _chunks(self, sort: str, last: bool) -> Iterator[array[int]]:
        """Give the numbers in their order, some at a time, from the top or the end."""
        walked = self._walked.setdefault((sort, last), [])
        blob = self._blob(sort)
        total, step = len(blob), 4 * _CHUNK
        for place, start in enumerate(range(0, total, step)):
            if place == len(walked):
                end = min(start + step, total)
                blob.seek(total - end if last else start)
                chunk = _numbers(blob.read(end - start))
                if last:
                    chunk.reverse()
                walked.append(chunk)
            yield walked[place]

    def _blob(self, sort: str) -> sqlite3.Blob:
        blob = self._blobs.get(sort)
        if blob is None:
            row = self._connection.execute(_ROW, (sort,)).fetchone()
            if row is None:
                raise _damaged()
            blob = self._connection.blobopen("orders", "repos", row[0], readonly=True)
            self._blobs[sort] = blob
        return blob


def _numbers(data: bytes) -> array[int]:
    numbers = array("I")
    if len(data) % numbers.itemsize:
        raise _damaged()
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _damaged() -> CatalogError:
    return damaged("an order of repos in it cannot be read")
