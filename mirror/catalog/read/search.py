"""Answering a :class:`Query`: match, put in order, count, read what is shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pyroaring import BitMap

from mirror.catalog.fields import FIELDS, MAIN_FACETS, NAMES, SORT_ALIASES, SORTS
from mirror.catalog.query.query import OneOf, Query
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.facets import count_facet
from mirror.catalog.read.matching import Matches, match
from mirror.catalog.read.orders import Orders
from mirror.catalog.read.ranking import page_of
from mirror.catalog.read.results import Facet, Hit, SearchResult
from mirror.catalog.read.sets import Sets
from mirror.catalog.read.snippets import Marker, Snippet
from mirror.catalog.read.summaries import summary_fields
from mirror.catalog.read.words import WordFinder
from mirror.errors import UsageError

_BODIES: Final = (
    "SELECT repo, substr(body, 1, ?) FROM cards"
    " WHERE repo IN (SELECT value FROM json_each(?)) AND body <> ''"
)
#: Reads the index of the ids only: about 20 ms of 100,000 repos.
_ID_HAS: Final = "SELECT repo FROM repos WHERE instr(lower(repo_id), ?) > 0"

#: Hits of a page that get a snippet: nobody reads more of them.
SNIPPETS: Final = 500


class Searcher:
    """Answers queries with one open catalog, and keeps the sets that it read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sets = Sets(connection)
        self._orders = Orders(connection)
        self._finder = WordFinder(self._sets)

    def close(self) -> None:
        """Let go of the file."""
        self._orders.close()

    def search(
        self, query: Query, facets: Sequence[str], facet_limit: int, deadline: Deadline
    ) -> SearchResult:
        """See :meth:`Catalog.search`."""
        query, fields = _checked(query), _fields(facets)
        matches = match(query, self._sets, self._finder, deadline)
        found = matches.without()
        numbers = page_of(query, found, matches.words, self._sets, self._orders, deadline)
        return SearchResult(
            hits=self._hits(query, numbers, deadline),
            total=len(found),
            facets=self._facets(query, matches, fields, facet_limit, deadline),
            hints=self._hints(matches, empty=not found),
        )

    def listed(self, query: Query, id_parts: Sequence[str], deadline: Deadline) -> SearchResult:
        """See :meth:`Catalog.listed`."""
        query = _checked(query)
        matches = match(query, self._sets, self._finder, deadline)
        found = matches.without()
        for part in dict.fromkeys(part.casefold() for part in id_parts):
            found = found & self._named(part)
            deadline.check()
        numbers = page_of(query, found, matches.words, self._sets, self._orders, deadline)
        fields = summary_fields(self._connection, numbers)
        return SearchResult(tuple(Hit(**fields[number]) for number in numbers), len(found))

    def _named(self, part: str) -> BitMap:
        """Give the repos whose id has ``part``; ids are ASCII, so SQLite's lower() will do."""
        rows = self._connection.execute(_ID_HAS, (part,)).fetchall()
        return BitMap([number for (number,) in rows])

    def facets(
        self, query: Query, fields: Sequence[str] | None, limit: int, deadline: Deadline
    ) -> tuple[Facet, ...]:
        """See :meth:`Catalog.facets`."""
        names = _fields(MAIN_FACETS if fields is None else fields)
        matches = match(query, self._sets, self._finder, deadline)
        self._hints(matches, empty=False)
        return self._facets(query, matches, names, limit, deadline)

    def matching(self, query: Query, deadline: Deadline) -> BitMap:
        """Give the numbers of all repos that fit, in no order.

        Raises: as :meth:`Catalog.search`.
        """
        matches = match(query, self._sets, self._finder, deadline)
        found = matches.without()
        self._hints(matches, empty=not found)
        return found

    def _facets(
        self,
        query: Query,
        matches: Matches,
        fields: Iterable[str],
        limit: int,
        deadline: Deadline,
    ) -> tuple[Facet, ...]:
        selected: dict[str, list[str]] = {}
        for item in query.filters:
            if isinstance(item, OneOf) and not item.excluded:
                selected.setdefault(item.field, []).extend(item.values)
        return tuple(
            count_facet(
                self._sets,
                field,
                matches.without(field),
                max(0, limit),
                selected.get(field, ()),
                deadline,
            )
            for field in fields
        )

    def _hints(self, matches: Matches, *, empty: bool) -> tuple[str, ...]:
        if not matches.unknown:
            return ()
        # Vocabularies, and what compares words: nobody who finds something pays for them.
        from mirror.catalog.read.hints import hints_for

        return hints_for(matches.unknown, self._sets, empty=empty)

    def _hits(self, query: Query, numbers: Sequence[int], deadline: Deadline) -> tuple[Hit, ...]:
        fields = summary_fields(self._connection, numbers)
        shown = {number: fields[number]["summary"] for number in numbers[:SNIPPETS]}
        snippets = self._snippets(query, shown, deadline)
        nothing: Snippet = (None, ())
        found = []
        for number in numbers:
            snippet, highlights = snippets.get(number, nothing)
            found.append(Hit(**fields[number], snippet=snippet, highlights=highlights))
        return tuple(found)

    def _snippets(
        self, query: Query, summaries: Mapping[int, str | None], deadline: Deadline
    ) -> dict[int, Snippet]:
        """Look in the cards; in the summary of a repo of which nothing else is here."""
        marker = Marker(item for item in query.words if not item.excluded)
        found: dict[int, Snippet] = {}
        if marker.has_words and summaries:
            given = (marker.MOST, json.dumps(list(summaries)))
            bodies = {number: text for number, text in summaries.items() if text}
            bodies.update(self._connection.execute(_BODIES, given))
            for number, body in bodies.items():
                deadline.check()
                found[number] = marker.snippet(body)
        return found


def _checked(query: Query) -> Query:
    """Give the query with the proper name of its sort.

    Raises:
        UsageError: no such sort, or a page that cannot be.
    """
    sort = SORT_ALIASES.get(query.sort, query.sort)
    if sort != "relevance" and sort not in SORTS:
        raise UsageError(
            f"repos cannot be sorted by {query.sort!r}",
            hint=f"sort by relevance, {', '.join(SORTS)}",
        )
    if query.limit < 0 or query.offset < 0:
        raise UsageError("a page of hits cannot begin or end before the first one")
    if sort == query.sort:
        return query
    return Query(query.words, query.filters, sort, query.ascending, query.limit, query.offset)


def _fields(names: Sequence[str]) -> tuple[str, ...]:
    """Give the fields of these names, each once.

    Raises:
        UsageError: there is no such field.
    """
    found: dict[str, None] = {}
    for name in names:
        field = NAMES.get(name.strip().lower())
        if field is None:
            raise UsageError(
                f"there is no field {name!r} to count", hint=f"fields: {', '.join(FIELDS)}"
            )
        found[field.name] = None
    return tuple(found)
