"""The searchable text of each repo: a table and its FTS5 index, by sqlite-utils.

``documents`` holds the text as it is indexed (``cjk.searchable``), so that the index is
an ordinary external-content one: any SQLite tool can check and rebuild it. There are no
triggers (a batch rebuild of the table would drop them silently): every change here goes
to both.

All of it happens inside the transaction that the caller has begun.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from sqlite_utils import Database

from mirror.catalog.cjk import searchable
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.schema import repo_number

TABLE: Final = "documents"
COLUMNS: Final = ("title", "tags", "body")
#: unicode61 with ``remove_diacritics 2``: é is e, also where it is two characters.
TOKENIZE: Final = "unicode61 remove_diacritics 2"
#: A word in the id or title tells more than one in the card's text.
RANK: Final = "bm25(10.0, 4.0, 1.0)"

_ADD: Final = "INSERT INTO documents_fts (rowid, title, tags, body) VALUES (?, ?, ?, ?)"
_REMOVE: Final = (
    "INSERT INTO documents_fts (documents_fts, rowid, title, tags, body) "
    "SELECT 'delete', repo, title, tags, body FROM documents WHERE repo = ?"
)

Document = tuple[int, str, str, str]


def create_documents(connection: sqlite3.Connection) -> None:
    """Make the empty table and its index."""
    database = Database(connection, execute_plugins=False)
    table = database.table(TABLE)
    table.create({"repo": int, "title": str, "tags": str, "body": str}, pk="repo")
    table.enable_fts(COLUMNS, tokenize=TOKENIZE)
    database.execute("INSERT INTO documents_fts (documents_fts, rank) VALUES ('rank', ?)", [RANK])


def document(record: RepoRecord) -> Document:
    """Give the row of a repo."""
    tags = (
        *record.tasks,
        *record.subtasks,
        *record.libraries,
        *(item.name or item.license for item in record.licenses),
        *(subset.name for subset in record.subsets),
        *record.tags,
    )
    return (
        repo_number(record.key),
        searchable(f"{record.key.repo_id} {record.title or ''}"),
        searchable(" ".join(dict.fromkeys(tags))),
        searchable(record.card.body),
    )


def add_documents(connection: sqlite3.Connection, rows: list[Document]) -> None:
    """Add rows; they must come in the order of their number, which FTS5 is made for."""
    names = ("repo", *COLUMNS)
    database = Database(connection, execute_plugins=False)
    records = (dict(zip(names, row, strict=True)) for row in rows)
    database.table(TABLE).insert_all(records, pk="repo")
    connection.executemany(_ADD, rows)


def remove_documents(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Remove the rows of these repos, where there are any."""
    for number in sorted(numbers):
        connection.execute(_REMOVE, (number,))
        connection.execute("DELETE FROM documents WHERE repo = ?", (number,))


def optimize_documents(connection: sqlite3.Connection) -> None:
    """Merge the index into one piece: smaller, and the fastest to search."""
    Database(connection, execute_plugins=False).table(TABLE).optimize()
