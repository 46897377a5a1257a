"""One statement of somebody who knows SQL, answered read-only.

The file is opened read-only and ``query_only``; an authorizer lets nothing through but
reading (no ATTACH, no writing PRAGMA, no extension); one statement, so many seconds, so
many rows. What is wrong with a statement is said with its place.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Final

from mirror.catalog.database import damaged, open_database
from mirror.catalog.query.errors import pointed_at
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.details import SqlResult, TableInfo
from mirror.catalog.views import ABOUT
from mirror.errors import UsageError

#: The longest text or blob that a statement may make, in bytes.
MAX_VALUE_BYTES: Final = 32 * 2**20
MAX_STATEMENT: Final = 100_000
#: Of all rows together, about, in characters: no more is kept in memory.
MAX_ANSWER: Final = 64 * 2**20

Value = str | int | float | None

_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
#: They tell of the schema, and take no value. FTS5 itself asks for data_version.
_PRAGMAS: Final = frozenset(
    [
        "application_id",
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "foreign_key_list",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "page_count",
        "page_size",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
    ]
)
_WITH_NAME: Final = frozenset(
    [
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    ]
)
#: They load code, or hand out what is in memory.
_FUNCTIONS_REFUSED: Final = frozenset({"load_extension", "fts3_tokenizer", "edit", "writefile"})
_CODES: Final = {
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
    sqlite3.SQLITE_TRANSACTION: "TRANSACTION",
    sqlite3.SQLITE_SAVEPOINT: "SAVEPOINT",
    sqlite3.SQLITE_REINDEX: "REINDEX",
    sqlite3.SQLITE_ANALYZE: "ANALYZE",
    sqlite3.SQLITE_FUNCTION: "the function",
}
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR")
_NO_TABLE: Final = re.compile(r"no such table: (?:main\.|temp\.)?(.+)")
_NO_COLUMN: Final = re.compile(r"no such column: (?:\"?([^\s\"]+?)\"?)(?: - should this be .*)?$")
_NEAR: Final = re.compile(r'near "(.*)": syntax error', re.DOTALL)


def run_sql(path: Path, statement: str, timeout: float, limit: int) -> SqlResult:
    """Answer ``statement`` from the catalog at ``path``; at most ``limit`` rows.

    Raises:
        CatalogError: missing, damaged, or of another schema.
        QueryTimeoutError: it took too long.
        UsageError: no single SELECT, or something is wrong with it; says where.
    """
    if len(statement) > MAX_STATEMENT or "\0" in statement:
        raise UsageError(
            "this is no SQL statement", hint="one SELECT of at most 100,000 characters"
        )
    with closing(open_database(path)) as connection:
        refused = _restrict(connection)
        deadline = Deadline(timeout)
        try:
            with deadline.kept_by(connection):
                cursor = connection.execute(statement)
                if cursor.description is None:
                    raise UsageError(
                        "this statement asks nothing", hint="write a SELECT: mirror sql --help"
                    )
                rows, truncated = _read(cursor, limit)
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
            if str(getattr(error, "sqlite_errorname", "")).startswith(_DAMAGE):
                raise damaged(str(error)) from error
            raise _explained(error, statement, refused, path) from error
    columns = tuple(str(column[0]) for column in cursor.description)
    return SqlResult(columns, tuple(rows), truncated)


def _read(cursor: sqlite3.Cursor, limit: int) -> tuple[list[tuple[Value, ...]], bool]:
    """Read the rows that are shown, and whether there are more: of rows, or of bytes."""
    rows: list[tuple[Value, ...]] = []
    room = MAX_ANSWER
    for row in cursor:
        if len(rows) >= limit or room <= 0:
            return rows, True
        rows.append(tuple(map(_value, row)))
        room -= sum(len(value) if isinstance(value, str) else 8 for value in rows[-1])
    return rows, False


def list_tables(connection: sqlite3.Connection) -> tuple[TableInfo, ...]:
    """Give the views, then the tables; not those that only serve another."""
    rows = connection.execute(
        "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'documents_fts_%'"
        " ORDER BY type DESC, name"
    ).fetchall()
    return tuple(
        TableInfo(name, kind, _columns(connection, name), ABOUT.get(name, ""))
        for name, kind in rows
    )


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    names = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return tuple(name for (name,) in names)


def _restrict(connection: sqlite3.Connection) -> list[str]:
    """Let only reading through; give a list that fills with what was refused."""
    refused: list[str] = []

    def authorize(
        action: int, first: str | None, second: str | None, _schema: str | None, _view: str | None
    ) -> int:
        if action in _READING or _is_harmless(action, first, second):
            return sqlite3.SQLITE_OK
        what = _CODES.get(action, "a statement that changes something")
        refused.append(f"{what} {second or ''}" if action == sqlite3.SQLITE_FUNCTION else what)
        return sqlite3.SQLITE_DENY

    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.set_authorizer(authorize)
    return refused


def _is_harmless(action: int, first: str | None, second: str | None) -> bool:
    if action == sqlite3.SQLITE_FUNCTION:
        return (second or "").lower() not in _FUNCTIONS_REFUSED
    if action == sqlite3.SQLITE_PRAGMA:
        name = (first or "").lower()
        return name in _PRAGMAS and (second is None or name in _WITH_NAME)
    # SQLite asks this too when it connects FTS5 or json_each; a real UPDATE of its schema
    # it refuses by itself, and the file is open for reading only.
    return action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"


def _value(value: object) -> Value:
    """A value as JSON can hold it: infinity as its name, bytes as their number."""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float) or value is None else str(value)


def _explained(error: Exception, statement: str, refused: Sequence[str], path: Path) -> Exception:
    """Say what is wrong with the statement, and where."""
    text = str(error)
    if refused:
        return UsageError(
            f"mirror sql only reads: {refused[0].strip()} is refused",
            hint="to change something, copy catalog.db and use a tool of your own",
        )
    if "one statement at a time" in text:
        return UsageError("this is more than one statement", hint="give one after the other")
    if "bindings" in text or "binding" in text:
        return UsageError(
            "the statement has a placeholder, and nothing to put there",
            hint="write the value itself, between single quotes",
        )
    if (found := _NO_TABLE.search(text)) is not None:
        return _misnamed("table or view", found[1], statement, _tables(path))
    if (found := _NO_COLUMN.search(text)) is not None:
        return _misnamed("column", found[1], statement, _all_columns(path, statement))
    if (found := _NEAR.search(text)) is not None:
        place = _syntax_place(found[1], statement)
        return UsageError(f"this is no SQL: {text}{_marked(statement, place, len(found[1]))}")
    return UsageError(f"the statement cannot be answered: {text}")


def _misnamed(what: str, name: str, statement: str, names: Iterable[str]) -> UsageError:
    last = name.rpartition(".")[2]
    near = get_close_matches(last.lower(), sorted(set(names)), n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "mirror sql lists what there is"
    found = re.search(rf"(?<!\w){re.escape(last)}(?!\w)", statement, re.IGNORECASE)
    marked = _marked(statement, found.start() if found else None, len(last))
    return UsageError(f"there is no {what} {name!r}{marked}", hint=hint)


def _tables(path: Path) -> list[str]:
    with closing(open_database(path)) as connection:
        return [table.name for table in list_tables(connection)]


def _all_columns(path: Path, statement: str) -> list[str]:
    """Columns of the tables that the statement names; of all where it names none."""
    with closing(open_database(path)) as connection:
        tables = list_tables(connection)
    words = set(re.findall(r"\w+", statement.lower()))
    named = [table for table in tables if table.name in words] or tables
    return [column for table in named for column in table.columns]


def _syntax_place(token: str, statement: str) -> int | None:
    """Where the parser stopped: the first such token whose text up to it fails the same way."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        for found in islice(re.finditer(re.escape(token), statement), 100):
            try:
                scratch.execute(f"EXPLAIN {statement[: found.end()]}")
            except (sqlite3.Error, sqlite3.Warning) as error:
                if str(error) == f'near "{token}": syntax error':
                    return found.start()
    return None


def _marked(statement: str, place: int | None, width: int) -> str:
    """The line of the statement with a caret under the place."""
    if place is None:
        return ""
    start = statement.rfind("\n", 0, place) + 1
    line = statement[start:].partition("\n")[0]
    return f"\n{pointed_at(line, place - start, width)}"
