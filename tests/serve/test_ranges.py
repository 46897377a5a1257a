"""Which bytes a request wants, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.serve.ranges import Span, Wanted, what_is_wanted

ETAG = "a" * 40
HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Wanted(200, Span(0, 10))),
        ("bytes=0-0", Wanted(206, Span(0, 1))),
        ("bytes=2-4", Wanted(206, Span(2, 5))),
        ("bytes=2-", Wanted(206, Span(2, 10))),
        ("bytes=-3", Wanted(206, Span(7, 10))),
        ("bytes=-30", Wanted(206, Span(0, 10))),
        ("bytes=2-99", Wanted(206, Span(2, 10))),
        (f"bytes=2-{HUGE}", Wanted(206, Span(2, 10))),
        ("Bytes = 1-2", Wanted(206, Span(1, 3))),
        ("bytes=10-", Wanted(416, Span(10, 10))),
        (f"bytes={HUGE}-", Wanted(416, Span(10, 10))),
        ("bytes=-0", Wanted(416, Span(10, 10))),
        ("bytes=4-2", Wanted(200, Span(0, 10))),
        ("bytes=-", Wanted(200, Span(0, 10))),
        ("bytes=0-1,3-4", Wanted(200, Span(0, 10))),
        ("bytes=-1-2", Wanted(200, Span(0, 10))),
        ("bytes=٣-٤", Wanted(200, Span(0, 10))),
        ("lines=0-1", Wanted(200, Span(0, 10))),
    ],
)
def test_a_range_of_ten_bytes(text: str, wanted: Wanted) -> None:
    assert wanted == what_is_wanted({"range": text}, ETAG, 10)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": f'"{ETAG}"'}, 304),
        ({"if-none-match": f'W/"{ETAG}"'}, 304),
        ({"if-none-match": f'"other", "{ETAG}"', "range": "bytes=0-1"}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": ETAG}, 200),
        ({"if-range": f'"{ETAG}"', "range": "bytes=0-1"}, 206),
        ({"if-range": f'W/"{ETAG}"', "range": "bytes=0-1"}, 200),
        ({"if-range": '"other"', "range": "bytes=0-1"}, 200),
        ({"if-range": "Sat, 01 Jan 2022 00:00:00 GMT", "range": "bytes=0-1"}, 200),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert status == what_is_wanted(headers, ETAG, 10).status


def test_an_empty_file_has_no_range() -> None:
    assert 416 == what_is_wanted({"range": "bytes=0-0"}, ETAG, 0).status
    assert 416 == what_is_wanted({"range": "bytes=-1"}, ETAG, 0).status


@given(st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True), st.integers(0, 2**53))
def test_a_span_is_always_inside_the_file(text: str, size: int) -> None:
    wanted = what_is_wanted({"range": text}, ETAG, size)
    assert 0 <= wanted.span.start <= wanted.span.end <= size
    assert (wanted.status == 206) <= (wanted.span.start < wanted.span.end)
