"""Wishes of one mirror: asked for here, or brought by the receipts of labs, and decided on."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mirror.api.carrying import has_revision, open_wishes
from mirror.api.exchange import Exchange
from mirror.api.prospects import Place, Prospect, find_prospects
from mirror.api.selection_file import add_to_file
from mirror.api.wish_model import Ask, Decision, Taken, Verdict, WantedRepo
from mirror.api.wish_names import find_asked, find_ours
from mirror.bundle.log import read_remembered
from mirror.bundle.receipt import Receipt
from mirror.bundle.signing import Signer
from mirror.bundle.wishes.book import Standing, WishBook
from mirror.bundle.wishes.events import (
    MAX_WISHES,
    Received,
    Wish,
    asked,
    decided,
    decided_miss,
    decode_wish,
    make_wish,
    received,
    tidy,
    withdrawn,
)
from mirror.bundle.wishes.log import add_events, read_book
from mirror.bundle.wishes.misses import MAX_REPOS, Missed, decode_missed
from mirror.errors import NotFoundError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.settings import Settings, read_token
from mirror.store import Store

#: Repos that upstream is asked about for one list: two requests each, 3,000 in five minutes
#: is what the Hub allows.
MAX_LOOKED_AT: Final = 200
#: Misses of which a list says what upstream has.
MAX_MISSES_LOOKED_AT: Final = 20
_MAX_LAB: Final = 200


class Wishes:
    """What is wished for, here and in the labs.

    Args:
        store: the mirror.
        settings: its mirror.toml.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self._exchange = Exchange(store, settings)

    @property
    def book(self) -> WishBook:
        """How every wish stands, as the log says."""
        return read_book(self.store)

    # --- in the lab -------------------------------------------------------------------

    def ask(
        self,
        repos: Iterable[str | RepoKey],
        repo_type: RepoType | None = None,
        *,
        revision: str | None = None,
        note: str = "",
    ) -> tuple[Ask, ...]:
        """Wish for repos; what is here, or asked for already, is not asked for again.

        Args:
            repos: ``datasets/klue/klue``, or bare ids.
            repo_type: of bare ids.
            revision: a branch, tag or commit; the main branch where nothing is said.
            note: why, for whoever decides: one line.

        Raises:
            BadNameError: no repo, or no revision.
            UsageError: too many wishes are open.
            LockedError, DiskError: the mirror cannot be written.
        """
        keys = list(dict.fromkeys(RepoKey.parse(str(repo), default=repo_type) for repo in repos))
        with self.store.write_lock("request"):
            book = self.book
            asks = [self._ask(book, key, revision, note) for key in keys]
            new = [one.standing.wish for one in asks if one.standing and one.outcome == "asked"]
            if len(open_wishes(self.store, book)) + len(new) > MAX_WISHES:
                raise UsageError(
                    f"a receipt carries {MAX_WISHES:,} requests, and no more",
                    hint="take some back: mirror request --withdraw ID",
                )
            add_events(self.store, map(asked, new))
        return tuple(asks)

    def _ask(self, book: WishBook, key: RepoKey, revision: str | None, note: str) -> Ask:
        wish = make_wish(key, revision, lab=self._exchange.name, by=_user(), time=_now(), note=note)
        if self.has(wish):
            return Ask(key, "here", None)
        for before in book.to_carry:
            if (before.wish.repo, before.wish.revision) == (key, revision):
                return Ask(key, "asked before", before)
        return Ask(key, "asked", Standing(wish, "open", changed=wish.time))

    def withdraw(self, names: Iterable[str]) -> tuple[Standing, ...]:
        """Take wishes of this mirror back: by id (its beginning will do), or by repo.

        Raises:
            NotFoundError: no such wish is open.
            UsageError: an id that several begin with.
            LockedError, DiskError: the mirror cannot be written.
        """
        with self.store.write_lock("request"):
            open_now = self.book.to_carry
            found = {one.wish.id: one for name in names for one in find_ours(name, open_now)}
            time, by = _now(), _user()
            add_events(self.store, [withdrawn(wish, time, by) for wish in found])
        return tuple(self.book.ours[wish] for wish in found)

    def has(self, wish: Wish) -> bool:
        """Whether what is wished for is in this mirror."""
        return has_revision(self.store, wish.repo, wish.revision)

    # --- on the connected side --------------------------------------------------------

    def take(self, path: Path, *, allowed_signers: Path | None = None) -> Taken:
        """Take in what a receipt of a lab asks for; nothing is fetched or decided by that.

        Raises:
            NotFoundError: no such file.
            BundleError: the receipt or its signature is refused.
            UsageError: the receipt was made by this mirror.
            LockedError, DiskError: the mirror cannot be written.
        """
        receipt, signer = self._exchange.read_receipt(path, allowed_signers=allowed_signers)
        if receipt.id in read_remembered(self.store).receipts:
            raise UsageError(
                f"{path} was made by this mirror",
                hint="it is for the connected side: mirror requests there lists what it asks for",
            )
        what = received_of(receipt, signer)
        with self.store.write_lock("requests"):
            book = self.book
            again = what.receipt in book.receipts
            if not again:
                add_events(self.store, [received(what, _now(), book.theirs)])
        return Taken(
            receipt=receipt.id,
            lab=what.lab,
            signer=signer,
            new=sum(wish.id not in book.theirs for wish in what.wishes),
            unreadable=len(receipt.requests) - len(what.wishes),
            again=again,
        )

    def wanted(self, *, everything: bool = False) -> tuple[WantedRepo, ...]:
        """Give what labs wish for and nobody has decided on, then what their clients missed.

        Args:
            everything: also what is decided.
        """
        book = self.book
        standings = book.theirs.values() if everything else book.pending
        found = [
            WantedRepo(
                one.lab, one.wish.repo, one.wish.revision, one,
                selected=self._selects(one.wish.repo, one.wish.revision),
            )
            for one in standings
        ]  # fmt: skip
        for lab, missed in book.missed:
            if everything or str(missed.repo) not in book.declined_misses:
                selected = self._selects(missed.repo, None)
                found.append(WantedRepo(lab, missed.repo, None, None, missed, selected=selected))
        return tuple(found)

    def look(self, wanted: Sequence[WantedRepo]) -> tuple[WantedRepo, ...]:
        """Say what upstream has of what is wanted; a repo that it cannot tell of says why.

        Of a long list only the first are asked about: ``MAX_LOOKED_AT`` wishes, and
        ``MAX_MISSES_LOOKED_AT`` that only clients asked for.

        Raises:
            SettingsError: the token cannot be read.
        """
        wishes = [one for one in wanted if one.missed is None][:MAX_LOOKED_AT]
        misses = [one for one in wanted if one.missed is not None][:MAX_MISSES_LOOKED_AT]
        places = [_place(one) for one in (*wishes, *misses)]
        token = read_token(self.settings.upstream) if places else None
        found = find_prospects(self.store, self.settings, token, places)
        return tuple(_with(one, found.get(_place(one))) for one in wanted)

    def approve(
        self,
        names: Iterable[str] = (),
        *,
        all_pending: bool = False,
        note: str = "",
        **entry: Any,
    ) -> Decision:
        """Add what is wished for to mirror.toml, all of it or nothing; comments stay.

        Args:
            names: ids of wishes (the beginning will do), or repos: wished for or missed.
            all_pending: every wish that waits; not what only clients asked for.
            note: for the lab: one line.
            entry: more keys of the entries, as :meth:`Mirror.add`: ``include="*.json"``;
                ``revision`` in place of the one that was asked for.

        Raises:
            NotFoundError: nobody has asked for it.
            UsageError: a name means several things.
            SettingsError: mirror.toml is wrong, or an entry would be.
            LockedError, DiskError: the mirror cannot be written.
        """
        with self.store.write_lock("approve"):
            wishes, misses = self._find(names, all_pending=all_pending)
            places = [(one.wish.repo, _revisions(entry, one.wish.revision)) for one in wishes]
            places += [(one.repo, _revisions(entry, *_missed_revisions(one))) for one in misses]
            new, selected = self._split(places)
            entries = [(key.repo_type, _entry(key, revisions, entry)) for key, revisions in new]
            added = add_to_file(self.store.root, entries) if entries else ()
            self._record("approved", wishes, misses, note)
        return Decision(
            "approved", wishes, tuple(one.repo for one in misses), added, tuple(selected)
        )

    def decline(self, names: Iterable[str], *, note: str) -> Decision:
        """Say no to wishes; the lab is told ``note`` with the next bundle.

        Raises:
            NotFoundError: nobody has asked for it.
            UsageError: a name means several things, or there is no note.
            LockedError, DiskError: the mirror cannot be written.
        """
        if not tidy(note, 1):
            raise UsageError("why not? the lab wants to know", hint="--note 'its licence …'")
        with self.store.write_lock("decline"):
            wishes, misses = self._find(names, all_pending=False)
            self._record("declined", wishes, misses, note)
        return Decision("declined", wishes, tuple(one.repo for one in misses))

    # --- parts of these ---------------------------------------------------------------

    def _find(
        self, names: Iterable[str], *, all_pending: bool
    ) -> tuple[tuple[Standing, ...], tuple[Missed, ...]]:
        book = self.book
        wishes = {one.wish.id: one for one in book.pending if all_pending}
        misses: dict[RepoKey, Missed] = {}
        for name in names:
            for found in find_asked(name, book):
                if isinstance(found, Missed):
                    misses[found.repo] = found
                else:
                    wishes[found.wish.id] = found
        if not wishes and not misses:
            raise NotFoundError(
                "no request waits for a decision", hint="mirror requests RECEIPT takes some in"
            )
        return tuple(wishes.values()), tuple(misses.values())

    def _record(
        self, state: Verdict, wishes: Sequence[Standing], misses: Sequence[Missed], note: str
    ) -> None:
        time, by = _now(), _user()
        events = [decided(state, time, by, note, wish=one.wish.id) for one in wishes]
        events += [decided_miss(state, time, by, note, repo=one.repo) for one in misses]
        add_events(self.store, events)

    def _split(
        self, places: Iterable[tuple[RepoKey, tuple[str, ...]]]
    ) -> tuple[list[tuple[RepoKey, tuple[str, ...]]], list[RepoKey]]:
        """Part what is to be selected from what is; two labs may wish for the same."""
        wanted: dict[RepoKey, list[str]] = {}
        selected: list[RepoKey] = []
        for key, revisions in places:
            new = [name for name in revisions if not self._selects(key, name)]
            if new:
                wanted.setdefault(key, []).extend(new)
            else:
                selected.append(key)
        new_ones = [(key, tuple(dict.fromkeys(names))) for key, names in wanted.items()]
        return new_ones, list(dict.fromkeys(selected))

    def _selects(self, key: RepoKey, revision: str | None) -> bool:
        return any(
            kind is key.repo_type
            and entry.id == key.repo_id
            and (revision or "main") in entry.wanted_revisions
            for kind, _, entry in self.settings.numbered_entries()
        )


def received_of(receipt: Receipt, signer: Signer) -> Received:
    """Check what a receipt asks for: wishes that are none are left out, and too many."""
    wishes = {
        wish.id: wish
        for value in receipt.requests[:MAX_WISHES]
        if (wish := decode_wish(value)) is not None
    }
    missed = (decode_missed(value) for value in receipt.misses[:MAX_REPOS])
    return Received(
        receipt=receipt.id,
        lab=tidy(receipt.name, _MAX_LAB),
        created=tidy(receipt.created, 40),
        signer=signer.name or signer.key,
        ids=frozenset(wishes),
        wishes=tuple(wishes.values()),
        missed=tuple(one for one in missed if one is not None),
    )


def _revisions(entry: Mapping[str, Any], *asked_for: str | None) -> tuple[str, ...]:
    given = entry.get("revision")
    return (str(given),) if given else tuple(name or "main" for name in asked_for)


def _missed_revisions(missed: Missed) -> tuple[str | None, ...]:
    """Give the revisions that clients lacked of a repo that is there; else the main branch."""
    return missed.revisions if missed.revisions and not missed.whole else (None,)


def _entry(key: RepoKey, revisions: tuple[str, ...], more: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": key.repo_id}
    if revisions != ("main",):
        entry |= {"revision": revisions[0]} if len(revisions) == 1 else {"revisions": revisions}
    return entry | {name: value for name, value in more.items() if name != "revision" and value}


def _place(one: WantedRepo) -> Place:
    revisions = _missed_revisions(one.missed) if one.missed else (one.revision,)
    return one.repo, revisions[0] or "main"


def _with(one: WantedRepo, prospect: Prospect | None) -> WantedRepo:
    return WantedRepo(**{**one.__dict__, "prospect": prospect})


def _user() -> str:
    """Give the name of the user whose process this is."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
