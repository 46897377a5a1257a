"""Reading a catalog: search, pages, summaries.

Opened read-only and immutable, so it works on a read-only mount and takes no lock; a
catalog that is replaced meanwhile (by rename) stays what it was for those who have it
open. What is imported here is what ``mirror search`` pays for: no ORM, no card parser,
no Hub client.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from mirror.catalog.database import damage_noticed, open_database
from mirror.catalog.query.query import Query
from mirror.catalog.read import pages
from mirror.catalog.read.results import CatalogStats, RepoPage, RepoSummary, SearchResult
from mirror.names import RepoKey, RepoType


class Catalog:
    """A catalog as it was when it was opened, whatever is published since.

    May be shared by threads, which then take turns: for answers side by side open one a
    thread. A context manager; else closed when nobody holds it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        # SQLite would serve several threads, but sqlite3 hands one prepared statement to all.
        self._turn = threading.RLock()
        # One connection for good: a pool would open the file again, which may be a later one.
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: connection,
            poolclass=StaticPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
        )

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
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def search(self, query: Query) -> SearchResult:
        """Find repos: see :class:`Query`.

        Raises:
            CatalogError: the file is damaged.
        """
        with self._reading() as connection:
            return pages.read_hits(connection, query)

    def page(self, key: RepoKey) -> RepoPage | None:
        """Give everything about a repo (or what ``key`` is another name of); ``None``: not there.

        Raises:
            CatalogError: the file is damaged.
        """
        with self._reading() as connection:
            return pages.read_page(connection, key)

    def find(self, text: str) -> list[RepoKey]:
        """Give the repos that ``text`` may mean: ``datasets/klue/klue``, ``klue/klue``, ``klue``.

        An exact id or other name goes before one that differs in case, and that before
        the last part of an id. Several types may have one id.

        Raises:
            CatalogError: the file is damaged.
        """
        with self._reading() as connection:
            return pages.find_keys(connection, text)

    def summaries(self, repo_type: RepoType | None = None) -> list[RepoSummary]:
        """Give every repo in short, by type and id.

        Raises:
            CatalogError: the file is damaged.
        """
        with self._reading() as connection:
            return pages.read_summaries(connection, repo_type)

    def stats(self) -> CatalogStats:
        """Count what the catalog holds.

        Raises:
            CatalogError: the file is damaged.
        """
        with self._reading() as connection:
            return pages.read_stats(connection)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._turn, damage_noticed(self.path), self._engine.connect() as connection:
            yield connection
