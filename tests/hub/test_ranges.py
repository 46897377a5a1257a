from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.hub import ranges
from mirror.hub.ranges import Claim, Range, Segments, gaps, merged, parse_journal

spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 60)).map(lambda it: (it[0], it[0] + it[1])),
    max_size=12,
)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SMALLEST", 8)
    monkeypatch.setattr(ranges, "LARGEST", 64)


@given(spans)
def test_merged_ranges_cover_the_same_bytes_and_do_not_touch(given_spans: list[Range]) -> None:
    joined = list(merged(given_spans))
    assert _bytes(joined) == _bytes(given_spans)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(joined))


@given(spans)
def test_gaps_are_what_is_not_done(done: list[Range]) -> None:
    size = max([100, *(end for _, end in done)])
    assert _bytes(gaps(size, done)) == set(range(size)) - _bytes(done)


@given(spans, st.integers(0, 2**32))
def test_every_byte_is_fetched_exactly_once(done: list[Range], seed: int) -> None:
    """However many connections there are, and whatever they do, none fetches another's bytes."""
    size, chance = 300, random.Random(seed)
    segments = Segments(size, done)
    fetched = _bytes(done)
    claims: list[Claim] = []
    while segments.remaining:
        connections = chance.randint(1, 5)
        if len(claims) < connections and (claim := segments.claim(connections)):
            claims.append(claim)
        claim = chance.choice(claims)
        step = min(chance.randint(0, 50), claim.end - claim.position)
        new = set(range(claim.position, claim.position + step))
        assert not new & fetched
        fetched |= new
        claim.position += step
        assert _prefix(fetched) == segments.frontier
        if claim.position == claim.end:
            segments.extend(claim, chance.randint(claim.end, size), connections)
        if claim.position == claim.end or chance.random() < 0.3:
            segments.release(claim)
            claims.remove(claim)
    assert fetched == set(range(size))


def test_one_connection_asks_for_the_whole_at_once() -> None:
    claim = Segments(1000).claim(1)
    assert claim is not None
    assert (claim.position, claim.end) == (0, 1000)


def test_a_second_connection_takes_from_the_first_one() -> None:
    segments = Segments(400)
    first = segments.claim(1)
    second = segments.claim(2)
    assert first is not None
    assert second is not None
    assert first.end == second.position == 64
    assert second.end == 128


def test_what_is_too_small_is_not_shared() -> None:
    segments = Segments(15)
    segments.claim(1)
    assert segments.claim(2) is None


def test_the_frontier_is_the_end_when_the_last_part_is_there_but_not_yet_given_back() -> None:
    segments = Segments(100)
    claim = segments.claim(1)
    assert claim is not None
    claim.position = claim.end
    assert segments.frontier == 100


def test_restart_forgets_what_was_there() -> None:
    segments = Segments(100, [(0, 50)])
    claim = segments.claim(1)
    assert claim is not None
    segments.restart(claim)
    assert segments.remaining == 100
    assert segments.frontier == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ()),
        (b"0 10\n", ((0, 10),)),
        (b"10 20\n0 10\n", ((0, 20),)),
        (b"0 10\n5 30\n40 50\n", ((0, 30), (40, 50))),
        (b"0 10\n20 3", ((0, 10),)),  # torn
        (b"0 10\n20 3\n40 50\n", ((0, 10), (40, 50))),
        (b"garbage\n\n-1 5\n7 7\n9 5\n0 1000\n\xff\xfe\n1 2 3\n2 4\n", ((2, 4),)),
        (b"0 " + b"9" * 5000 + b"\n", ()),
    ],
)
def test_a_journal_is_read_as_far_as_it_makes_sense(
    text: bytes, expected: tuple[Range, ...]
) -> None:
    assert parse_journal(text, size=100) == expected


@given(spans, st.integers(0, 2000))
def test_a_torn_journal_never_claims_more_than_was_written(done: list[Range], cut: int) -> None:
    lines = b"".join(b"%d %d\n" % span for span in done)
    assert _bytes(parse_journal(lines[:cut] + b"\n", size=300)) <= _bytes(done)


def _bytes(found: object) -> set[int]:
    return {byte for start, end in found for byte in range(start, end)}  # type: ignore[attr-defined]


def _prefix(fetched: set[int]) -> int:
    return next(byte for byte in range(len(fetched) + 1) if byte not in fetched)
