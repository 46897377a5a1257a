"""The answer to a query from nothing but the tables: what somebody would write in SQL.

Over ``repos``, the tables of details (``repo_tasks`` …) with their indexes, and the FTS5
index: without sets, orders and word sets. The hits go into a temporary table once, and
facets whose own filter is off into another: the best that we could do with SQL alone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mirror.catalog.cjk import any_of, ways
from mirror.catalog.fields import COLUMNS, UNKNOWN
from mirror.catalog.query.query import Between, OneOf, Query, Words

_TOKEN: Final = re.compile(r"[^\W_]+")
#: Set field → table, column and what else must hold.
_TABLES: Final = {
    "type": ("repos", "repo_type", "1"),
    "author": ("repos", "author", "1"),
    "task": ("repo_tasks", "task", "1"),
    "license": ("repo_licenses", "license", "1"),
    "language": ("repo_languages", "language", "1"),
    "library": ("repo_libraries", "library", "1"),
    "tag": ("repo_tags", "tag", "1"),
    "base_model": ("repo_links", "target", "kind = 'base_model'"),
    "format": ("repo_values", "value", "field = 'format'"),
}
_Sql = tuple[str, list[Any]]


@dataclass(frozen=True)
class Answer:
    """What ours and this must have in common."""

    total: int
    page: tuple[int, ...]
    """Numbers of the repos of the first page, in order."""
    facets: dict[str, tuple[tuple[str, int], ...]]
    """Values with counts, the most first; equal ones in any order."""

    def same(self, other: Answer) -> bool:
        """Whether both say the same; of values with equal counts, either may be shown."""
        if (self.total, self.page) != (other.total, other.page):
            return False
        return all(_alike(self.facets[name], other.facets[name]) for name in self.facets)


def _alike(one: Sequence[tuple[str, int]], two: Sequence[tuple[str, int]]) -> bool:
    if [count for _, count in one] != [count for _, count in two]:
        return False
    least = one[-1][1] if one else 0
    return {item for item in one if item[1] > least} == {item for item in two if item[1] > least}


class PlainSql:
    """Answers queries of sets, ranges and words, in their default order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA temp_store = memory")
        connection.execute("PRAGMA cache_size = -262144")
        connection.execute("PRAGMA mmap_size = 17179869184")

    def answer(self, query: Query, facets: Sequence[str], limit: int = 10) -> Answer:
        """Give the total, the numbers of the first page, and facets with their own filter off."""
        self._fill("hits", query, None)
        (total,) = self._connection.execute("SELECT count(*) FROM hits").fetchone()
        counted = {}
        for field in facets:
            among = "hits"
            if any(item.field == field for item in query.filters):
                self._fill(among := "without", query, field)
            counted[field] = self._count(field, among, limit)
        return Answer(total, self._page(query), counted)

    def _fill(self, name: str, query: Query, without: str | None) -> None:
        parts = [_filter(item) for item in query.filters if item.field != without]
        parts += [_words(item) for item in query.words]
        where = " AND ".join(text for text, _ in parts) or "1"
        values = [value for _, some in parts for value in some]
        self._connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
        self._connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT repo FROM repos WHERE {where}",
            values,
        )

    def _page(self, query: Query) -> tuple[int, ...]:
        order, values = _order([item for item in query.words if not item.excluded])
        rows = self._connection.execute(
            "SELECT repo FROM hits JOIN repos USING (repo)"
            f" ORDER BY {order} downloads DESC NULLS LAST, repo_id, repo_type LIMIT ?",
            [*values, query.limit],
        )
        return tuple(number for (number,) in rows)

    def _count(self, field: str, among: str, limit: int) -> tuple[tuple[str, int], ...]:
        table, column, more = _TABLES[field]
        source = f"{among} JOIN {table} USING (repo)"
        if field == "license":
            source = f"{among} LEFT JOIN {table} USING (repo)"
            column = f"coalesce({column}, '{UNKNOWN}')"
        rows = self._connection.execute(
            f"SELECT {column} AS asked, count(DISTINCT repo) AS found FROM {source}"
            f" WHERE {more} AND asked IS NOT NULL GROUP BY asked"
            " ORDER BY found DESC, asked LIMIT ?",
            (limit,),
        )
        return tuple(rows.fetchall())


def _filter(item: OneOf | Between) -> _Sql:
    if isinstance(item, Between):
        bounds = [(">=", item.low), ("<", item.high)]
        stated = [(sign, value) for sign, value in bounds if value is not None]
        text = " AND ".join(f"{COLUMNS[item.field]} {sign} ?" for sign, _ in stated)
        return _excluded(text, item.excluded), [value for _, value in stated]
    table, column, more = _TABLES[item.field]
    marks = ", ".join("?" * len(item.values))
    if table == "repos":
        text = f"{column} IN ({marks})"
    else:
        text = f"repo IN (SELECT repo FROM {table} WHERE {more} AND {column} IN ({marks}))"
    if item.field == "license" and UNKNOWN in item.values:
        text = f"({text} OR repo NOT IN (SELECT repo FROM {table}))"
    return _excluded(text, item.excluded), list(item.values)


def _excluded(text: str, excluded: bool) -> str:
    return f"({text}) IS NOT TRUE" if excluded else f"({text})"


def _words(item: Words) -> _Sql:
    return _excluded(_IN_INDEX, item.excluded), [any_of(ways(item.text, phrase=item.phrase))]


_IN_INDEX: Final = "repo IN (SELECT rowid FROM documents_fts WHERE documents_fts MATCH ?)"


def _order(words: Sequence[Words]) -> _Sql:
    """The id that was typed, then how many words the name has, then name, tags or lead."""
    if not words:
        return "", []
    typed = " ".join(item.text for item in words)
    found = [ways(item.text, phrase=item.phrase) for item in words]
    together = [
        [" AND ".join(map(_quote, _TOKEN.findall(way.text))) for way in some] for some in found
    ]
    names = [" OR ".join(f"{{name}} : ({tokens})" for tokens in some) for some in together]
    heads = [
        " OR ".join(
            f"{{{part}}} : ({tokens})" for part in ("name", "tags", "lead") for tokens in some
        )
        for some in together
    ]
    counted = " + ".join([f"({_IN_INDEX})"] * len(words))
    exact = "(repo_id = ? COLLATE NOCASE) DESC, (name = ? COLLATE NOCASE) DESC"
    order = f"{exact}, {counted} DESC, {counted} DESC,"
    return order, [typed, typed, *names, *heads]


def _quote(token: str) -> str:
    return f'"{token}"'
