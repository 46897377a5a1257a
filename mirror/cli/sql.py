"""sql: ask the catalog in SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.asking import catalog_option, csv_option, timeout_option
from mirror.cli.output import Cell, Column, emit_csv, emit_json, emit_table, talk
from mirror.errors import UsageError

if TYPE_CHECKING:
    from mirror.catalog import SqlResult, TableInfo

#: As mirror.api.comparing has it.
_ROWS: Final = 1_000


@click.command(
    cls=Command,
    short_help="Ask the catalog in SQL.",
    examples=(
        "mirror sql",
        'mirror sql "SELECT repo_id, licenses FROM datasets ORDER BY rows DESC LIMIT 5"',
        "mirror sql \"SELECT * FROM lineage WHERE target = 'klue/roberta-base'\" --csv",
        "mirror sql - < question.sql",
    ),
)
@click.argument("statement", required=False)
@click.option(
    "--limit", metavar="N", type=click.IntRange(0), default=_ROWS, help=f"Rows ({_ROWS:,})."
)
@timeout_option
@catalog_option
@csv_option
@common_options
@json_option
@pass_session
def sql(
    session: Session,
    /,
    statement: str | None,
    limit: int,
    timeout: float,
    catalog: Path | None,
    as_csv: bool,
) -> None:
    """Answer STATEMENT, one SELECT, from the catalog; nothing can be changed by it.

    Without STATEMENT: the views and tables that there are (docs/catalog.md explains every
    column). With - it is read from stdin.

    In a pipe each row is one line with tabs between the values; bytes are given by their
    number.
    """
    from mirror.api.comparing import ask_catalog, list_catalog_tables

    if statement is None:
        path = catalog
        tables = session.mirror().tables() if path is None else list_catalog_tables(path)
        _print_tables(tables, as_json=session.as_json, as_csv=as_csv)
        return
    if statement == "-":
        statement = _from_stdin()
    if catalog is None:
        found = session.mirror().sql(statement, timeout=timeout, limit=limit)
    else:
        found = ask_catalog(catalog, statement, timeout=timeout, limit=limit)
    _print_rows(found, as_json=session.as_json, as_csv=as_csv)
    if found.truncated:
        talk(f"there are more rows than {limit:,}: --limit")


def _from_stdin() -> str:
    text = sys.stdin.read(100_001)
    if not text.strip():
        raise UsageError("there is no statement on stdin")
    return text


def _print_tables(tables: tuple[TableInfo, ...], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        emit_json([table.as_json() for table in tables])
        return
    rows = [[table.name, table.kind, table.about, ", ".join(table.columns)] for table in tables]
    if as_csv:
        emit_csv(("name", "kind", "about", "columns"), rows)
        return
    columns = (Column("NAME", whole=True), Column("IS A"), Column("WITH"), Column("COLUMNS"))
    emit_table(columns, rows)
    talk("docs/catalog.md explains every column")


def _print_rows(found: SqlResult, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        emit_json(found.as_json())
    elif as_csv:
        emit_csv(found.columns, [["" if v is None else v for v in row] for row in found.rows])
    elif found.columns:
        columns = [
            Column(name, "right" if _is_number(found, place) else "left", whole=place == 0)
            for place, name in enumerate(found.columns)
        ]
        emit_table(columns, [list(map(_cell, row)) for row in found.rows])


def _is_number(found: SqlResult, place: int) -> bool:
    values = [row[place] for row in found.rows if row[place] is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)


def _cell(value: str | int | float | None) -> Cell | str:
    if value is None:
        return Cell("", "")
    return value if isinstance(value, str) else str(value)


COMMANDS: Final = {"sql": sql}
