"""Evaluation results across models as a table.

A column is a metric on a data set (and its subset). What models state is compared as they
state it: nobody here measured anything, and a share of 1 beside a share of 100 is said,
not guessed away (:attr:`Leaderboard.notes`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from pyroaring import BitMap

from mirror.catalog.fields import SORT_ALIASES, SORTS
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.details import Leaderboard, LeaderboardRow, ScoreColumn
from mirror.catalog.read.pages import EVALUATION_COLUMNS, evaluation
from mirror.catalog.read.sets import unpacked
from mirror.catalog.read.summaries import summary_fields
from mirror.errors import UsageError

#: Columns that are shown where nobody chooses any, and those that are only named.
DEFAULT_COLUMNS: Final = 6
MAX_COLUMNS: Final = 50
_OTHERS: Final = 20

#: Errors and losses: the best is the least.
_LOWER: Final = frozenset(
    {"wer", "cer", "ter", "mer", "per", "der", "eer", "loss", "eval_loss", "perplexity", "ppl",
     "mae", "mse", "rmse", "mape", "smape", "fid", "error", "error_rate", "brier"}
)  # fmt: skip

_COLUMNS: Final = (
    "repo, position, value, metric, coalesce(dataset, dataset_name), subset,"
    " verified * 4 + (source = '.eval_results') * 2 + (split IS 'test')"
)
_ALL: Final = f"SELECT {_COLUMNS} FROM evaluations ORDER BY repo, position"  # noqa: S608
_OF: Final = (
    f"SELECT {_COLUMNS} FROM evaluations"  # noqa: S608
    " WHERE repo IN (SELECT value FROM json_each(?)) ORDER BY repo, position"
)
_WHOLE: Final = (
    f"SELECT repo, position, {EVALUATION_COLUMNS} FROM evaluations"  # noqa: S608
    " WHERE repo IN (SELECT value FROM json_each(?))"
)
_EVALUATED: Final = "SELECT value, bits FROM value_sets WHERE field = 'evaluated_on' AND shown = 1"
_ALIASES: Final = (
    "SELECT alias, repo_id FROM aliases WHERE repo_type = 'dataset'"
    " AND alias IN (SELECT value FROM json_each(?))"
)
_FACTS: Final = (
    "SELECT repo, repo_id, downloads, likes, last_modified, created, disk_size, parameters"
    " FROM repos WHERE repo IN (SELECT value FROM json_each(?))"
)
_FACT_NAMES: Final = (
    "repo", "repo_id", "downloads", "likes", "last_modified", "created", "disk_size", "parameters",
)  # fmt: skip
_TRAITS: Final = (
    "SELECT repo, field, value FROM repo_values WHERE field IN ('dtype', 'kind')"
    " AND repo IN (SELECT value FROM json_each(?)) ORDER BY repo, field, position"
)


class Score(NamedTuple):
    """The result of a repo that is shown in a column."""

    value: float
    position: int
    trust: int
    """Verified, from ``.eval_results``, on ``test``: in this order."""


Scores = dict[int, Score]
"""Of one column, by repo number."""
Row = tuple[int, int, float, str, str | None, str | None, int]


@dataclass(frozen=True)
class Choice:
    """Which table somebody wants."""

    datasets: Sequence[str] = ()
    metrics: Sequence[str] = ()
    columns: Sequence[str] = ()
    """Names of columns, in their order; none: the ``most`` that most models have."""
    most: int = DEFAULT_COLUMNS
    sort: str = "average"
    """``average``, a column, a metric that one column has, or a sort of repos."""
    ascending: bool | None = None
    limit: int = 20
    offset: int = 0


def read_leaderboard(
    connection: sqlite3.Connection, found: BitMap, choice: Choice, deadline: Deadline
) -> Leaderboard:
    """Make the table of the repos ``found``.

    Raises:
        QueryTimeoutError: it took too long.
        UsageError: no such data set, metric, column or sort: says what is nearly so.
    """
    datasets = _Datasets(connection)
    if choice.datasets:
        found = found & datasets.evaluated_on(choice.datasets)
    scores = _scores(_rows(connection, found, scan=not choice.datasets), datasets, deadline)
    wanted = _wanted(scores, choice, datasets)
    columns = _columns(wanted, choice)
    shown = [wanted[column] for column in columns]
    numbers = sorted(set().union(*shown))
    facts = _facts(connection, numbers)
    averages = {number: _average(columns, shown, number) for number in numbers}
    sort, ordered = _ordered(choice, columns, shown, numbers, facts, averages)
    page = ordered[choice.offset : choice.offset + choice.limit]
    return Leaderboard(
        columns=columns,
        rows=_page(connection, page, shown, averages),
        total=len(numbers),
        others=tuple(column for column in wanted if column not in columns)[:_OTHERS],
        sort=sort,
        notes=tuple(_notes(columns, shown)),
    )


class _Datasets:
    """The data sets that results name: by their present id, where the catalog knows it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._present: dict[str, str] = {}

    def present(self, names: Iterable[str]) -> Mapping[str, str]:
        """Give the present id of those that have another: ``glue`` is ``nyu-mll/glue``."""
        rows = self._connection.execute(_ALIASES, (json.dumps(list(names)),))
        self._present |= dict(rows.fetchall())
        return self._present

    def evaluated_on(self, wanted: Sequence[str]) -> BitMap:
        """The repos with results on one of these data sets.

        Raises:
            UsageError: nobody has a result on one of them.
        """
        rows = self._connection.execute(_EVALUATED).fetchall()
        present = self.present([value for value, _ in rows])
        found = BitMap()
        for name in wanted:
            sets = [bits for value, bits in rows if _is_called(value, name, present)]
            if not sets:
                raise _unknown("data set", name, [value for value, _ in rows])
            for bits in sets:
                found |= unpacked(bits)
        return found


def _is_called(value: str, name: str, present: Mapping[str, str]) -> bool:
    """Whether a result on ``value`` is one on ``name``: an id, an old id, or its last part."""
    name = name.casefold()
    ids = {value.casefold(), present.get(value, value).casefold()}
    asked = {name, present.get(name, name).casefold()}
    return bool(ids & asked) or ("/" not in name and name in {i.rpartition("/")[2] for i in ids})


def _rows(connection: sqlite3.Connection, found: BitMap, *, scan: bool) -> Iterator[Row]:
    rows = connection.execute(_ALL if scan else _OF, () if scan else (json.dumps(list(found)),))
    return (row for row in rows if row[0] in found)


def _scores(
    rows: Iterable[Row], datasets: _Datasets, deadline: Deadline
) -> dict[tuple[str, str | None, str], Scores]:
    """Results by (data set, subset, metric); of several in one place the most trustworthy."""
    stated: dict[tuple[str, str | None, str], Scores] = {}
    for place, (number, position, value, metric, name, subset, trust) in enumerate(rows):
        if place % 4096 == 0:
            deadline.check()
        if name is None:
            continue  # accuracy of nobody knows what
        scores = stated.setdefault((name, subset, metric), {})
        if number not in scores or trust > scores[number].trust:
            scores[number] = Score(value, position, trust)
    present = datasets.present({name for name, _, _ in stated})
    found: dict[tuple[str, str | None, str], Scores] = {}
    for (name, subset, metric), scores in stated.items():
        column = found.setdefault((present.get(name, name), _subset(name, subset), metric), {})
        for number, score in scores.items():
            if number not in column or score.trust > column[number].trust:
                column[number] = score
    return found


def _subset(dataset: str, subset: str | None) -> str | None:
    """The subset where it says something: not ``default``, nor the data set's own name."""
    silent = {"default", dataset.casefold(), dataset.rpartition("/")[2].casefold()}
    return None if subset is None or subset.casefold() in silent else subset


def _wanted(
    scores: Mapping[tuple[str, str | None, str], Scores], choice: Choice, datasets: _Datasets
) -> dict[ScoreColumn, Scores]:
    """The columns that may be chosen, those of most models first."""
    present = datasets.present(choice.datasets)
    metrics = {metric.casefold() for metric in choice.metrics}
    known = {metric.casefold() for _, _, metric in scores}
    for metric in choice.metrics:
        if metric.casefold() not in known:
            raise _unknown("metric", metric, known)
    found = {
        _column(dataset, subset, metric, len(items)): items
        for (dataset, subset, metric), items in scores.items()
        if (not metrics or metric.casefold() in metrics)
        and (
            not choice.datasets
            or any(_is_called(dataset, name, present) for name in choice.datasets)
        )
    }
    ordered = sorted(found, key=lambda column: (-column.models, column.name))
    return {column: found[column] for column in ordered}


def _column(dataset: str, subset: str | None, metric: str, models: int) -> ScoreColumn:
    name = f"{dataset}@{subset}:{metric}" if subset else f"{dataset}:{metric}"
    lower = metric.casefold().removeprefix("eval_") in _LOWER
    return ScoreColumn(name, dataset, subset, metric, models, lower)


def _columns(wanted: Mapping[ScoreColumn, Scores], choice: Choice) -> tuple[ScoreColumn, ...]:
    if not choice.columns:
        return tuple(wanted)[: min(choice.most, MAX_COLUMNS)]
    by_name = {column.name.casefold(): column for column in wanted}
    for name in choice.columns:
        if name.casefold() not in by_name:
            raise _unknown("column", name, [column.name for column in wanted])
    chosen = dict.fromkeys(by_name[name.casefold()] for name in choice.columns)
    return tuple(chosen)[:MAX_COLUMNS]


def _average(
    columns: Sequence[ScoreColumn], shown: Sequence[Scores], number: int
) -> tuple[int, float | None]:
    """How many scores count, and their mean; where there are only errors, theirs."""
    counted = [s for c, s in zip(columns, shown, strict=True) if not c.lower_is_better] or shown
    values = [scores[number].value for scores in counted if number in scores]
    return len(values), sum(values) / len(values) if values else None


def _ordered(
    choice: Choice,
    columns: Sequence[ScoreColumn],
    shown: Sequence[Scores],
    numbers: Iterable[int],
    facts: Mapping[int, Mapping[str, Any]],
    averages: Mapping[int, tuple[int, float | None]],
) -> tuple[str, list[int]]:
    """The repos in order, and the name of the sort. Who has no value comes last."""
    sort = SORT_ALIASES.get(choice.sort, choice.sort)
    by_fame = sorted(numbers, key=lambda n: (-(facts[n]["downloads"] or 0), facts[n]["repo_id"]))
    values: Mapping[int, Any]
    counts: Mapping[int, int] = {}
    if sort == "average":
        values = {n: average for n, (_, average) in averages.items()}
        counts = {n: count for n, (count, _) in averages.items()}
        down = not columns or not all(column.lower_is_better for column in columns)
    elif sort in SORTS:
        column, down = SORTS[sort]
        values = {n: facts[n][column] for n in by_fame}
    else:
        place = _sort_column(sort, columns)
        values = {n: item.value for n, item in shown[place].items()}
        down = not columns[place].lower_is_better
        sort = columns[place].name
    down = down if choice.ascending is None else not choice.ascending
    having = [n for n in by_fame if values.get(n) is not None]
    having.sort(key=lambda n: values[n], reverse=down)  # stable either way: ties stay by fame
    having.sort(key=lambda n: -counts.get(n, 0))
    return sort, having + [n for n in by_fame if values.get(n) is None]


def _sort_column(name: str, columns: Sequence[ScoreColumn]) -> int:
    folded = name.casefold()
    exact = [i for i, column in enumerate(columns) if column.name.casefold() == folded]
    named = exact or [i for i, column in enumerate(columns) if column.metric.casefold() == folded]
    if len(named) == 1:
        return named[0]
    if named:
        names = " or ".join(columns[i].name for i in named)
        raise UsageError(f"several columns have the metric {name!r}", hint=f"sort by {names}")
    raise _unknown("sort", name, ["average", *(column.name for column in columns), *SORTS])


def _page(
    connection: sqlite3.Connection,
    numbers: Sequence[int],
    shown: Sequence[Scores],
    averages: Mapping[int, tuple[int, float | None]],
) -> tuple[LeaderboardRow, ...]:
    fields = summary_fields(connection, numbers)
    rows = connection.execute(_WHOLE, (json.dumps(list(numbers)),))
    results = {(number, position): evaluation(row) for number, position, *row in rows}
    traits: dict[tuple[int, str], list[str]] = {}
    for number, field, value in connection.execute(_TRAITS, (json.dumps(list(numbers)),)):
        traits.setdefault((number, field), []).append(value)
    return tuple(
        LeaderboardRow(
            **fields[number],
            scores=tuple(
                results[number, scores[number].position] if number in scores else None
                for scores in shown
            ),
            average=averages[number][1],
            dtypes=tuple(traits.get((number, "dtype"), ())),
            kinds=tuple(traits.get((number, "kind"), ())),
        )
        for number in numbers
    )


def _facts(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = connection.execute(_FACTS, (json.dumps(list(numbers)),))
    return {row[0]: dict(zip(_FACT_NAMES, row, strict=True)) for row in rows}


def _notes(columns: Sequence[ScoreColumn], shown: Sequence[Scores]) -> Iterator[str]:
    for column, scores in zip(columns, shown, strict=True):
        values = [item.value for item in scores.values()]
        if not column.lower_is_better and any(0 < v <= 1 for v in values) and max(values) > 1.5:
            yield f"{column.name}: some state shares of 1, some of 100; they are shown as stated"


def _unknown(what: str, name: str, names: Iterable[str]) -> UsageError:
    by_fold = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.5)
    near += [key for key in by_fold if name.casefold() in key and key not in near][: 3 - len(near)]
    if what == "sort":
        message = f"a leaderboard cannot be sorted by {name!r}"
    else:
        message = f"no model here has a result in the {what} {name!r}"
    if what == "sort" and not near:
        return UsageError(message, hint=f"sort by average, a column, or {', '.join(SORTS)}")
    if near:
        return UsageError(message, hint=f"did you mean {' or '.join(by_fold[k] for k in near)}?")
    return UsageError(message, hint="mirror facets --field evaluated_on lists the data sets")
