"""How a catalog is written: beside the one in use, in one transaction, then renamed.

Nothing here knows what is in it. The file is made durable before it gets its name, so
SQLite itself need not sync, nor keep a journal on disk: a file that was not finished is
thrown away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from mirror.errors import CatalogError, DiskError, MirrorError
from mirror.store.atomic import disk_errors, sync_file, temporary_name

_PRAGMAS: Final = (
    "PRAGMA journal_mode = MEMORY",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -65536",
    "PRAGMA foreign_keys = OFF",
)
_DISK: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """Give a name beside ``path``; put the file there in its place if all went well.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
    """
    temporary = path.with_name(temporary_name(path.name))
    with disk_errors(path):
        temporary.unlink(missing_ok=True)  # of a process that was killed
    try:
        yield temporary
        with disk_errors(path):
            sync_file(temporary)
            temporary.replace(path)
            sync_file(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def transaction(path: Path) -> Iterator[Connection]:
    """Open ``path`` for SQLAlchemy and sqlite-utils alike, in one transaction.

    Raises:
        DiskError: SQLite could not write.
        CatalogError: the file is damaged.
    """
    url = URL.create("sqlite", database=str(path))
    # The driver would begin late and leave DDL outside: so there is no driver's BEGIN …
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)  # … but ours.
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, sqlite3.Error) as error:
        raise _wrapped(error, path) from error
    finally:
        engine.dispose()


def driver(connection: Connection) -> sqlite3.Connection:
    """Give the sqlite3 connection under SQLAlchemy's: sqlite-utils works on that."""
    found = connection.connection.driver_connection
    if not isinstance(found, sqlite3.Connection):
        raise TypeError("not a connection to SQLite")
    return found


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _wrapped(error: Exception, path: Path) -> Exception:
    """What a person can do something about, as ours; a fault of ours stays what it is."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(cause, "sqlite_errorname", ""))
    found: MirrorError | None = None
    if name.startswith(_DISK):
        found = DiskError(f"cannot write {path}: {cause}", hint="is there room, and may we write?")
    elif name.startswith(_DAMAGE):
        found = CatalogError(f"{path} is damaged: {cause}", hint="run mirror reindex")
    return found or error
