"""Records into a catalog: all of it anew, or the repos that changed.

Both work on a file beside the catalog, in one transaction, and publish it by a rename:
readers keep the catalog that they opened, and never see half of one. Both give the same
rows and answers; only the numbers of the repos may differ, which nobody sees.

Records are taken one after the other, so memory does not grow with the text of the cards.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.schema import CreateIndex, CreateTable

from mirror.catalog import schema as tables
from mirror.catalog.format import APPLICATION_ID, SCHEMA
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.views import VIEWS
from mirror.catalog.write.batch import Batch
from mirror.catalog.write.documents import (
    create_documents,
    many_documents,
    remove_documents,
)
from mirror.catalog.write.orders import change_orders, write_orders
from mirror.catalog.write.publish import driver, published, transaction
from mirror.catalog.write.sets import SetBuilder
from mirror.catalog.write.words import change_word_sets, write_word_sets
from mirror.names import RepoKey
from mirror.store.atomic import disk_errors

_NUMBER: Final = "SELECT repo FROM repos WHERE repo_type = ? AND repo_id = ?"


@dataclass(frozen=True)
class Change:
    """What an update did."""

    repos: int
    """In the catalog now."""
    indexed: int
    """Written this time."""
    removed: int
    """Were there, and are no more."""


def write_catalog(
    path: Path, records: Iterable[RepoRecord], aliases: Mapping[RepoKey, RepoKey]
) -> int:
    """Make a catalog of ``records``, each repo once; give how many there were.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
    """
    with published(path) as temporary, transaction(temporary) as connection:
        database = driver(connection)
        _create_tables(connection)
        sets, batch, number = SetBuilder(), Batch(database), 0
        with many_documents(database):
            for number, record in enumerate(records, 1):
                batch.add(number, record)
                sets.add(number, record)
            batch.flush()
        sets.write(database)
        _put_aliases(database, aliases)
        _create_indexes(connection)
        write_orders(database)
        write_word_sets(database)
        # For the SQL of people, by a sample of each index.
        database.execute("PRAGMA analysis_limit = 1000")
        database.execute("ANALYZE")
    return number


def change_catalog(
    path: Path,
    keys: Collection[RepoKey],
    records: Iterable[RepoRecord],
    aliases: Mapping[RepoKey, RepoKey],
) -> Change:
    """Put ``records`` in place of whatever the catalog has of ``keys``.

    Of a key without a record nothing is left. The keys of ``records`` are among ``keys``.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
        CatalogError: what is at ``path`` is damaged.
    """
    with published(path) as temporary:
        with disk_errors(temporary):
            shutil.copyfile(path, temporary)
        with transaction(temporary) as connection:
            return _change(driver(connection), keys, records, aliases)


def _change(
    database: sqlite3.Connection,
    keys: Collection[RepoKey],
    records: Iterable[RepoRecord],
    aliases: Mapping[RepoKey, RepoKey],
) -> Change:
    numbers = _numbers(database, keys)
    free = _free_numbers(database)
    _remove_repos(database, numbers.values())
    sets, batch, added = SetBuilder(), Batch(database), list[int]()
    for record in records:
        kept = numbers.get(record.key)
        added.append(next(free) if kept is None else kept)
        batch.add(added[-1], record)
        sets.add(added[-1], record)
    batch.flush()
    sets.change(database, numbers.values())
    _put_aliases(database, aliases)
    change_orders(database, numbers.values(), added)
    change_word_sets(database, numbers.values(), added)
    (repos,) = database.execute("SELECT count(*) FROM repos").fetchone()
    gone = set(numbers.values()).difference(added)
    return Change(repos=repos, indexed=len(added), removed=len(gone))


def _numbers(database: sqlite3.Connection, keys: Iterable[RepoKey]) -> dict[RepoKey, int]:
    """Give the numbers of those that the catalog has."""
    found = {}
    for key in sorted(keys):
        row = database.execute(_NUMBER, (key.repo_type.value, key.repo_id)).fetchone()
        if row is not None:
            found[key] = row[0]
    return found


def _free_numbers(database: sqlite3.Connection) -> Iterator[int]:
    """Give numbers that no repo has now: first the gaps, so that they stay small.

    Looked up at once: later, repos that are being replaced seem to be gaps too.
    """
    last, repos = database.execute("SELECT coalesce(max(repo), 0), count(*) FROM repos").fetchone()
    gaps: list[int] = []
    if last > repos:
        taken = {number for (number,) in database.execute("SELECT repo FROM repos")}
        gaps = [number for number in range(1, last) if number not in taken]
    return chain(gaps, count(last + 1))


def _remove_repos(database: sqlite3.Connection, numbers: Collection[int]) -> None:
    """Delete every row of these repos."""
    remove_documents(database, numbers)
    rows = [(number,) for number in sorted(numbers)]
    for table in (*tables.DETAILS, tables.repos):
        database.executemany(f"DELETE FROM {table.name} WHERE repo = ?", rows)  # noqa: S608


def _put_aliases(database: sqlite3.Connection, aliases: Mapping[RepoKey, RepoKey]) -> None:
    database.execute("DELETE FROM aliases")
    database.executemany(
        "INSERT INTO aliases (repo_type, alias, repo_id) VALUES (?, ?, ?)",
        [(key.repo_type.value, key.repo_id, target.repo_id) for key, target in aliases.items()],
    )


def _create_tables(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
    for table in tables.metadata.sorted_tables:
        connection.execute(CreateTable(table))
    for name, select in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {select}")
    create_documents(driver(connection))


def _create_indexes(connection: Connection) -> None:
    """After the rows, which is quicker; by name, as SQLAlchemy keeps them in a set."""
    indexes = [index for table in tables.metadata.sorted_tables for index in table.indexes]
    for index in sorted(indexes, key=lambda index: str(index.name)):
        connection.execute(CreateIndex(index))
