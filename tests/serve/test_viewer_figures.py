"""Figures of columns, against numpy and plain Python."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.serve.viewer.figures import Tally, figures_of

# Few numbers, so that many lie on the edge of a bin.
WHOLE = st.lists(st.none() | st.integers(0, 30) | st.integers(-(2**53), 2**53), max_size=60)
REAL = st.lists(
    st.none() | st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0]),
    max_size=60,
)
TEXTS = st.lists(st.none() | st.text(max_size=6) | st.sampled_from(["한국어", "👩🏽", "é"]))


def told(chunks: list[Any], names: list[str] | None = None) -> tuple[str, dict[str, Any]] | None:
    """Give the figures of a column that comes in chunks."""
    tally = Tally()
    for chunk in chunks:
        tally.add(chunk)
    found = figures_of(tally, sum(map(len, chunks)), names)
    json.dumps(found, allow_nan=False)
    return found


def halves(values: list[Any], kind: str) -> list[Any]:
    middle = len(values) // 2
    return [pyarrow.array(part, kind) for part in (values[:middle], values[middle:])]


def check(found: dict[str, Any], values: list[Any], rows: int) -> None:
    """Compare with numpy."""
    share = round((rows - len(values)) / rows, 5) if rows else 0.0
    assert (rows - len(values), share) == (found["nan_count"], found["nan_proportion"])
    if not values:
        assert {None} == {found[name] for name in ("min", "max", "mean", "median", "std")}
        assert found["histogram"] is None
        return
    array = np.array(values, dtype=float)
    near = {"rel": 1e-9, "abs": 1e-5}
    assert pytest.approx(array.min(), **near) == found["min"]
    assert pytest.approx(array.max(), **near) == found["max"]
    assert pytest.approx(array.mean(), rel=1e-9, abs=1e-3) == found["mean"]
    assert pytest.approx(np.median(array), **near) == found["median"]
    if len(values) == 1:
        assert found["std"] is None
    else:
        assert pytest.approx(array.std(ddof=1), rel=1e-6, abs=1e-3) == found["std"]
    assert len(values) == sum(found["histogram"]["hist"])
    assert len(found["histogram"]["hist"]) + 1 == len(found["histogram"]["bin_edges"])


@given(WHOLE)
def test_whole_numbers(values: list[int | None]) -> None:
    found = told(halves(values, "int64"))
    assert found is not None
    assert "int" == found[0]
    there = [value for value in values if value is not None]
    check(found[1], there, len(values))
    if there:
        edges = found[1]["histogram"]["bin_edges"]
        assert (min(there), max(there)) == (edges[0], edges[-1])
        assert len(edges) <= 11
        expected = [
            sum(low <= value < high for value in there) for low, high in pairwise(edges[:-1])
        ]
        assert [*expected, len(there) - sum(expected)] == found[1]["histogram"]["hist"]
        assert len({high - low for low, high in pairwise(edges[:-1])}) <= 1


@given(REAL)
def test_floating_numbers(values: list[float | None]) -> None:
    found = told(halves(values, "float64"))
    assert found is not None
    assert "float" == found[0]
    check(found[1], [v for v in values if v is not None and math.isfinite(v)], len(values))


def test_a_number_on_an_edge_belongs_to_the_bin_above() -> None:
    found = told([pyarrow.array([*range(11)] * 2)])
    assert found is not None
    assert {"hist": [4, 4, 4, 4, 4, 2], "bin_edges": [0, 2, 4, 6, 8, 10, 10]} == found[1][
        "histogram"
    ]


def test_the_histogram_of_floats_is_that_of_numpy() -> None:
    values = np.random.default_rng(1).normal(50, 9, 5_000).tolist()
    found = told(halves(values, "float64"))
    assert found is not None
    hist, edges = np.histogram(values, bins=10)
    assert hist.tolist() == found[1]["histogram"]["hist"]
    assert [round(edge, 5) for edge in edges.tolist()] == found[1]["histogram"]["bin_edges"]


@given(TEXTS)
def test_texts_are_labels_or_lengths(values: list[str | None]) -> None:
    found = told(halves(values, "string"))
    assert found is not None
    there = [value for value in values if value is not None]
    different = len(set(values))
    if different <= 10 or different <= 0.2 * len(values):
        assert "string_label" == found[0]
        counts = Counter(there)
        assert (dict(counts), len(counts)) == (found[1]["frequencies"], found[1]["n_unique"])
        assert len(values) - len(there) == found[1]["nan_count"]
    else:
        assert "string_text" == found[0]
        check(found[1], [len(value) for value in there], len(values))


@pytest.mark.parametrize(
    ("different", "rows", "expected"),
    [(10, 10, "string_label"), (11, 11, "string_text"), (20, 100, "string_label"),
     (21, 100, "string_text"), (1_000, 5_000, "string_label"), (1_001, 6_000, "string_text")],
)  # fmt: skip
def test_where_labels_end(different: int, rows: int, expected: str) -> None:
    values = [f"값 {number % different}" for number in range(rows)]
    found = told([pyarrow.array(values)])
    assert found is not None
    assert expected == found[0]


def test_labels_of_many_characters_are_texts() -> None:
    found = told([pyarrow.array(["x" * 600_000, "y" * 600_000])])
    assert found is not None
    assert "string_text" == found[0]


@given(st.lists(st.none() | st.integers(-1, 2)))
def test_class_labels(values: list[int | None]) -> None:
    found = told(halves(values, "int8"), ["부정", "neutral", "긍정"])
    assert found is not None
    kind, figures = found
    assert "class_label" == kind
    counts = [values.count(number) for number in range(3)]
    assert dict(zip(["부정", "neutral", "긍정"], counts, strict=True)) == figures["frequencies"]
    assert (values.count(-1), values.count(None), 3) == (
        figures["no_label_count"], figures["nan_count"], figures["n_unique"],
    )  # fmt: skip


def test_numbers_that_no_label_has_are_numbers() -> None:
    found = told([pyarrow.array([0, 1, 7])], ["no", "yes"])
    assert found is not None
    assert "int" == found[0]


@given(st.lists(st.none() | st.lists(st.integers(-(10**38) + 1, 10**38 - 1), max_size=15)))
def test_lists_by_their_length(values: list[list[int] | None]) -> None:
    found = told([pyarrow.array(values, pyarrow.list_(pyarrow.decimal128(38)))])
    assert found is not None
    assert "list" == found[0]
    check(found[1], [len(value) for value in values if value is not None], len(values))


@given(st.lists(st.none() | st.datetimes(), min_size=1))
def test_points_in_time(values: list[datetime | None]) -> None:
    seconds = [value.replace(microsecond=0) for value in values if value is not None]
    cut = [None if value is None else value.replace(microsecond=0) for value in values]
    found = told([pyarrow.array(cut, pyarrow.timestamp("s"))])
    assert found is not None
    assert "datetime" == found[0]
    if not seconds:
        assert found[1]["min"] is None
        return
    least = min(seconds)
    assert (least.strftime("%Y-%m-%d %H:%M:%S"), len(seconds)) == (
        found[1]["min"], sum(found[1]["histogram"]["hist"]),
    )  # fmt: skip


def test_the_deviation_of_points_in_time_is_a_duration() -> None:
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    found = told([pyarrow.array(days, pyarrow.timestamp("s", "UTC"))])
    assert found is not None
    assert str(timedelta(days=1)) == found[1]["std"]
    edges = found[1]["histogram"]["bin_edges"]
    assert ("2026-01-01 00:00:00+0000", "2026-01-03 00:00:00+0000") == (edges[0], edges[-1])


def test_points_in_time_have_their_zone() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = told([pyarrow.array([moment], pyarrow.timestamp("us", "Asia/Seoul"))])
    assert found is not None
    assert "2026-01-02 12:04:05+0900" == found[1]["min"]
    odd = told([pyarrow.array([moment], pyarrow.timestamp("us", "+09:00"))])
    assert odd is not None
    assert "2026-01-02 03:04:05+0000" == odd[1]["max"]
    days = told([pyarrow.array([date(2026, 1, 2)])])
    assert days is not None
    assert "2026-01-02 00:00:00" == days[1]["median"]


def test_times_beyond_the_calendar_have_no_figures() -> None:
    assert told([pyarrow.array([2**62], pyarrow.timestamp("s"))]) is None


def test_chunks_of_several_kinds() -> None:
    both = told([pyarrow.array([1, None]), pyarrow.array([2.5]), pyarrow.array([None, None])])
    assert both is not None
    assert ("float", 3, 1.75) == (both[0], both[1]["nan_count"], both[1]["mean"])
    assert told([pyarrow.array([1]), pyarrow.array(["a"])]) is None
    assert told([pyarrow.array([{"a": 1}])]) is None
    assert told([pyarrow.array([b"raw"])]) is None
    assert told([pyarrow.nulls(3)]) is None


@pytest.mark.parametrize(
    "array",
    [
        pyarrow.array([2**64 - 1, 0], "uint64"),
        pyarrow.array([-1.7e308, 1.7e308]),
        pyarrow.array([5e-324, 1e-323]),
        pyarrow.array([0.5, None], "float16"),
        pyarrow.array(["a", None, "a"]).dictionary_encode(),
        pyarrow.array(["a", None], "large_string"),
        pyarrow.array([[1], None], pyarrow.list_(pyarrow.int8(), 1)),
        pyarrow.array([-(2**63), 2**63 - 1]),
        pyarrow.array([True, None, False]),
    ],
    ids=lambda array: str(array.type),
)
def test_extremes_have_figures(array: Any) -> None:
    found = told([array])
    assert found is not None
    if found[1].get("histogram"):
        assert len(array) - array.null_count == sum(found[1]["histogram"]["hist"])
