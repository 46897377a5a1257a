"""Whatever is typed is a query or a UsageError, and a query is its text."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import assume, given
from hypothesis import strategies as st

from mirror.catalog import Query, parse_query
from mirror.catalog.fields import FIELDS, NAMES, SORTS
from mirror.catalog.query.query import Between, OneOf
from mirror.errors import UsageError

#: What means something to the parser, and what has been trouble elsewhere.
_PIECES = st.sampled_from(
    [
        *NAMES, *SORTS, ":", ",", "+", "-", '"', "\\", "..", "<", ">", "<=", ">=", "=", " ", "\t",
        "1B", "7b", "2GB", "1.5", "1_000", "2024-06", "2026-08-01T10:20:30Z", "9999", "0000",
        "ko", "zh-Hant", "Korean", "no", "Apache License 2.0", "c++", "text classification",
        "기계독해", "기계 독해", "日本語", "ＢＥＲＴ", "\u202eabc", "\0", "\ud800",
        "https://huggingface.co/a/b", "datasets/a/b", "arxiv:1810.04805", "%", "_", "*", "NEAR(",
        "30d", "today", "*", "\u201c", "\u2212", "\uff1a",
        "12:30", "'; DROP TABLE repos; --",
    ]
)  # fmt: skip
QUERIES = st.lists(_PIECES | st.text(max_size=6), max_size=14).map("".join)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | QUERIES


def parsed(text: str, **options: object) -> Query | None:
    try:
        return parse_query(text, **options)  # type: ignore[arg-type]
    except UsageError as error:
        assert str(error)
        str(error).encode()  # can be printed
        error.as_json()
        return None


@given(QUERIES | st.text())
def test_any_text_is_a_query_or_an_error(text: str) -> None:
    parsed(text)


@given(QUERIES)
def test_a_query_is_read_back_from_its_text(text: str) -> None:
    query = parsed(text)
    if query is not None and len(str(query)) <= 1_000:
        assert parse_query(str(query)) == query
        assert str(parse_query(str(query))) == str(query)


@given(QUERIES, QUERIES)
def test_the_order_of_filters_does_not_matter(one: str, other: str) -> None:
    first, second = parsed(f"{one} {other}"), parsed(f"{other} {one}")
    if first is not None and second is not None and one.count('"') % 2 == 0 == other.count('"') % 2:
        assert {item.field for item in first.filters} == {item.field for item in second.filters}


@given(st.dictionaries(st.sampled_from([*NAMES, "nothing"]), VALUES | st.lists(VALUES, max_size=3)))
def test_any_option_is_a_query_or_an_error(options: dict[str, object]) -> None:
    query = parsed("", **options)
    if query is not None:
        assert {item.field for item in query.filters} <= FIELDS.keys()


@given(
    st.sampled_from(list(NAMES)), QUERIES.filter(lambda text: not any(c.isspace() for c in text))
)
def test_an_option_is_the_same_as_its_key(name: str, value: str) -> None:
    assume(value.isprintable() and not any(c == '"' or c.isspace() for c in value))
    by_option, by_key = parsed("", **{name: value}), parsed(f"{name}:{value}")
    assert by_option == by_key


#: (text, what it holds) of some ranges of a small number.
_NUMBERS = st.integers(0, 30)
_RANGES: st.SearchStrategy[tuple[str, Callable[[int], bool]]] = st.one_of(
    _NUMBERS.map(lambda n: (f"{n}", lambda value: value == n)),
    _NUMBERS.map(lambda n: (f"<{n}", lambda value: value < n)),
    _NUMBERS.map(lambda n: (f">={n}", lambda value: value >= n)),
    st.tuples(_NUMBERS, _NUMBERS).map(
        lambda two: (f"{min(two)}..{max(two)}", lambda value: min(two) <= value <= max(two))
    ),
    st.just(("*", lambda value: True)),
)


@given(st.lists(_RANGES, min_size=1, max_size=5), st.booleans())
def test_one_of_several_ranges_fits(
    ranges: list[tuple[str, Callable[[int], bool]]], excluded: bool
) -> None:
    text = f"{'-' if excluded else ''}likes:{','.join(written for written, _ in ranges)}"
    query = parse_query(text)

    for value in range(35):
        expected = any(holds(value) for _, holds in ranges) is not excluded
        assert expected == all(_fits(item, value) for item in query.filters), value


def _fits(item: OneOf | Between, value: int) -> bool:
    assert isinstance(item, Between)
    assert not isinstance(item.low, str) and not isinstance(item.high, str)
    inside = (item.low is None or value >= item.low) and (item.high is None or value < item.high)
    return inside is not item.excluded
