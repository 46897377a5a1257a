"""Opening the file of a catalog for reading, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from mirror.catalog.format import APPLICATION_ID, SCHEMA
from mirror.errors import CatalogError

HINT: Final = "run mirror reindex: it makes the catalog anew from the store"

_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR", "SQLITE_CANTOPEN")


def open_database(path: Path) -> sqlite3.Connection:
    """Open a catalog read-only, without locks, as it is now.

    ``immutable`` also lets it be read where no journal could be written. It is safe:
    a published catalog is never written to, only replaced.

    Raises:
        CatalogError: missing, damaged, or of another schema.
    """
    if not path.is_file():
        raise CatalogError(f"there is no catalog at {path}", hint=HINT)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    with damage_noticed(path):
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def damaged(what: str) -> CatalogError:
    """Give the error for content that no writer of ours has written."""
    return CatalogError(f"the catalog is damaged: {what}", hint=HINT)


def check_database(path: Path) -> None:
    """Raise what :func:`open_database` raises; keep nothing open."""
    open_database(path).close()


@contextmanager
def damage_noticed(path: Path) -> Iterator[None]:
    """Turn SQLite's word for a damaged file into a :class:`CatalogError`."""
    try:
        yield
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if name.startswith(_DAMAGE) or "no such table" in str(error):
            raise CatalogError(f"the catalog at {path} is damaged: {error}", hint=HINT) from error
        raise


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    if found != APPLICATION_ID:
        raise CatalogError(f"{path} is a SQLite file, but not a catalog", hint=HINT)
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    if schema != SCHEMA:
        raise CatalogError(
            f"the catalog at {path} has schema {schema}, this program reads {SCHEMA}",
            hint=_hint_of_schema(path, schema),
        )
    # Touches the schema: a file that was cut short is found here, not in a search.
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _hint_of_schema(path: Path, schema: int) -> str:
    """The next step of whoever reads a catalog that another version of this program wrote."""
    here = os.access(path.parent, os.W_OK)
    hint = HINT if here else "run mirror reindex, or a sync, where the mirror can be written"
    return f"update this program, or {hint}" if schema > SCHEMA else hint
