"""Wishes: what a lab asks the connected side for, and what became of it. Pure.

Both sides keep a log of events; ``book`` says from it how every wish stands. A wish has
an id made from what it says, so a receipt that comes twice, or after a newer one, changes
nothing; and what a receipt of another network says is checked before it is an event here.

Nothing is read or written here (that is ``log``), and nothing is decided: a person does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, TypeVar, get_args

from mirror.bundle.head import Answer
from mirror.bundle.wishes.misses import Missed, decode_missed
from mirror.errors import BadNameError
from mirror.names import RepoKey, check_ref_name, is_digest

T = TypeVar("T")
#: What a lab can be told.
Reply = Literal["pending", "approved", "declined", "sent"]
State = Literal["open", "carried", "withdrawn", Reply]

#: What one receipt may ask for. A lab with more to ask for needs a query, not a list.
MAX_WISHES: Final = 1_000
#: Of a note, in characters: a reason, not a letter.
MAX_NOTE: Final = 500
_MAX_NAME: Final = 200

#: What needs no answer any more, or gets none.
FINAL: Final = frozenset({"declined", "sent", "withdrawn"})
_REPLIES: Final[Mapping[Any, Reply]] = {reply: reply for reply in get_args(Reply)}


@dataclass(frozen=True)
class Wish:
    """Somebody in a lab would like a repo."""

    id: str
    repo: RepoKey
    revision: str | None
    """A branch, tag or commit; ``None`` for the main branch."""
    lab: str
    """What the lab was called when it was asked."""
    by: str
    """The user of the lab's machine who asked."""
    time: str
    note: str = ""

    @property
    def name(self) -> str:
        """The repo, with the revision if one was asked for."""
        return f"{self.repo}@{self.revision}" if self.revision else str(self.repo)

    def as_json(self) -> dict[str, Any]:
        """The form in an event and in a receipt."""
        return {**asdict(self), "repo": str(self.repo)}


@dataclass(frozen=True)
class Heard:
    """The last answer that a lab has had to a wish."""

    state: Reply
    note: str = ""


@dataclass(frozen=True)
class Received:
    """What a receipt of a lab asks for, checked: an event of the connected side."""

    receipt: str
    lab: str
    created: str
    signer: str
    ids: frozenset[str]
    """Of all wishes in it."""
    wishes: tuple[Wish, ...]
    """In an event those that had not come before: a lab asks again until it is answered."""
    missed: tuple[Missed, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form in an event."""
        return {
            **asdict(self),
            "ids": sorted(self.ids),
            "wishes": [wish.as_json() for wish in self.wishes],
            "missed": [missed.as_json() for missed in self.missed],
        }


# --- a wish ---------------------------------------------------------------------------


def make_wish(
    repo: RepoKey, revision: str | None, *, lab: str, by: str, time: str, note: str = ""
) -> Wish:
    """Make a wish, and its id.

    Raises:
        BadNameError: ``revision`` is none.
    """
    if revision is not None:
        check_ref_name(revision)
    lab, by = tidy(lab, _MAX_NAME), tidy(by, _MAX_NAME)
    return Wish(
        wish_id(repo, revision, lab, time), repo, revision, lab, by, time, tidy(note, MAX_NOTE)
    )


def wish_id(repo: RepoKey, revision: str | None, lab: str, time: str) -> str:
    """Give the id of a wish: the same wish has the same one wherever it comes."""
    text = json.dumps([str(repo), revision, lab, time], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def decode_wish(value: object) -> Wish | None:
    """Read a wish that somebody else has written; ``None`` where it is none.

    Its id must be that of what it says: nobody can take the place of another's wish.
    """
    if not isinstance(value, Mapping):
        return None
    texts = [value.get(name) for name in ("id", "repo", "lab", "by", "time", "note")]
    revision = value.get("revision")
    if not all(isinstance(text, str) for text in texts) or not isinstance(revision, str | None):
        return None
    given, repo, lab, by, time, note = map(str, texts)
    try:
        wish = make_wish(RepoKey.parse(repo), revision, lab=lab, by=by, time=time, note=note)
    except (BadNameError, UnicodeEncodeError):
        return None
    return wish if wish.id == given and tidy(time, 40) == time else None


def decode_heard(value: Mapping[str, Any]) -> Heard | None:
    """Read what a lab says it was answered, beside a wish of its receipt."""
    heard = value.get("heard")
    if not isinstance(heard, Mapping) or (state := reply_of(heard.get("state"))) is None:
        return None
    return Heard(state, tidy(str(heard.get("note") or ""), MAX_NOTE))


def tidy(text: str, limit: int) -> str:
    """Make one printable line of a text, of at most ``limit`` characters."""
    words = "".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split()
    return " ".join(words)[:limit].strip()


def reply_of(value: object) -> Reply | None:
    """Give a state that a lab can be told; ``None`` for anything else."""
    return _REPLIES.get(value) if isinstance(value, str) else None


# --- events -----------------------------------------------------------------------------


def asked(wish: Wish) -> dict[str, Any]:
    """Somebody here asks."""
    return {"event": "asked", **wish.as_json()}


def withdrawn(wish: str, time: str, by: str) -> dict[str, Any]:
    """Somebody here asks no longer."""
    return {"event": "withdrawn", "time": time, "id": wish, "by": by}


def carried(receipt: str, time: str, wishes: Iterable[str]) -> dict[str, Any]:
    """A receipt was made here, with these in it."""
    return {"event": "carried", "time": time, "receipt": receipt, "ids": list(wishes)}


def answered(answer: Answer, bundle: str, time: str) -> dict[str, Any]:
    """A bundle came, with an answer in it."""
    form = {"event": "answered", "time": time, "bundle": bundle, "id": answer.id}
    return form | {"state": answer.state, "note": tidy(answer.note, MAX_NOTE)}


def received(what: Received, time: str, known: Container[str] = ()) -> dict[str, Any]:
    """A receipt of a lab was taken in here; wishes that are ``known`` are told by id alone."""
    new = replace(what, wishes=tuple(wish for wish in what.wishes if wish.id not in known))
    return {"event": "received", "time": time, **new.as_json()}


def decided(
    state: Literal["approved", "declined"], time: str, by: str, note: str, *, wish: str
) -> dict[str, Any]:
    """Somebody here has decided on a wish of a lab."""
    form = {"event": "decided", "time": time, "id": wish, "state": state}
    return form | {"note": tidy(note, MAX_NOTE), "by": by}


def decided_miss(
    state: Literal["approved", "declined"], time: str, by: str, note: str, *, repo: RepoKey
) -> dict[str, Any]:
    """Somebody here has decided on what only clients have asked for."""
    form = {"event": "decided", "time": time, "repo": str(repo), "state": state}
    return form | {"note": tidy(note, MAX_NOTE), "by": by}


# --- a receipt that was taken in, as an event ---------------------------------------------


def decode_received(event: Mapping[str, Any]) -> Received | None:
    """Read what :func:`received` has written; ``None`` where it is something else."""
    receipt = text_of(event, "receipt")
    if not is_digest(receipt):
        return None
    return Received(
        receipt=receipt,
        lab=text_of(event, "lab"),
        created=text_of(event, "created"),
        signer=text_of(event, "signer"),
        ids=frozenset(ids_of(event)),
        wishes=tuple(_each(event.get("wishes"), decode_wish)),
        missed=tuple(_each(event.get("missed"), decode_missed)),
    )


def ids_of(event: Mapping[str, Any]) -> list[str]:
    """Give the ids of wishes that an event names."""
    ids = event.get("ids")
    return [name for name in ids if isinstance(name, str)] if isinstance(ids, list) else []


def _each(value: object, decode: Callable[[object], T | None]) -> Iterator[T]:
    items = value if isinstance(value, list) else []
    return (found for item in items if (found := decode(item)) is not None)


def text_of(event: Mapping[str, Any], name: str, limit: int = _MAX_NAME * 3) -> str:
    """Give a text of an event; empty where there is none."""
    value = event.get(name)
    return value[:limit] if isinstance(value, str) else ""
