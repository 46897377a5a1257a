"""What was asked for in vain: counted, bounded, summed up, and read from strangers."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.bundle.wishes.misses import (
    KEPT_FOR,
    MAX_KEPT,
    MAX_NAMED,
    MAX_REPOS,
    Asked,
    Tally,
    Times,
    asked_for,
    by_repo,
    decode_missed,
    decode_tally,
    encode_tally,
)
from mirror.names import RepoKey, RepoType

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
NOW = datetime.fromisoformat("2026-05-01T10:00:00+00:00")
TIME = NOW.isoformat()


def key(number: int) -> RepoKey:
    return RepoKey(RepoType.MODEL, f"acme/model-{number}")


def times(count: int = 1, last: datetime = NOW) -> Times:
    return Times(count, TIME, last.isoformat(timespec="seconds"))


def nothing_is_here(_: Asked) -> bool:
    return False


class TestTally:
    def test_adds_up(self) -> None:
        later = (NOW + timedelta(hours=1)).isoformat()
        one = Tally({Asked(KLUE): Times(2, TIME, TIME), Asked(key(1)): times()})
        two = Tally({Asked(KLUE): Times(3, later, later)})

        assert {Asked(KLUE): Times(5, TIME, later), Asked(key(1)): times()} == dict(
            (one + two).misses
        )
        assert (one + two) == (two + one)

    def test_comes_back_from_its_file(self) -> None:
        tally = Tally({Asked(KLUE, "v1", "한국어/a b.txt"): times(7), Asked(key(1)): times()})
        assert tally == decode_tally(encode_tally(tally))

    def test_keeps_what_is_asked_for_most(self) -> None:
        full = Tally({Asked(key(n)): times(1 + n % 7) for n in range(MAX_KEPT + 500)})

        kept = full.bounded(NOW)

        assert MAX_KEPT == len(kept.misses)
        dropped = full.misses.keys() - kept.misses.keys()
        assert {1} == {full.misses[asked].count for asked in dropped}

    def test_forgets_what_nobody_asks_for_again(self) -> None:
        old = times(99, NOW - KEPT_FOR - timedelta(seconds=1))
        tally = Tally({Asked(KLUE): old, Asked(key(1)): times(1, NOW - KEPT_FOR)})
        assert [Asked(key(1))] == list(tally.bounded(NOW).misses)

    @pytest.mark.parametrize(
        "data",
        [b"", b"{", b"[]", b'{"format": 2, "misses": []}', b'{"format": 1}', b"\xff", b"[" * 9_999],
        ids=["empty", "cut", "list", "newer", "bare", "latin", "deep"],
    )  # fmt: skip
    def test_a_file_that_is_none_counts_nothing(self, data: bytes) -> None:
        assert Tally() == decode_tally(data)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_read(self, data: bytes) -> None:
        decode_tally(b'{"format": 1, "misses": [' + data + b"]}")

    def test_names_that_upstream_cannot_have_are_no_misses(self) -> None:
        assert Asked(KLUE, "v1.0") == asked_for(KLUE, "v1.0", None)
        for revision, path in [("a..b", None), ("x" * 300, None), ("v1", "../x"), ("\ud800", None)]:
            assert asked_for(KLUE, revision, path) is None


class TestByRepo:
    def test_one_line_a_repo_the_most_wanted_first(self) -> None:
        tally = Tally(
            {
                Asked(key(1)): times(4),
                Asked(KLUE, "v1"): times(2),
                Asked(KLUE, "main", "big.bin"): times(3),
            }
        )

        found = by_repo(tally, nothing_is_here)

        assert [KLUE, key(1)] == [one.repo for one in found]
        assert (5, False, ("v1",), ("big.bin",)) == (
            found[0].count, found[0].whole, found[0].revisions, found[0].files,
        )  # fmt: skip
        assert (4, True, (), ()) == (
            found[1].count, found[1].whole, found[1].revisions, found[1].files,
        )  # fmt: skip

    def test_what_has_come_meanwhile_is_left_out(self) -> None:
        tally = Tally({Asked(KLUE, "v1"): times(2), Asked(key(1)): times()})
        assert [KLUE] == [one.repo for one in by_repo(tally, lambda asked: asked.repo == key(1))]

    def test_is_bounded(self) -> None:
        tally = Tally(
            {Asked(key(n)): times(1 + n) for n in range(MAX_REPOS + 9)}
            | {Asked(key(999), f"v{n:02}"): times(999) for n in range(MAX_NAMED + 9)}
        )

        found = by_repo(tally, nothing_is_here)

        assert MAX_REPOS == len(found)
        assert (key(999), MAX_NAMED) == (found[0].repo, len(found[0].revisions))
        assert key(8) not in {one.repo for one in found}


class TestOfAStranger:
    GOOD: ClassVar = {
        "repo": "models/acme/x",
        "count": 3,
        "first": TIME,
        "last": TIME,
        "whole": True,
    }

    def test_comes_back(self) -> None:
        for one in by_repo(
            Tally({Asked(KLUE, "v1", "a.txt"): times(2), Asked(key(1)): times()}), nothing_is_here
        ):
            assert one == decode_missed(json.loads(json.dumps(one.as_json())))

    @pytest.mark.parametrize(
        "change",
        [
            {"repo": "acme/x"}, {"repo": "models/../x"}, {"repo": None}, {"count": 0},
            {"count": -1}, {"count": True}, {"count": 2**60}, {"count": "3"}, {"count": 1.5},
        ],
        ids=str,
    )  # fmt: skip
    def test_what_is_none(self, change: dict[str, Any]) -> None:
        assert decode_missed(self.GOOD) is not None
        assert decode_missed({**self.GOOD, **change}) is None

    def test_names_that_are_none_are_left_out(self) -> None:
        named = {"revisions": ["v1", "a b", 3, "x\x1b"], "files": ["a", "../b", None, "c\u202e"]}
        found = decode_missed({**self.GOOD, **named, "last": "\x1b[2J"})
        assert found is not None
        assert (("v1",), ("a",), "") == (found.revisions, found.files, found.last)
