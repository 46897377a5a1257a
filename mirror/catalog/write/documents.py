"""The searchable text of each repo: a table and its FTS5 index, by sqlite-utils.

The text has four parts, the telling ones first: ``name`` (id and title), ``tags`` (task,
library, licence, subsets, tags), ``lead`` (what it is in a few words, and the headings of
its card) and ``body``. ``documents`` holds them as they are indexed (``cjk.searchable``),
so that the index is an ordinary external-content one: any SQLite tool can check and
rebuild it. There are no triggers (a batch rebuild of the table would drop them silently):
every change here goes to both.

All of it happens inside the transaction that the caller has begun.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from mirror.catalog.cjk import searchable
from mirror.catalog.format import PARTS, TOKENIZE
from mirror.catalog.record.metadata import RepoRecord

if TYPE_CHECKING:
    from sqlite_utils.db import Table

TABLE: Final = "documents"

_NAMES: Final = ", ".join(PARTS)
_ADD: Final = f"INSERT INTO documents (repo, {_NAMES}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
_ADD_WORDS: Final = f"INSERT INTO documents_fts (rowid, {_NAMES}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
_REMOVE: Final = (
    f"INSERT INTO documents_fts (documents_fts, rowid, {_NAMES}) "  # noqa: S608
    f"SELECT 'delete', repo, {_NAMES} FROM documents WHERE repo = ?"
)
_CONFIGURE: Final = "INSERT INTO documents_fts (documents_fts, rank) VALUES (?, ?)"
_HEADING: Final = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
#: Headings of a card that are looked at; templates repeat the same thirty.
_MAX_HEADINGS: Final = 40

Document = tuple[int, str, str, str, str]


def create_documents(connection: sqlite3.Connection) -> None:
    """Make the empty table and its index."""
    table = _table(connection)
    table.create({"repo": int, **dict.fromkeys(PARTS, str)}, pk="repo")
    table.enable_fts(PARTS, tokenize=TOKENIZE)


def _table(connection: sqlite3.Connection) -> Table:
    """Give the table; importing sqlite-utils takes 0.3 s, as it imports pandas if it can."""
    from sqlite_utils import Database

    return Database(connection, execute_plugins=False).table(TABLE)


def document(number: int, record: RepoRecord) -> Document:
    """Give the row of a repo."""
    tags = (
        *record.tasks,
        *record.subtasks,
        *record.libraries,
        *(item.name or item.license for item in record.licenses),
        *(subset.name for subset in record.subsets),
        *record.tags,
    )
    body = record.card.body
    lead = [record.summary or "", record.description or ""]
    if body:
        lead += [match[1] for match in islice(_HEADING.finditer(body), _MAX_HEADINGS)]
    return (
        number,
        searchable(f"{record.key.repo_id} {record.title or ''}"),
        searchable(" ".join(dict.fromkeys(tags))),
        searchable(" ".join(dict.fromkeys(filter(None, lead)))),
        searchable(body) if body else "",
    )


def add_documents(connection: sqlite3.Connection, rows: list[Document]) -> None:
    """Add rows; they must come in the order of their number, which FTS5 is made for."""
    connection.executemany(_ADD, rows)
    connection.executemany(_ADD_WORDS, rows)


def remove_documents(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Remove the rows of these repos, where there are any."""
    for number in sorted(numbers):
        connection.execute(_REMOVE, (number,))
        connection.execute("DELETE FROM documents WHERE repo = ?", (number,))


@contextmanager
def many_documents(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the index grow in large pieces, and merge them into one at the end, not all the time.

    One piece is the smallest, and the fastest to search.
    """
    for option, value in {"automerge": 0, "crisismerge": 1_999, "hashsize": 2**26}.items():
        connection.execute(_CONFIGURE, (option, value))
    yield
    _table(connection).optimize()
    for option, value in {"automerge": 4, "crisismerge": 16, "hashsize": 2**20}.items():
        connection.execute(_CONFIGURE, (option, value))  # as they are by default
