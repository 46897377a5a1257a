"""How all wishes stand: the fold of the events, and the answers that follow from it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mirror.bundle.head import Answer
from mirror.bundle.wishes.events import (
    FINAL,
    MAX_NOTE,
    MAX_WISHES,
    Heard,
    Received,
    State,
    Wish,
    decode_heard,
    decode_received,
    decode_wish,
    ids_of,
    reply_of,
    text_of,
    tidy,
)
from mirror.bundle.wishes.misses import Missed


@dataclass(frozen=True)
class Standing:
    """How a wish stands, as far as this side knows."""

    wish: Wish
    state: State
    lab: str = ""
    """Whose receipt brought it; empty for a wish of this mirror."""
    signer: str = ""
    receipt: str = ""
    """The newest receipt that carried it."""
    note: str = ""
    """Of whoever decided."""
    by: str = ""
    """Who decided; empty on the lab's side, which is not told."""
    changed: str = ""
    """When the state last changed."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return self.wish.as_json() | {
            "lab": self.lab or self.wish.lab,
            "state": self.state,
            "changed": self.changed,
            "answer": self.note,
            "decided_by": self.by,
            "receipt": self.receipt,
            "signer": self.signer,
        }


@dataclass(frozen=True)
class WishBook:
    """All wishes that a mirror knows of."""

    ours: Mapping[str, Standing] = field(default_factory=dict)
    """Of this mirror, by id, oldest first."""
    theirs: Mapping[str, Standing] = field(default_factory=dict)
    """Of labs whose receipts were taken in, by id, in the order in which they came."""
    missed: tuple[tuple[str, Missed], ...] = ()
    """(lab, what its clients asked for in vain), of each lab's newest receipt."""
    declined_misses: frozenset[str] = frozenset()
    """Repos that nobody asked for but clients, and that shall not be mirrored."""
    receipts: frozenset[str] = frozenset()
    """Those that were taken in."""

    @property
    def pending(self) -> tuple[Standing, ...]:
        """What waits for a decision here."""
        return tuple(one for one in self.theirs.values() if one.state == "pending")

    @property
    def to_carry(self) -> tuple[Standing, ...]:
        """Wishes of this mirror that are not settled: they go into the next receipt."""
        return tuple(one for one in self.ours.values() if one.state not in FINAL)


def encode_carried(standing: Standing) -> dict[str, Any]:
    """Give a wish as a receipt carries it: with the last answer that came here."""
    form = standing.wish.as_json()
    if reply_of(standing.state):
        form["heard"] = {"state": standing.state, "note": standing.note}
    return form


# --- how all stands ---------------------------------------------------------------------


def fold(events: Iterable[Mapping[str, Any]]) -> WishBook:
    """Say how every wish stands; what is no event is passed over."""
    folding = _Folding()
    for event in events:
        folding.take(event)
    return folding.book()


class _Folding:
    """The state while the events go by."""

    def __init__(self) -> None:
        self._ours: dict[str, Standing] = {}
        self._theirs: dict[str, Standing] = {}
        self._newest: dict[str, Received] = {}
        self._receipts: set[str] = set()
        self._misses: dict[str, str] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        take = {
            "asked": self._asked,
            "withdrawn": self._withdrawn,
            "carried": self._carried,
            "answered": self._answered,
            "received": self._received,
            "decided": self._decided,
        }.get(str(event.get("event")))
        if take is not None:
            take(event, text_of(event, "time", 40))

    def book(self) -> WishBook:
        theirs = {name: self._as_asked_now(one) for name, one in self._theirs.items()}
        missed = [
            (lab, missed) for lab, what in sorted(self._newest.items()) for missed in what.missed
        ]
        declined = {repo for repo, state in self._misses.items() if state == "declined"}
        return WishBook(
            self._ours, theirs, tuple(missed), frozenset(declined), frozenset(self._receipts)
        )

    def _as_asked_now(self, one: Standing) -> Standing:
        """Give a wish of a lab with what its newest receipt says of it."""
        newest = self._newest[one.lab]
        if one.wish.id in newest.ids:
            return replace(one, signer=newest.signer, receipt=newest.receipt)
        return replace(one, state="withdrawn") if one.state == "pending" else one

    def _asked(self, event: Mapping[str, Any], time: str) -> None:
        if (wish := decode_wish(event)) is not None:
            self._ours.setdefault(wish.id, Standing(wish, "open", changed=time))

    def _withdrawn(self, event: Mapping[str, Any], time: str) -> None:
        if (one := self._ours.get(text_of(event, "id"))) is not None and one.state not in FINAL:
            self._ours[one.wish.id] = replace(one, state="withdrawn", changed=time)

    def _carried(self, event: Mapping[str, Any], time: str) -> None:
        for name in ids_of(event):
            one = self._ours.get(name)
            if one is not None:
                one = replace(one, receipt=text_of(event, "receipt"))
                if one.state == "open":
                    one = replace(one, state="carried", changed=time)
                self._ours[one.wish.id] = one

    def _answered(self, event: Mapping[str, Any], time: str) -> None:
        one, state = self._ours.get(text_of(event, "id")), reply_of(event.get("state"))
        if one is not None and state is not None and one.state != "withdrawn":
            note = tidy(text_of(event, "note"), MAX_NOTE)
            self._ours[one.wish.id] = replace(one, state=state, note=note, changed=time)

    def _received(self, event: Mapping[str, Any], time: str) -> None:
        what = decode_received(event)
        if what is None or what.receipt in self._receipts:
            return
        self._receipts.add(what.receipt)
        # A clock in the lab that was ahead must not make all later receipts old ones.
        what = replace(what, created=min(what.created, time))
        newest = self._newest.get(what.lab)
        # Of two of the same second the one that came last counts.
        if newest is None or newest.created <= what.created:
            self._newest[what.lab] = what
        for wish in what.wishes:
            new = Standing(wish, "pending", what.lab, what.signer, what.receipt, changed=time)
            self._theirs.setdefault(wish.id, new)

    def _decided(self, event: Mapping[str, Any], time: str) -> None:
        state = reply_of(event.get("state"))
        if state != "approved" and state != "declined":
            return
        if isinstance(event.get("repo"), str):
            self._misses[event["repo"]] = state
        if (one := self._theirs.get(text_of(event, "id"))) is not None:
            note, by = tidy(text_of(event, "note"), MAX_NOTE), text_of(event, "by")
            self._theirs[one.wish.id] = replace(one, state=state, note=note, by=by, changed=time)


# --- answers ------------------------------------------------------------------------------


def answers_to(
    carried: Sequence[Mapping[str, Any]], book: WishBook, is_sent: Callable[[Wish], bool]
) -> tuple[Answer, ...]:
    """Answer the wishes of a receipt: those of which the lab has not heard the newest.

    Args:
        carried: the requests of the receipt.
        book: what is known here.
        is_sent: whether what a wish asks for goes into the bundle, or is over there already.
    """
    found = {}
    for value in carried[:MAX_WISHES]:
        if (wish := decode_wish(value)) is None:
            continue
        now = _answer_now(book.theirs.get(wish.id), sent=is_sent(wish))
        if now is not None and now != decode_heard(value):
            found[wish.id] = Answer(
                id=wish.id, repo=str(wish.repo), state=now.state, note=now.note
            )  # fmt: skip
    return tuple(found[name] for name in sorted(found))


def _answer_now(standing: Standing | None, *, sent: bool) -> Heard | None:
    note = standing.note if standing else ""
    if sent:
        return Heard("sent", note)
    state = reply_of(standing.state) if standing else None
    return Heard(state, note) if state else None
