"""Reading a catalog: search, facets, pages, summaries.

Opened read-only and immutable, so it works on a read-only mount and takes no lock; a
catalog that is replaced meanwhile (by rename) stays what it was for those who have it
open. What is imported here is what ``mirror search`` pays for: no SQLAlchemy, no card
parser, no Hub client.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from mirror.catalog.database import damage_noticed, open_database
from mirror.catalog.query.query import Query
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.search import Searcher

if TYPE_CHECKING:
    from mirror.catalog.read.details import (
        CatalogStats,
        Leaderboard,
        RepoPage,
        SqlResult,
        TableInfo,
    )
    from mirror.catalog.read.leaderboard import Choice
    from mirror.catalog.read.results import Facet, RepoSummary, SearchResult
    from mirror.names import RepoKey, RepoType

#: Seconds that an answer may take, where the caller says nothing.
TIMEOUT: Final = 10.0
#: Rows that a statement of a person gives, where the caller says nothing.
SQL_ROWS: Final = 1_000


class Catalog:
    """A catalog as it was when it was opened, whatever is published since.

    Keeps the sets that it read for the next query (``sets.KEPT_BYTES``). May be shared by
    threads, which then take turns: for answers side by side open one a thread. A context
    manager; else closed when nobody holds it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        # SQLite would serve several threads, but sqlite3 hands one prepared statement to all.
        self._turn = threading.RLock()
        self._searcher = Searcher(connection)
        # No __del__: within a circle it could come after the connection's own end.
        self._end = weakref.finalize(self, _let_go, self._searcher, connection)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the catalog at ``path`` for reading.

        Raises:
            CatalogError: missing, damaged, or of another schema; says what to run.
        """
        path = Path(path)
        return cls(path, open_database(path))

    def close(self) -> None:
        """Let go of the file. Doing it twice does nothing."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def search(
        self,
        query: Query,
        facets: Sequence[str] = (),
        facet_limit: int = 10,
        timeout: float = TIMEOUT,
    ) -> SearchResult:
        """Find repos: see :class:`Query`.

        Args:
            query: what to look for, and which page of it.
            facets: names of fields whose values are counted, each as if the query asked
                nothing of that field.
            facet_limit: values of each facet.
            timeout: seconds.

        Raises:
            CatalogError: the file is damaged.
            QueryTimeoutError: it took too long.
            UsageError: no such sort or field; or a value that is nowhere, and nearly is.
        """
        with self._reading(timeout) as deadline:
            return self._searcher.search(query, facets, facet_limit, deadline)

    def listed(
        self, query: Query, id_parts: Sequence[str] = (), timeout: float = TIMEOUT
    ) -> SearchResult:
        """Find repos whose id has all of ``id_parts``, in any case, and that fit ``query``.

        As a list of the Hub is asked. No snippets, facets or hints; a value that no repo
        has is no slip, but finds nothing.

        Raises:
            CatalogError: the file is damaged.
            QueryTimeoutError: it took too long.
            UsageError: no such sort or field.
        """
        with self._reading(timeout) as deadline:
            return self._searcher.listed(query, id_parts, deadline)

    def facets(
        self,
        query: Query,
        fields: Sequence[str] | None = None,
        limit: int = 20,
        timeout: float = TIMEOUT,
    ) -> tuple[Facet, ...]:
        """Count the values of ``fields`` (``fields.MAIN_FACETS``) among what ``query`` finds.

        Raises: as :meth:`search`.
        """
        with self._reading(timeout) as deadline:
            return self._searcher.facets(query, fields, limit, deadline)

    def page(self, key: RepoKey) -> RepoPage | None:
        """Give everything about a repo (or what ``key`` is another name of); ``None``: not there.

        Raises:
            CatalogError: the file is damaged.
        """
        from mirror.catalog.read.pages import read_page

        with self._reading():
            return read_page(self._connection, key)

    def find(self, text: str) -> list[RepoKey]:
        """Give the repos that ``text`` may mean: ``datasets/klue/klue``, ``klue/klue``, ``klue``.

        An exact id or other name goes before one that differs in case, and that before
        the last part of an id. Several types may have one id.

        Raises:
            CatalogError: the file is damaged.
        """
        from mirror.catalog.read.pages import find_keys

        with self._reading():
            return find_keys(self._connection, text)

    def summaries(self, repo_type: RepoType | None = None) -> list[RepoSummary]:
        """Give every mirrored repo in short, by type and id; not those that are only known.

        Raises:
            CatalogError: the file is damaged.
        """
        from mirror.catalog.read.summaries import read_summaries

        with self._reading():
            return list(read_summaries(self._connection, repo_type))

    def stats(self) -> CatalogStats:
        """Count what the catalog holds.

        Raises:
            CatalogError: the file is damaged.
        """
        from mirror.catalog.read.pages import read_stats

        with self._reading():
            return read_stats(self._connection)

    def leaderboard(self, query: Query, choice: Choice, timeout: float = TIMEOUT) -> Leaderboard:
        """Compare the evaluation results of the repos that ``query`` finds.

        Its sort and page count for nothing: those of ``choice`` do.

        Raises:
            CatalogError: the file is damaged.
            QueryTimeoutError: it took too long.
            UsageError: no such data set, metric, column or sort, or as :meth:`search`.
        """
        from mirror.catalog.read.leaderboard import read_leaderboard

        with self._reading(timeout) as deadline:
            found = self._searcher.matching(query, deadline)
            return read_leaderboard(self._connection, found, choice, deadline)

    def sql(self, statement: str, timeout: float = TIMEOUT, limit: int = SQL_ROWS) -> SqlResult:
        """Answer one SELECT, read-only; at most ``limit`` rows of it.

        The file is opened again for it: of a catalog that was replaced, the new one answers.

        Raises:
            CatalogError: the file is damaged.
            QueryTimeoutError: it took too long.
            UsageError: it is no single SELECT, or something in it is wrong: says where.
        """
        from mirror.catalog.read.sql import run_sql

        with damage_noticed(self.path):
            return run_sql(self.path, statement, timeout, limit)

    def tables(self) -> tuple[TableInfo, ...]:
        """Give the views and tables that :meth:`sql` can ask.

        Raises:
            CatalogError: the file is damaged.
        """
        from mirror.catalog.read.sql import list_tables

        with self._reading():
            return list_tables(self._connection)

    @contextmanager
    def _reading(self, timeout: float | None = None) -> Iterator[Deadline]:
        """Take a turn with the file, ``timeout`` seconds from when it begins."""
        with self._turn, damage_noticed(self.path):
            if timeout is None:
                yield Deadline.never()
                return
            deadline = Deadline(timeout)
            with deadline.kept_by(self._connection):
                yield deadline


def _let_go(searcher: Searcher, connection: sqlite3.Connection) -> None:
    searcher.close()
    connection.close()
