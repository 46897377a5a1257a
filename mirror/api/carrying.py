"""What goes along: wishes and misses with a receipt, answers with the bundle for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mirror.bundle.head import Answer
from mirror.bundle.receipt import Receipt
from mirror.bundle.wishes.book import Standing, WishBook, answers_to, encode_carried
from mirror.bundle.wishes.events import MAX_WISHES, Wish, carried, decode_wish
from mirror.bundle.wishes.log import add_events, read_book, read_tally, served_folder
from mirror.bundle.wishes.misses import Asked, Missed, by_repo
from mirror.errors import MirrorError
from mirror.names import RepoKey
from mirror.store import Store


@dataclass(frozen=True)
class Carried:
    """What a receipt carries beside the inventory."""

    wishes: tuple[Standing, ...]
    missed: tuple[Missed, ...]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The wishes, as the receipt writes them."""
        return [encode_carried(one) for one in self.wishes]

    @property
    def misses(self) -> list[dict[str, Any]]:
        """The misses, as the receipt writes them."""
        return [one.as_json() for one in self.missed]


def to_carry(store: Store) -> Carried:
    """Give what a receipt shall carry: open wishes, and what clients still lack.

    Raises:
        DamagedError: the log cannot be read.
    """
    tally = read_tally(served_folder(store))
    return Carried(
        open_wishes(store, read_book(store)), by_repo(tally, lambda asked: has_asked(store, asked))
    )


def note_carried(store: Store, receipt: str, what: Carried, time: str) -> None:
    """Remember which wishes a receipt took along; the caller holds the write lock."""
    if what.wishes:
        add_events(store, [carried(receipt, time, (one.wish.id for one in what.wishes))])


def answers_for(
    store: Store, receipt: Receipt, keys: Collection[RepoKey] | None
) -> tuple[Answer, ...]:
    """Answer the wishes of a receipt, where the lab does not know the newest yet.

    Args:
        store: the mirror of the connected side.
        receipt: of the lab.
        keys: the repos that the bundle is limited to; none for all.
    """
    over_there = receipt.inventory.repos

    def is_sent(wish: Wish) -> bool:
        goes = keys is None or any(
            key in keys or key in over_there for key in {wish.repo, store.canonical(wish.repo)}
        )
        return goes and has_revision(store, wish.repo, wish.revision)

    return answers_to(receipt.requests, read_book(store), is_sent)


def count_unseen(store: Store, receipt: Receipt) -> int:
    """Count the wishes of a receipt that were not taken in here: nobody has looked at them."""
    theirs = read_book(store).theirs
    wishes = map(decode_wish, receipt.requests[:MAX_WISHES])
    return sum(wish is not None and wish.id not in theirs for wish in wishes)


def open_wishes(store: Store, book: WishBook) -> tuple[Standing, ...]:
    """Give the wishes of this mirror that are neither settled nor here."""
    return tuple(
        one for one in book.to_carry if not has_revision(store, one.wish.repo, one.wish.revision)
    )


def has_revision(store: Store, key: RepoKey, revision: str | None) -> bool:
    """Whether a mirror has a revision of a repo; of ``None`` whether it has any."""
    try:
        refs = store.refs(store.canonical(key))
    except MirrorError:
        return False
    return bool(refs) if revision is None else revision in refs or revision in refs.values()


def has_asked(store: Store, asked: Asked) -> bool:
    """Whether a mirror has by now what a client asked for in vain."""
    if asked.path is None:
        return has_revision(store, asked.repo, asked.revision)
    try:
        key = store.canonical(asked.repo)
        manifest = store.manifest(key, store.resolve(key, asked.revision or "main"))
    except MirrorError:
        return False
    return any(file.path == asked.path for file in manifest.present_files)
