"""``orderby`` of ``/filter``: rows in the order of one column, ``"age" DESC``.

All rows are read once for the values of that column, and once more for the rows of the
page: only the values are held. As in SQL, rows without a value come last either way. What
cannot be put in order in time and memory is refused: an order of a part would be a wrong one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mirror.serve.errors import HubError
from mirror.serve.viewer.files import Row, Walk

#: Rows that can be put in order, and the characters of their values together.
MAX_ROWS: Final = 2_000_000
MAX_TEXT: Final = 64_000_000
_MAX_ORDER: Final = 500
_ORDER: Final = re.compile(
    r"""\s*(?:"((?:[^"]|"")+)"|([^\W\d]\w*))(?:\s+(ASC|DESC))?\s*""", re.IGNORECASE
)

Key = tuple[int, Any]


@dataclass(frozen=True)
class Order:
    """By which column, and which way."""

    column: str
    falling: bool = False


def parse_order(text: str, columns: Sequence[str]) -> Order:
    """Read ``"column"``, ``"column" ASC`` or ``"column" DESC``; the quotes may be left out.

    Raises:
        HubError: 422, it is something else, or there is no such column.
    """
    match = _ORDER.fullmatch(text) if len(text) <= _MAX_ORDER else None
    if match is None:
        raise _refused('it must be the name of one column, then ASC or DESC: "name" DESC')
    column = match[1].replace('""', '"') if match[1] else match[2]
    if column not in columns:
        raise _refused(f"there is no column {column!r}; there are {', '.join(columns)}")
    return Order(column, (match[3] or "").upper() == "DESC")


def _refused(why: str) -> HubError:
    return HubError(422, "InvalidParameterError", f"Parameter 'orderby' is invalid: {why}")


def in_order(
    order: Order, read: Callable[[Walk], Iterator[Row]], fits: Callable[[Row], bool]
) -> list[int]:
    """Give the numbers of the rows that fit, in order; of equal ones the earlier first.

    Raises:
        HubError: 501, there are too many rows; 422, values that have no order.
    """
    walk, room = Walk(), MAX_TEXT
    keys: list[tuple[Key, int]] = []
    empty: list[int] = []
    for number, row in enumerate(read(walk)):
        if walk.is_late or len(keys) > MAX_ROWS or room < 0:
            raise HubError(501, "TooBigContentError", "Too many rows to put them in order in time")
        if not fits(row):
            continue
        if (value := row.get(order.column)) is None:
            empty.append(number)
        else:
            keys.append((_key(order, value), number))
            room -= len(value) if isinstance(value, str | bytes) else 0
    keys.sort(key=lambda item: item[0], reverse=order.falling)
    return [*(number for _, number in keys), *empty]


def rows_at(read: Callable[[Walk], Iterator[Row]], numbers: Sequence[int]) -> Iterator[Row]:
    """Give the rows of those numbers, in that order; reads as far as the last of them.

    Raises:
        HubError: 501, it lies too deep.
    """
    wanted, found = set(numbers), dict[int, Row]()
    if not wanted:
        return
    first, last = min(wanted), max(wanted)
    for number, row in enumerate(read(Walk(first)), first):
        if number in wanted:
            found[number] = row
        if number == last:
            break
    for number in numbers:
        if number in found:
            yield found.pop(number)


def _key(order: Order, value: Any) -> Key:
    """Numbers before texts, for columns that have both; what is no number is the greatest."""
    if isinstance(value, float) and math.isnan(value):
        return 1, 0
    if isinstance(value, bool | int | float | Decimal):
        return 0, value
    if isinstance(value, str):
        return 2, value
    if hasattr(value, "isoformat"):
        return 3, value.isoformat()
    raise _refused(f"the values of {order.column!r} have no order")
