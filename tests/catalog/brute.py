"""What a search must answer, found without any index: plain SQL and Python over the tables."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from mirror.catalog.cjk import Way, any_of, ways
from mirror.catalog.fields import COLUMNS, FIELDS, SORTS
from mirror.catalog.query.query import Between, OneOf, Query, Words

_SETS = {
    "type": "SELECT repo, repo_type FROM repos",
    "author": "SELECT repo, author FROM repos WHERE author IS NOT NULL",
    "task": "SELECT repo, task FROM repo_tasks",
    "license": "SELECT repo, license FROM repo_licenses UNION"
    " SELECT repo, 'unknown' FROM repos WHERE repo NOT IN (SELECT repo FROM repo_licenses)",
    "language": "SELECT repo, language FROM repo_languages",
    "library": "SELECT repo, library FROM repo_libraries",
    "tag": "SELECT repo, tag FROM repo_tags",
    "base_model": "SELECT repo, target FROM repo_links WHERE kind = 'base_model'",
    "relation": "SELECT repo, relation FROM repo_links WHERE relation IS NOT NULL",
    "dataset": "SELECT repo, target FROM repo_links WHERE kind = 'dataset'",
    "paper": "SELECT repo, target FROM repo_links WHERE kind = 'arxiv'",
    "gated": "SELECT repo, coalesce(gated, 'no') FROM repos",
    "state": "SELECT repo, state FROM repos",
    "upstream": "SELECT repo, upstream_state FROM repos",
    "partial": "SELECT repo, CASE partial WHEN 1 THEN 'yes' ELSE 'no' END FROM repos",
    "sdk": "SELECT repo, sdk FROM repos WHERE sdk IS NOT NULL",
}
_HIDDEN = {
    "language": "SELECT repo, replace(lower(stated), '_', '-') FROM repo_languages",
    "license": "SELECT repo, lower(name) FROM repo_licenses WHERE name IS NOT NULL",
}
_TOKEN = re.compile(r"[^\W_]+")
_HEAD = ("name", "tags", "lead")


class Brute:
    """Answers queries slowly."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._connection.row_factory = sqlite3.Row
        rows = self._connection.execute("SELECT * FROM repos").fetchall()
        self.repos = {row["repo"]: dict(row) for row in rows}
        self._values: dict[str, dict[int, set[str]]] = {}
        self._words: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._connection.execute(
            "CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, documents_fts, instance)"
        )
        for term, number, part in self._connection.execute("SELECT term, doc, col FROM terms"):
            self._words[number, part].add(term)

    def close(self) -> None:
        self._connection.close()

    def hits(self, query: Query, *, without: str | None = None) -> set[int]:
        """The numbers of what fits; ``without``: as if nothing were asked of this field."""
        found = set(self.repos)
        for words in query.words:
            found = found - self._has(words) if words.excluded else found & self._has(words)
        for item in query.filters:
            if item.field != without:
                fits = {number for number in self.repos if self._fits(number, item)}
                found = found - fits if item.excluded else found & fits
        return found

    def page(self, query: Query) -> list[int]:
        """All hits in their order, from ``offset``, at most ``limit``."""
        hits = self.hits(query)
        wanted = [words for words in query.words if not words.excluded and ways(words.text)]
        sort = query.sort
        if sort == "relevance" and wanted:
            popular = self._sorted(hits, "downloads", None)
            found = sorted(popular, key=self._relevance(query, popular))
            found = found[::-1] if query.ascending else found
        else:
            found = self._sorted(
                hits, "downloads" if sort == "relevance" else sort, query.ascending
            )
        return found[query.offset : query.offset + query.limit]

    def facet(self, query: Query, field: str) -> Counter[str]:
        """Every value of a set field with its count, as if nothing were asked of the field."""
        hits = self.hits(query, without=field)
        return Counter(value for number in hits for value in self.values(field)[number])

    def frequency(self, field: str) -> Counter[str]:
        """How many repos have each value at all."""
        return Counter(value for values in self.values(field).values() for value in values)

    def values(self, field: str) -> dict[int, set[str]]:
        """The values of each repo."""
        if field not in self._values:
            statement, given = _SETS.get(field), ()
            if statement is None:
                statement = "SELECT repo, value FROM repo_values WHERE field = ?"
                given = (field,)
            self._values[field] = self._by_repo(statement, given)
        return self._values[field]

    def _by_repo(self, statement: str, given: tuple[Any, ...] = ()) -> dict[int, set[str]]:
        found: dict[int, set[str]] = defaultdict(set)
        for number, value in self._connection.execute(statement, given):
            found[number].add(value)
        return found

    def _has(self, words: Words) -> set[int]:
        several = ways(words.text, phrase=words.phrase)
        if not several:
            return set()
        rows = self._connection.execute(
            "SELECT rowid FROM documents_fts WHERE documents_fts MATCH ?", (any_of(several),)
        )
        return {row[0] for row in rows}

    def _fits(self, number: int, item: OneOf | Between) -> bool:
        if isinstance(item, Between):
            value = self.repos[number][COLUMNS[item.field]]
            return (
                value is not None
                and (item.low is None or item.low <= value)
                and (item.high is None or value < item.high)
            )
        hidden = self._by_repo(_HIDDEN[item.field]) if item.field in _HIDDEN else {}
        has = self.values(item.field)[number] | hidden.get(number, set())
        return bool(has & set(item.values))

    def _sorted(self, hits: set[int], sort: str, ascending: bool | None) -> list[int]:
        column, descending = SORTS[sort]
        rows = sorted(hits, key=lambda n: (self.repos[n]["repo_id"], self.repos[n]["repo_type"]))
        unknown = [number for number in rows if self.repos[number][column] is None]
        known = [number for number in rows if self.repos[number][column] is not None]
        known.sort(key=lambda number: self.repos[number][column], reverse=descending)
        if ascending is not None and ascending is descending:
            known.reverse()
        return known + unknown

    def _relevance(self, query: Query, popular: list[int]) -> Any:
        wanted = [words for words in query.words if not words.excluded]
        typed = " ".join(words.text for words in wanted).lower()

        called = [n for n in popular if self.repos[n]["name"].lower() == typed]
        others = [n for n in called if self.repos[n]["repo_id"].lower() != typed]
        best = {self.repos[n]["repo_type"]: n for n in reversed(others)}.values()

        def key(number: int) -> tuple[bool, bool, int, int]:
            named = sum(self._in_part(number, words, ("name",)) for words in wanted)
            head = sum(self._in_part(number, words, _HEAD) for words in wanted)
            return self.repos[number]["repo_id"].lower() != typed, number not in best, -head, -named

        return key

    def _in_part(self, number: int, words: Words, parts: tuple[str, ...]) -> bool:
        """Whether one part has all the tokens of the word, in one way to write it."""
        several = ways(words.text, phrase=words.phrase)
        return any(self._together(number, way, part) for way in several for part in parts)

    def _together(self, number: int, way: Way, part: str) -> bool:
        if way.prefix:
            asked = f"{{{part}}} : {way.expression()}"
            statement = "SELECT 1 FROM documents_fts WHERE documents_fts MATCH ? AND rowid = ?"
            return self._connection.execute(statement, (asked, number)).fetchone() is not None
        return set(_TOKEN.findall(way.text.replace("é", "e"))) <= self._words[number, part]


assert {field.name for field in FIELDS.values() if field.kind != "set"} == set(COLUMNS)
