"""Hits in their order, a page of them at a time.

By relevance, with words: the repo whose id (or its last part) is what was typed; then by
how many of the words the id and title have; then by how many of them are in those, the
tags or what the card says first; among equals by downloads. All of it is made of sets, so
a page does not depend on the pages before it, and no hit is scored that is not shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from pyroaring import BitMap

from mirror.catalog.fields import SORTS
from mirror.catalog.query.query import Query
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.orders import Orders
from mirror.catalog.read.ranges import with_value
from mirror.catalog.read.sets import Sets
from mirror.catalog.read.words import Found

#: The sort where there are no words, and among hits that are equally relevant.
POPULAR: Final = "downloads"

#: Sort → the field whose buckets tell which repos have a value at all.
_FIELDS: Final = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "updated",
    "created": "created",
    "size": "size",
    "parameters": "params",
}
_EXACT_ID: Final = "SELECT repo FROM repos WHERE repo_id = ? COLLATE NOCASE"
_EXACT_NAME: Final = (
    "SELECT repo_type, repo FROM repos WHERE name = ? COLLATE NOCASE"
    " ORDER BY downloads IS NOT NULL, downloads, repo_id DESC"
)


def page_of(
    query: Query,
    hits: BitMap,
    words: Sequence[Found],
    sets: Sets,
    orders: Orders,
    deadline: Deadline,
) -> list[int]:
    """Give the numbers of the hits from ``query.offset``, at most ``query.limit``.

    Raises:
        QueryTimeoutError: the time is up.
    """
    skip, found = query.offset, list[int]()
    for sort, last, group in _groups(query, hits, words, sets):
        deadline.check()
        if skip >= len(group):
            skip -= len(group)
            continue
        wanted = query.limit - len(found)
        found += orders.first(sort, group, skip + wanted, deadline, last=last)[skip:]
        skip = 0
        if len(found) >= query.limit:
            break
    return found


#: A sort, whether it is followed from its end, and the hits that it puts in order.
_Group = tuple[str, bool, BitMap]


def _groups(query: Query, hits: BitMap, words: Sequence[Found], sets: Sets) -> Iterator[_Group]:
    if query.sort == "relevance" and words:
        groups = _by_relevance(query, hits, words, sets.connection)
        for group in reversed(list(groups)) if query.ascending else groups:
            yield POPULAR, bool(query.ascending), group
        return
    sort = POPULAR if query.sort == "relevance" else query.sort
    descending = SORTS[sort][1]
    if query.ascending is None or query.ascending is not descending:
        yield sort, False, hits
        return
    # The other way round; but what is not known stays last.
    known = with_value(sets, _FIELDS[sort]) & hits if sort in _FIELDS else hits
    yield sort, True, known
    yield sort, False, hits - known


def _by_relevance(
    query: Query, hits: BitMap, words: Sequence[Found], connection: sqlite3.Connection
) -> Iterator[BitMap]:
    """Divide the hits into groups, the most relevant first."""
    typed = " ".join(item.text for item in query.words if not item.excluded).strip()
    exact = BitMap([number for (number,) in connection.execute(_EXACT_ID, (typed,))]) & hits
    yield exact
    rest = hits - exact
    # Of those that are only called so, many are copies of the one that is meant: of each
    # type the one with most downloads, which comes last, goes before all others.
    called = connection.execute(_EXACT_NAME, (typed,))
    best = BitMap({kind: number for kind, number in called if number in rest}.values())
    yield best
    names = [found.name for found in words]
    for group in _by_count([found.head for found in words], rest - best):
        yield from _by_count(names, group)


def _by_count(sets: Sequence[BitMap], members: BitMap) -> Iterator[BitMap]:
    """Divide ``members`` by how many of the sets each is in, the most first; no empty group."""
    if not members:
        return
    least = [members]  # least[n]: the members that are in at least n of the sets
    for numbers in sets:
        inside = numbers & members
        least.append(least[-1] & inside)
        for count in range(len(least) - 2, 0, -1):
            least[count] = least[count] | (least[count - 1] & inside)
    for count, group in reversed(list(enumerate(least))):
        above = least[count + 1] if count + 1 < len(least) else BitMap()
        if exactly := group - above:
            yield exactly
