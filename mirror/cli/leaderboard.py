"""leaderboard: evaluation results across models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Session, common_options, json_option, pass_session
from mirror.cli.asking import (
    QueryCommand,
    asked,
    catalog_option,
    csv_option,
    query_arguments,
    timeout_option,
)
from mirror.cli.output import (
    Cell,
    Column,
    count_cell,
    emit_csv,
    emit_json,
    emit_table,
    one_line,
    talk,
    words_cell,
)

if TYPE_CHECKING:
    from mirror.catalog import Leaderboard, LeaderboardRow, ScoreColumn

#: What CSV has of a model, besides its id and its scores.
_CSV: Final = (
    "parameters", "dtypes", "kinds", "tasks", "languages", "licenses", "downloads", "state",
)  # fmt: skip


def _columns(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    """A number of columns, or their names between commas."""
    if value is None:
        return ()
    if value.strip().isdigit():
        return int(value)
    return tuple(name.strip() for name in value.split(",") if name.strip())


@click.command(
    cls=QueryCommand,
    short_help="Compare evaluation results of models.",
    examples=(
        "mirror leaderboard --dataset klue/klue",
        "mirror leaderboard language:ko --metric f1 --params '<1B' --dtype BF16",
        "mirror leaderboard --columns klue/klue@sts:pearsonr,klue/klue@nli:accuracy --csv",
        "mirror leaderboard --task automatic-speech-recognition --metric wer --sort wer",
    ),
)
@partial(query_arguments, without=("dataset",))
@click.option("--dataset", "datasets", metavar="D", multiple=True, help="Results on this.")
@click.option("--metric", "metrics", metavar="M", multiple=True, help="Of this: accuracy, f1 …")
@click.option(
    "--columns",
    metavar="NAMES|N",
    callback=_columns,
    help="These, between commas; or how many (6): those of most models.",
)
@click.option(
    "--sort",
    metavar="BY",
    default="average",
    help="average, a column or metric; downloads, parameters …",
)
@click.option("--asc/--desc", "ascending", default=None, help="The least, or the most, first.")
@click.option("--limit", metavar="N", type=click.IntRange(0), default=20, help="Models (20).")
@click.option("--offset", metavar="N", type=click.IntRange(0), default=0, help="Models left out.")
@timeout_option
@catalog_option
@csv_option
@common_options
@json_option
@pass_session
def leaderboard(
    session: Session,
    /,
    words: tuple[str, ...],
    catalog: Path | None,
    as_csv: bool,
    **given: Any,
) -> None:
    """Compare the evaluation results that models state, one row for each model.

    A column is a metric on a data set: DATASET:METRIC, or DATASET@SUBSET:METRIC. QUERY and
    its options choose the models, as in mirror search. Values are shown as their authors
    state them. Models with most of the columns come first; errors and losses (wer …) are
    not in the average.

    In a pipe each is one line: model, average, parameters, dtypes, kinds, then the columns.
    """
    from mirror.api.comparing import compare_catalog

    text, filters = asked(words, given)
    if catalog is not None:
        found = compare_catalog(catalog, text, **given, **filters)
    else:
        found = session.mirror().leaderboard(text, **given, **filters)
    if session.as_json:
        emit_json(found.as_json())
    elif as_csv:
        names = [column.name for column in found.columns]
        emit_csv(("repo_type", "repo_id", "average", *names, *_CSV), map(_csv_row, found.rows))
    else:
        _show(found, given["offset"])


def _show(found: Leaderboard, offset: int) -> None:
    columns = [
        Column("MODEL", whole=True),
        Column("AVERAGE", "right"),
        *(Column(heading, "right") for heading in _headings(found.columns)),
        Column("PARAMETERS", "right"),
        Column("DTYPE"),
        Column("KIND"),
    ]
    if found.rows:
        emit_table(columns, list(map(_row, found.rows)))
    _say(found, offset)


def _headings(columns: Sequence[ScoreColumn]) -> list[str]:
    """The shortest names that tell the columns apart, as a terminal is narrow."""
    ways = [
        [column.metric for column in columns],
        [
            f"{column.subset or column.dataset.rpartition('/')[2]} {column.metric}"
            for column in columns
        ],
        [column.name for column in columns],
    ]
    return [one_line(name) for name in next(w for w in ways if len({*w}) == len(w) or w is ways[2])]


def _row(row: LeaderboardRow) -> list[Cell | str | int]:
    return [
        Cell(_name(row), str(row.key), style="bold"),
        _score(row.average),
        *(_score(item.value if item else None) for item in row.scores),
        count_cell(row.parameters),
        words_cell(row.dtypes),
        words_cell(row.kinds),
    ]


def _name(row: LeaderboardRow) -> str:
    """Nearly all are models, so a person need not read that in every row."""
    return row.key.repo_id if row.key.repo_type.value == "model" else str(row.key)


def _score(value: float | None) -> Cell:
    return Cell("", "") if value is None else Cell(f"{value:.4g}", repr(value))


def _csv_row(row: LeaderboardRow) -> list[Any]:
    scores = [item.value if item else None for item in row.scores]
    facts = [getattr(row, name) for name in _CSV]
    return [row.key.repo_type.value, row.key.repo_id, row.average, *scores, *facts]


def _say(found: Leaderboard, offset: int) -> None:
    last = offset + len(found.rows)
    if not found.total:
        talk("nobody here states a result that fits")
    elif last < found.total:
        talk(f"{offset + 1:,} to {last:,} of {found.total:,}; --offset {last} shows the next ones")
    if found.columns:
        talk(f"columns: {', '.join(one_line(column.name) for column in found.columns)}")
    if found.others:
        names = ", ".join(one_line(column.name) for column in found.others[:5])
        talk(f"other columns: {names}{' …' if len(found.others) > 5 else ''}")
    for note in found.notes:
        talk(f"note: {one_line(note)}")


COMMANDS: Final = {"leaderboard": leaderboard}
