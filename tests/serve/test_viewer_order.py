"""``orderby``: against Python's own sorting, and its refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.serve.errors import HubError
from mirror.serve.viewer import order as viewer_order
from mirror.serve.viewer.files import Row, Walk
from mirror.serve.viewer.order import Order, in_order, parse_order, rows_at


def reader(rows: list[Row]) -> Callable[[Walk], Iterator[Row]]:
    return lambda walk: islice(rows, walk.left, None)


def every(row: Row) -> bool:
    return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"age"', Order("age")),
        ("age", Order("age")),
        ("나이", Order("나이")),
        (' "age"  desc ', Order("age", True)),
        ('"age" ASC', Order("age")),
        ('"an ""odd"" name" DESC', Order('an "odd" name', True)),
        ('"desc"', Order("desc")),
    ],
)
def test_orders_are_read(text: str, expected: Order) -> None:
    assert expected == parse_order(text, ["age", "나이", 'an "odd" name', "desc"])


@pytest.mark.parametrize(
    "text",
    ['"none"', '"age", "b"', "age; drop table", "age DOWN", '"age', "1", "", "lower(age)",
     '"age" DESC NULLS FIRST', "a" * 501],
)  # fmt: skip
def test_other_orders_are_refused(text: str) -> None:
    with pytest.raises(HubError) as caught:
        parse_order(text, ["age", "b"])
    assert (422, "InvalidParameterError") == (caught.value.status, caught.value.code)


@given(st.lists(st.none() | st.integers() | st.floats(allow_nan=False)), st.booleans())
def test_rows_are_in_order_and_those_without_a_value_last(values: list[Any], falling: bool) -> None:
    read = reader([{"a": value} for value in values])
    found = in_order(Order("a", falling), read, every)
    there = [n for n, value in enumerate(values) if value is not None]
    expected = sorted(there, key=lambda n: values[n], reverse=falling)
    empty = [n for n, value in enumerate(values) if value is None]
    assert [*expected, *empty] == found
    page = found[1:4]
    rows = [row["a"] for row in rows_at(read, page)]
    assert [values[number] for number in page] == rows


@given(st.lists(st.text(max_size=5) | st.booleans() | st.dates() | st.floats(), max_size=30))
def test_values_of_several_kinds_have_an_order(values: list[Any]) -> None:
    found = in_order(Order("a"), reader([{"a": value} for value in values]), every)
    assert list(range(len(values))) == sorted(found)


def test_what_is_no_number_is_the_greatest() -> None:
    rows: list[Row] = [{"a": math.nan}, {"a": math.inf}, {"a": 1}, {}]
    assert [2, 1, 0, 3] == in_order(Order("a"), reader(rows), every)
    assert [0, 1, 2, 3] == in_order(Order("a", True), reader(rows), every)


def test_dates_are_in_order_of_time() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in (40, 3, 300)]
    assert [1, 0, 2] == in_order(Order("a"), reader([{"a": day} for day in days]), every)


def test_what_has_no_order_is_refused() -> None:
    with pytest.raises(HubError, match="no order"):
        in_order(Order("a"), reader([{"a": [1]}]), every)


@pytest.mark.parametrize(("name", "most"), [("MAX_ROWS", 5), ("MAX_TEXT", 20)])
def test_too_much_to_be_put_in_order_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    rows: list[Row] = [{"a": "xxxxx"} for _ in range(9)]
    assert 9 == len(in_order(Order("a"), reader(rows), every))
    monkeypatch.setattr(viewer_order, name, most)
    with pytest.raises(HubError) as caught:
        in_order(Order("a"), reader(rows), every)
    assert 501 == caught.value.status
