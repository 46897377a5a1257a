"""Conditions, against what SQLite says of the same rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.serve.errors import HubError
from mirror.serve.viewer.where import parse_where

ROWS: list[dict[str, Any]] = [
    {"id": 0, "n": 1, "s": "a", "x y": 0.5},
    {"id": 1, "n": 2, "s": "it's", "x y": -3.0},
    {"id": 2, "n": None, "s": "b", "x y": None},
    {"id": 3, "n": 40, "s": None, "x y": 1e3},
]
_column = st.sampled_from(["n", '"n"', '"x y"', "s"])
_sign = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
_number = st.sampled_from(["1", "-3", "0.5", "1e3", "2"])


def _comparison(column: str, sign: str, number: str) -> str:
    constant = "'it''s'" if column == "s" else number
    return f"{column} {sign} {constant}"


_atoms = st.one_of(
    st.builds(_comparison, _column, _sign, _number),
    st.builds("{} IS NULL".format, _column),
    st.builds("{} is not null".format, _column),
    st.builds("n IN (1, {})".format, _number),
    st.builds("s NOT IN ('a', 'z')".format),
)
_conditions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds("{} AND {}".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute('CREATE TABLE rows (id INTEGER, n INTEGER, s TEXT, "x y" REAL)')
    values = [tuple(row.values()) for row in ROWS]
    connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", values)
    yield connection
    connection.close()


@given(where=_conditions)
def test_a_condition_means_what_it_means_in_sql(table: sqlite3.Connection, where: str) -> None:
    expected = [number for (number,) in table.execute(f"SELECT id FROM rows WHERE {where}")]
    condition = parse_where(where)
    assert expected == [row["id"] for row in ROWS if condition(row) is True]


def test_times_are_compared_with_their_text_and_other_types_with_nothing() -> None:
    row = {"day": date(2026, 1, 2), "at": datetime(2026, 1, 2, 3, tzinfo=UTC), "list": [1]}
    assert parse_where("day = '2026-01-02' AND at > '2026-01-02'")(row) is True
    assert parse_where("list > 1 OR day > 3")(row) is None
    assert parse_where("nowhere = 1")(row) is None
    assert parse_where("true_ = true OR list IS NOT NULL")(row) is True


@pytest.mark.parametrize(
    "where",
    [
        *("n", "n =", "= 1", "n = n", "n = 1 AND", "(n = 1", "n = 1)", "n IS 1", "n IN ()", ""),
        *("n NOT = 1", "n = 1; DROP TABLE rows", "n = 'a", "\x00", "n LIKE 'a%'", "1 = 1"),
        *("NOT " * 200 + "n = 1", "(" * 200 + "n = 1" + ")" * 200, "n = 1 " * 400),
    ],
)
def test_what_is_no_condition_is_refused_with_a_reason(where: str) -> None:
    with pytest.raises(HubError, match="'where' is invalid") as caught:
        parse_where(where)
    assert 422 == caught.value.status


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_refusal(text: str) -> None:
    try:
        assert parse_where(text)({"n": 1}) in {True, False, None}
    except HubError as error:
        assert 422 == error.status
