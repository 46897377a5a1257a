"""Wishes as events: ids, what is no wish, and how all stands, in whatever order it came."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirror.bundle.head import Answer
from mirror.bundle.wishes.book import WishBook, answers_to, encode_carried, fold
from mirror.bundle.wishes.events import (
    FINAL,
    Received,
    Wish,
    answered,
    asked,
    carried,
    decided,
    decode_wish,
    make_wish,
    received,
    withdrawn,
)
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
GPT2 = RepoKey(RepoType.MODEL, "gpt2")
TIME = "2026-05-01T10:00:00+00:00"
LATER = "2026-05-02T10:00:00+00:00"
MUCH_LATER = "2026-06-01T10:00:00+00:00"
BUNDLE = "b" * 64


def wish(repo: RepoKey = KLUE, revision: str | None = None, note: str = "") -> Wish:
    return make_wish(repo, revision, lab="lab-3", by="kim", time=TIME, note=note)


def receipt(
    *wishes: Wish, number: int = 1, created: str = TIME, lab: str = "lab-3", taken: str = MUCH_LATER
) -> dict[str, Any]:
    ids = frozenset(one.id for one in wishes)
    return received(Received(f"{number:064x}", lab, created, "", ids, wishes), taken)


def states(book: WishBook) -> dict[str, str]:
    return {one.wish.name: one.state for one in (*book.ours.values(), *book.theirs.values())}


def json_of(value: Any) -> Any:
    """As it comes back from a file."""
    return json.loads(json.dumps(value))


class TestWish:
    def test_the_same_wish_has_the_same_id(self) -> None:
        assert wish().id == wish(note="another").id
        others = [wish(GPT2), wish(revision="v1.0"), replace(wish(), id="")]
        assert 4 == len({wish().id, *(other.id for other in others)})

    def test_comes_back_from_json(self) -> None:
        one = wish(revision="refs/convert/parquet", note="수업")
        assert one == decode_wish(json_of(one.as_json()))

    def test_of_no_revision(self) -> None:
        with pytest.raises(BadNameError):
            wish(revision="a b")

    def test_a_note_is_one_short_printable_line(self) -> None:
        note = wish(note="for\x1b[31m\n class\u202e 2 " + "x" * 9_000).note
        assert note.startswith("for [31m class 2 x")
        assert 500 == len(note)

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "0" * 12},
            {"repo": "models/klue/klue"},
            {"repo": "datasets/../etc"},
            {"repo": "klue/klue"},
            {"repo": 7},
            {"revision": "v2"},
            {"revision": ["main"]},
            {"revision": "../x"},
            {"revision": "\ud800"},
            {"lab": "lab-4"},
            {"lab": None},
            {"time": LATER},
            {"time": "\x1b[2J"},
            {"note": {}},
            {"by": None},
        ],
        ids=str,
    )
    def test_what_its_id_does_not_prove_is_none(self, change: Mapping[str, Any]) -> None:
        assert decode_wish({**wish().as_json(), **change}) is None

    @pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"id": 1}], ids=str)
    def test_what_is_none_at_all(self, value: object) -> None:
        assert decode_wish(value) is None


class TestInTheLab:
    def test_from_open_to_sent(self) -> None:
        events = [asked(wish())]
        assert {"datasets/klue/klue": "open"} == states(fold(events))
        events.append(carried("r" * 64, LATER, [wish().id]))
        assert {"datasets/klue/klue": "carried"} == states(fold(events))
        for state in ("pending", "approved", "sent"):
            answer = Answer(id=wish().id, repo=str(KLUE), state=state, note="soon")
            events.append(answered(answer, BUNDLE, LATER))
            assert {"datasets/klue/klue": state} == states(fold(json_of(events)))
        assert () == fold(events).to_carry

    def test_an_answer_stays_when_it_is_carried_again(self) -> None:
        answer = Answer(id=wish().id, repo=str(KLUE), state="pending")
        events = [asked(wish()), answered(answer, BUNDLE, TIME), carried("r", LATER, [wish().id])]
        assert {"datasets/klue/klue": "pending"} == states(fold(events))

    def test_what_is_withdrawn_is_not_carried_nor_answered(self) -> None:
        answer = Answer(id=wish().id, repo=str(KLUE), state="approved")
        events = [asked(wish()), withdrawn(wish().id, TIME, "kim"), answered(answer, BUNDLE, TIME)]
        assert {"datasets/klue/klue": "withdrawn"} == states(fold(events))
        assert () == fold(events).to_carry

    def test_an_answer_to_nobody_s_wish_is_passed_over(self) -> None:
        answer = Answer(id="f" * 12, repo=str(KLUE), state="approved")
        assert WishBook() == fold([answered(answer, BUNDLE, TIME)])


class TestOnTheConnectedSide:
    def test_pending_until_somebody_decides(self) -> None:
        events = [receipt(wish(), wish(GPT2))]
        assert ["pending", "pending"] == [one.state for one in fold(events).pending]
        events.append(decided("approved", LATER, "lee", "", wish=wish().id))
        events.append(decided("declined", LATER, "lee", "too large", wish=wish(GPT2).id))
        book = fold(json_of(events))
        assert {"datasets/klue/klue": "approved", "models/gpt2": "declined"} == states(book)
        assert ("too large", "lee") == (
            book.theirs[wish(GPT2).id].note,
            book.theirs[wish(GPT2).id].by,
        )

    def test_a_newer_receipt_without_it_withdraws_what_waits(self) -> None:
        first, second = receipt(wish(), wish(GPT2)), receipt(wish(), number=2, created=LATER)
        approved = decided("approved", TIME, "lee", "", wish=wish(GPT2).id)
        assert {"datasets/klue/klue": "pending", "models/gpt2": "withdrawn"} == states(
            fold([first, second])
        )
        assert "approved" == states(fold([first, approved, second]))["models/gpt2"]

    def test_a_wish_that_is_known_is_told_by_its_id(self) -> None:
        what = Received("2" * 64, "lab-3", LATER, "", frozenset([wish().id]), (wish(),))
        event = received(what, MUCH_LATER, {wish().id})
        assert ([wish().id], []) == (event["ids"], event["wishes"])
        book = fold([receipt(wish(), wish(GPT2)), event])
        assert {"datasets/klue/klue": "pending", "models/gpt2": "withdrawn"} == states(book)
        assert "2" * 64 == book.theirs[wish().id].receipt

    def test_a_lab_whose_clock_was_ahead_is_heard_again(self) -> None:
        ahead = receipt(wish(), created="2039-01-01T00:00:00+00:00", taken=TIME)
        right = receipt(wish(), wish(GPT2), number=2, created=LATER)
        assert ["pending", "pending"] == list(states(fold([ahead, right])).values())

    def test_another_lab_s_copy_keeps_no_wish_alive(self) -> None:
        events = [receipt(wish()), receipt(wish(), number=2, lab="lab-4")]
        assert ["pending"] == list(states(fold(events)).values())
        events.append(receipt(number=3, created=LATER))
        assert ["withdrawn"] == list(states(fold(events)).values())

    def test_of_two_of_the_same_second_the_one_that_came_last_counts(self) -> None:
        full, less = receipt(wish(), wish(GPT2)), receipt(wish(), number=2)
        assert "withdrawn" == states(fold([full, less]))["models/gpt2"]
        assert "pending" == states(fold([less, full]))["models/gpt2"]
        assert "withdrawn" == states(fold([full, less, full]))["models/gpt2"], "it came before"

    def test_the_receipt_of_another_lab_withdraws_nothing(self) -> None:
        other = receipt(number=2, created=LATER, lab="lab-4")
        assert ["pending"] == list(states(fold([receipt(wish()), other])).values())

    def test_a_copied_wish_stays_that_of_who_came_first(self) -> None:
        book = fold([receipt(wish()), receipt(wish(), number=2, created=LATER, lab="lab-4")])
        assert ["lab-3"] == [one.lab for one in book.theirs.values()]

    def test_receipts_in_any_order_and_twice_say_the_same(self) -> None:
        receipts = [
            receipt(wish(), wish(GPT2)),
            receipt(wish(), number=2, created=LATER),
            receipt(wish(revision="v1"), number=3, lab="lab-4"),
        ]
        found = {
            tuple(sorted(states(fold([*order, order[0]])).items()))
            for order in itertools.permutations(receipts)
        }
        assert 1 == len(found)


class TestAnswers:
    def carried_by(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        return [encode_carried(one) for one in fold([asked(wish()), *events]).to_carry]

    def answers(
        self, asks: list[dict[str, Any]], *events: dict[str, Any], sent: bool = False
    ) -> list[tuple[str, str]]:
        found = answers_to(json_of(asks), fold([receipt(wish()), *events]), lambda _: sent)
        return [(one.state, one.note) for one in found]

    def test_what_the_lab_has_not_heard(self) -> None:
        declined = decided("declined", TIME, "lee", "too large", wish=wish().id)
        asks = self.carried_by()
        assert [("pending", "")] == self.answers(asks)
        assert [("declined", "too large")] == self.answers(asks, declined)
        assert [("sent", "")] == self.answers(asks, sent=True)

    def test_nothing_that_it_has_heard(self) -> None:
        heard = answered(Answer(id=wish().id, repo=str(KLUE), state="pending"), BUNDLE, TIME)
        asks = self.carried_by(heard)
        assert [] == self.answers(asks)
        approved = decided("approved", TIME, "lee", "", wish=wish().id)
        assert [("approved", "")] == self.answers(asks, approved)

    def test_nothing_to_a_wish_that_nobody_has_taken_in(self) -> None:
        asks = self.carried_by()
        assert () == answers_to(asks, WishBook(), lambda _: False)
        assert ["sent"] == [one.state for one in answers_to(asks, WishBook(), lambda _: True)]

    def test_two_notes_of_the_same_state_are_two_answers(self) -> None:
        answer = Answer(id=wish().id, repo=str(KLUE), state="approved", note="in May")
        heard = answered(answer, BUNDLE, TIME)
        later = decided("approved", TIME, "lee", "in June", wish=wish().id)
        assert [("approved", "in June")] == self.answers(self.carried_by(heard), later)


# --- whatever is in the file ----------------------------------------------------------

_WISHES = [wish(), wish(GPT2), wish(revision="v1.0")]
_IDS = st.sampled_from([one.id for one in _WISHES] + ["0" * 12])
_TIMES = st.sampled_from([TIME, LATER])
_EVENTS = st.one_of(
    st.sampled_from(_WISHES).map(asked),
    st.builds(withdrawn, _IDS, _TIMES, st.just("kim")),
    st.builds(carried, st.just("r"), _TIMES, st.lists(_IDS, max_size=3)),
    st.builds(
        answered,
        st.builds(
            Answer,
            id=_IDS,
            repo=st.just(str(KLUE)),
            state=st.sampled_from(["pending", "approved", "declined", "sent"]),
        ),
        st.just(BUNDLE),
        _TIMES,
    ),
    st.builds(
        lambda wishes, number, time: receipt(*wishes, number=number, created=time),
        st.lists(st.sampled_from(_WISHES), max_size=3),
        st.integers(1, 4),
        _TIMES,
    ),
    st.builds(
        lambda name, state: decided(state, TIME, "lee", "", wish=name),
        _IDS,
        st.sampled_from(["approved", "declined"]),
    ),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_DAMAGED = st.builds(
    lambda event, key, value: {**event, key: value},
    _EVENTS,
    st.sampled_from(["event", "id", "ids", "state", "wishes", "missed", "repo", "time", "receipt"]),
    _JSON,
)


class TestAnyLog:
    @example([receipt(wish()), {"event": "decided", "id": wish().id, "state": []}])
    @given(st.lists(_EVENTS | _DAMAGED | st.dictionaries(st.text(), _JSON), max_size=12))
    def test_is_read(self, events: list[dict[str, Any]]) -> None:
        book = fold(events)

        assert {one.id for one in _WISHES} >= {*book.ours, *book.theirs}
        assert all(one.state not in FINAL for one in book.to_carry)
        assert all(one.state == "pending" for one in book.pending)

    @given(st.lists(_EVENTS, max_size=12), st.integers(0, 12))
    def test_no_event_is_forgotten_when_it_is_read_twice(
        self, events: list[dict[str, Any]], place: int
    ) -> None:
        """A receipt, a wish or a carrying that is noted twice changes nothing."""
        again = [e for e in events[:place] if e["event"] in {"asked", "received", "carried"}]

        once, twice = fold(events), fold([*events, *again])

        assert set(once.ours) == set(twice.ours)
        assert {k: one.state for k, one in once.theirs.items()} == {
            k: one.state for k, one in twice.theirs.items()
        }

    @given(st.lists(_EVENTS, max_size=12))
    def test_what_is_withdrawn_never_comes_back(self, events: list[dict[str, Any]]) -> None:
        before: dict[str, str] = {}
        for length in range(len(events) + 1):
            now = {name: one.state for name, one in fold(events[:length]).ours.items()}
            assert all(now[name] == "withdrawn" for name, s in before.items() if s == "withdrawn")
            before = now
