"""Rows of many repos, written together: one statement a table."""

from __future__ import annotations

import sqlite3
from typing import Final

from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.write.documents import Document, add_documents, document
from mirror.catalog.write.rows import INSERT, Row, rows_of

#: What is collected before it is written, in characters of text; bounds the memory.
_BATCH_CHARS: Final = 4_000_000
#: Of a repo's rows besides its card, and of one of its files: about.
_REPO_CHARS: Final = 1_500
_FILE_CHARS: Final = 300


class Batch:
    """Collects rows; :meth:`flush` writes what is left of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[str, list[Row]] = {}
        self._documents: list[Document] = []
        self._size = 0

    def add(self, number: int, record: RepoRecord) -> None:
        """Take the rows of a repo whose number no repo has yet."""
        for table, rows in rows_of(number, record).items():
            if rows:
                self._rows.setdefault(table, []).extend(rows)
        self._documents.append(document(number, record))
        self._size += len(record.card.body) + _REPO_CHARS + _FILE_CHARS * len(record.files)
        if self._size >= _BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        for table, rows in self._rows.items():
            self._connection.executemany(INSERT[table], rows)
        add_documents(self._connection, self._documents)
        self._rows, self._documents, self._size = {}, [], 0
