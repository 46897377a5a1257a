"""The viewer's answers with rows, or from all rows: pages, search, filter, statistics, assets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mirror.serve.errors import HubError
from mirror.serve.reply import number
from mirror.serve.viewer.data import MAX_ROWS, Part
from mirror.serve.viewer.features import Cells, as_list
from mirror.serve.viewer.files import Row, Walk
from mirror.serve.viewer.order import in_order, parse_order, rows_at
from mirror.serve.viewer.question import Question, needed
from mirror.serve.viewer.sources import Asset, Sources, find_asset
from mirror.serve.viewer.statistics import describe
from mirror.serve.viewer.where import parse_where

#: Characters of what is searched for, and how deep in a row it is looked for.
_MAX_QUERY: Final = 300
_MAX_DEPTH: Final = 32


class _Shown:
    """Makes the rows of one answer."""

    def __init__(self, asked: Question, part: Part) -> None:
        self.features = asked.data_sets.columns(part)
        self._cells = Cells()
        self._sources = Sources(
            base=asked.base,
            dataset=asked.dataset,
            commit=asked.data_set.manifest.commit,
            data_sets=asked.data_sets,
            part=part,
            features=self.features,
        )

    def row(self, number: int, row: Row) -> dict[str, Any]:
        return self._cells.row(number, self._sources.shown(number, row))

    def page(
        self, rows: list[dict[str, Any]], total: int | None, *, partial: bool = False
    ) -> dict[str, Any]:
        return {
            "features": as_list(self.features),
            "rows": rows,
            "num_rows_total": total,
            "num_rows_per_page": MAX_ROWS,
            "partial": partial,
        }


def first_rows(asked: Question) -> dict[str, Any]:
    """Give the first page."""
    part = asked.part()
    shown = _Shown(asked, part)
    rows = [shown.row(*item) for item in enumerate(asked.data_sets.rows(part, 0, MAX_ROWS))]
    return {
        **asked.named(part),
        "features": as_list(shown.features),
        "rows": rows,
        "truncated": len(rows) == MAX_ROWS and part.rows != MAX_ROWS,
    }


def rows(asked: Question) -> dict[str, Any]:
    """Give the rows from a place."""
    part, (offset, length) = asked.part(), _page(asked)
    shown = _Shown(asked, part)
    rows = asked.data_sets.rows(part, offset, length)
    return shown.page([shown.row(*item) for item in enumerate(rows, offset)], part.rows)


def search(asked: Question) -> dict[str, Any]:
    """Give rows with all words somewhere in their text."""
    part = asked.part()
    words = needed(asked.fields, "query")[:_MAX_QUERY].casefold().split()

    def fits(row: Mapping[str, Any]) -> bool:
        text = " ".join(_texts(row)).casefold()
        return all(word in text for word in words)

    return _found(asked, part, fits)


def filtered(asked: Question) -> dict[str, Any]:
    """Give rows of which a condition is true, or all, in their own order or that of a column."""
    part, by = asked.part(), asked.fields.get("orderby", ("",))[-1]
    if by and not asked.fields.get("where", ("",))[-1]:
        return _ordered(asked, part, lambda row: True, by)
    condition = parse_where(needed(asked.fields, "where"))

    def fits(row: Row) -> bool:
        return condition(row) is True

    return _ordered(asked, part, fits, by) if by else _found(asked, part, fits)


def _found(asked: Question, part: Part, fits: Callable[[Row], bool]) -> dict[str, Any]:
    """Read rows until the time is up; those that fit and are on the page are told."""
    offset, length = _page(asked)
    shown = _Shown(asked, part)
    walk, found, total, late = Walk(), list[dict[str, Any]](), 0, False
    for index, row in enumerate(asked.data_sets.walk(part, walk)):
        if fits(row):
            total += 1
            if offset < total <= offset + length:
                found.append(shown.row(index, row))
        if late := walk.is_late:
            break
    return shown.page(found, total, partial=late)


def _ordered(asked: Question, part: Part, fits: Callable[[Row], bool], by: str) -> dict[str, Any]:
    """Put all rows that fit in order, then read those of the page."""
    offset, length = _page(asked)
    shown = _Shown(asked, part)

    def read(walk: Walk) -> Iterator[Row]:
        return asked.data_sets.walk(part, walk)

    numbers = in_order(parse_order(by, list(shown.features)), read, fits)
    page = numbers[offset : offset + length]
    rows = zip(page, rows_at(read, page), strict=True)
    return shown.page([shown.row(*item) for item in rows], len(numbers))


def statistics(asked: Question) -> dict[str, Any]:
    """Give figures of every column, made once for the same files."""
    part = asked.part()
    return asked.data_sets.remembered.get(
        f"statistics {part.identity}", lambda: describe(asked.data_sets, part)
    )


def asset(asked: Question) -> Asset:
    """Give the bytes of a cell of the commit that was told; of another one the cell may differ."""
    part, row = asked.part(), number(asked.fields, "row", 0)
    if needed(asked.fields, "revision") != asked.data_set.manifest.commit:
        raise HubError(404, "AssetNotFoundError", "The dataset has changed: ask for its rows again")
    needed(asked.fields, "cell")
    return find_asset(asked.data_sets, part, row, tuple(asked.fields["cell"]))


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list) and depth < _MAX_DEPTH:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item, depth + 1)


def _page(asked: Question) -> tuple[int, int]:
    offset = number(asked.fields, "offset", 0)
    length = number(asked.fields, "length", MAX_ROWS)
    if length > MAX_ROWS:
        message = f"Parameter 'length' must not be greater than {MAX_ROWS}"
        raise HubError(422, "InvalidParameterError", message)
    return offset, length
