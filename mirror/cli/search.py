"""search, facets: find repos, and count what there is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Session, common_options, json_option, pass_session
from mirror.cli.asking import (
    QueryCommand,
    asked,
    catalog_option,
    csv_option,
    listed,
    query_arguments,
    timeout_option,
)
from mirror.cli.output import (
    Cell,
    Column,
    Note,
    emit,
    emit_csv,
    emit_json,
    emit_table,
    on_terminal,
    one_line,
    talk,
)
from mirror.cli.repo_table import COLUMNS, CSV, csv_row, repo_row
from mirror.errors import UsageError

if TYPE_CHECKING:
    from mirror.catalog import Facet, Hit, SearchResult

#: As mirror.catalog.fields has them.
_SORTS: Final = (
    "relevance", "downloads", "likes", "updated", "created", "size", "parameters", "name",
)  # fmt: skip


@click.command(
    cls=QueryCommand,
    short_help="Search by words, task, language, licence …",
    examples=(
        "mirror search 감정 language:ko -license:unknown",
        "mirror search --task text-classification --license mit,apache-2.0 --params '<1B'",
        "mirror search 'task:fill-mask downloads:>1000' --sort updated --facets",
        "mirror search --type dataset --language ko --json | jq -r '.hits[].repo_id'",
    ),
)
@query_arguments
@click.option("--sort", metavar="BY", help=f"{', '.join(_SORTS)}.")
@click.option("--asc/--desc", "ascending", default=None, help="The least, or the most, first.")
@click.option("--limit", metavar="N", type=click.IntRange(0), default=20, help="Hits shown (20).")
@click.option("--offset", metavar="N", type=click.IntRange(0), default=0, help="Hits left out.")
@click.option(
    "--facets",
    "main_facets",
    is_flag=True,
    help="Count the main fields beside the hits; or these: --facets=task,license.",
)
@click.option("--facet", "facets", metavar="FIELD", multiple=True, help="Count this field.")
@click.option(
    "--facet-limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=10,
    help="Values of each (10).",
)
@timeout_option
@catalog_option
@csv_option
@common_options
@json_option
@pass_session
def search(
    session: Session,
    /,
    words: tuple[str, ...],
    catalog: Path | None,
    facets: tuple[str, ...],
    as_csv: bool,
    main_facets: bool,
    **given: Any,
) -> None:
    """Search the catalog, without network, in milliseconds.

    QUERY is text and filters: docs/reference/query.md. Every word must be in the id,
    title, tags or card; Korean, Japanese and Chinese are found inside longer words. Each
    option is the same as its key in the query: several values of one are alternatives,
    different ones must all fit.

    In a pipe each hit is one line: repo, tasks, languages, licences, downloads, bytes,
    title.
    """
    from mirror.api.searching import search_catalog
    from mirror.catalog.fields import MAIN_FACETS

    if as_csv and (facets or main_facets):
        raise UsageError("a CSV has no room for facets", hint="use mirror facets --csv")
    text, filters = asked(words, given)
    counted = listed((*(MAIN_FACETS if main_facets else ()), *facets))
    asking = {**filters, **given, "facets": counted}
    if catalog is not None:
        found = search_catalog(catalog, text, **asking)
    else:
        found = session.mirror().search(text, **asking)
    if session.as_json:
        emit_json(found.as_json())
    elif as_csv:
        emit_csv((*CSV, "snippet"), ([*csv_row(hit), hit.snippet] for hit in found.hits))
    else:
        _show(found, given["offset"])
        if not found.total and re.search(r"(?:^|\s)(?:OR|AND|NOT)(?:\s|$)", text):
            talk("hint: AND, OR and NOT are words here; all words must fit, a minus excludes")


def _show(found: SearchResult, offset: int) -> None:
    terminal = on_terminal()
    notes = [_snippet(hit) for hit in found.hits] if terminal else None
    if found.hits:
        emit_table(COLUMNS, [repo_row(hit) for hit in found.hits], notes=notes)
    if found.facets:
        emit()
        _show_facets(found.facets)
    _say_place(offset, len(found.hits), found.total)
    for hint in found.hints:
        talk(f"hint: {one_line(hint)}")


def _snippet(hit: Hit) -> Note | None:
    return Note(hit.snippet, hit.highlights) if hit.snippet else None


def _say_place(offset: int, shown: int, total: int) -> None:
    """Tell a person which part of the hits this is, if it is not all."""
    last = offset + shown
    if not total:
        talk("nothing found")
    elif not shown and offset:
        talk(f"no more than {total:,}")
    elif last < total:
        talk(f"{offset + 1:,} to {last:,} of {total:,}; --offset {last} shows the next ones")
    elif offset:
        talk(f"{offset + 1:,} to {last:,} of {total:,}")


@click.command(
    cls=QueryCommand,
    short_help="Count tasks, languages, licences …",
    examples=(
        "mirror facets",
        "mirror facets language:ko --field license --field task",
        "mirror facets --field author --limit 50 --csv",
    ),
)
@query_arguments
@click.option("--field", "fields", metavar="FIELD", multiple=True, help="Count this field.")
@click.option("--all", "every", is_flag=True, help="Count every field.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, 1000), default=20, help="Values of each (20)."
)
@timeout_option
@catalog_option
@csv_option
@common_options
@json_option
@pass_session
def facets(
    session: Session,
    /,
    words: tuple[str, ...],
    catalog: Path | None,
    fields: tuple[str, ...],
    every: bool,
    as_csv: bool,
    **given: Any,
) -> None:
    """Count the values of fields among the repos that QUERY finds; without it, of all.

    Each field is counted as if QUERY asked nothing of that field: so it shows what else
    there would be.

    In a pipe each value is one line: field, value, repos.
    """
    from mirror.api.searching import count_facets
    from mirror.catalog.fields import FIELDS

    text, filters = asked(words, given)
    wanted = tuple(FIELDS) if every else listed(fields) or None
    asking = {**filters, **given, "fields": wanted}
    if catalog is not None:
        found = count_facets(catalog, text, **asking)
    else:
        found = session.mirror().facets(text, **asking)
    if session.as_json:
        emit_json([facet.as_json() for facet in found])
    elif as_csv:
        rows = (
            (facet.field, item.value, item.repos, item.selected)
            for facet in found
            for item in facet.values
        )
        emit_csv(("field", "value", "repos", "selected"), rows)
    else:
        _show_facets(found)


def _show_facets(found: Sequence[Facet]) -> None:
    """A table for each field on a terminal, else lines: field, value, repos."""
    terminal = on_terminal()
    for place, facet in enumerate(facet for facet in found if facet.values or not terminal):
        rows: list[list[Cell | str | int]] = [
            [
                Cell(
                    f"{item.value} *" if item.selected else item.value,
                    item.value,
                    style="bold" if item.selected else "",
                ),
                Cell(f"{item.repos:,}", str(item.repos)),
            ]
            for item in facet.values
        ]
        if terminal:
            if place:
                emit()
            emit_table((Column(facet.field.upper(), whole=True), Column("REPOS", "right")), rows)
            if facet.truncated:
                emit("  … and more")
        else:
            columns = (Column(""), Column(""), Column(""))
            emit_table(columns, [[facet.field, *row] for row in rows])


COMMANDS: Final = {"search": search, "facets": facets}
