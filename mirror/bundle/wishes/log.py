"""The log of wishes in a mirror, ``exchange/requests.jsonl``, and what servers count.

Both sides of a gap have the log, with the events that happen on that side (``events``). Only
the holder of the mirror's write lock appends. ``exchange/serve/misses.json`` is written by
the server that counts (``serve/misses``); here it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mirror.bundle.head import Head
from mirror.bundle.wishes.book import WishBook, fold
from mirror.bundle.wishes.events import answered
from mirror.bundle.wishes.misses import MAX_FILE_BYTES, Tally, decode_tally
from mirror.store import Store
from mirror.store.journal import append_records, read_records
from mirror.store.opening import open_regular


def requests_path(store: Store) -> Path:
    """Where the log is."""
    return store.layout.exchange / "requests.jsonl"


def served_folder(store: Store) -> Path:
    """The one folder of a mirror that a server writes to, if it may."""
    return store.layout.exchange / "serve"


def misses_path(folder: Path) -> Path:
    """Where a server counts what it was asked for in vain, below ``served_folder``."""
    return folder / "misses.json"


def read_book(store: Store) -> WishBook:
    """Say how every wish stands.

    Raises:
        DamagedError: the log cannot be read.
    """
    return fold(read_records(requests_path(store)))


def add_events(store: Store, events: Iterable[dict[str, Any]]) -> None:
    """Note what has happened; durable. The caller holds the write lock.

    Raises:
        DiskError: it cannot be written.
    """
    append_records(requests_path(store), events, durable=True)


def note_answers(store: Store, head: Head, time: str) -> None:
    """Record the answers that came with a bundle; the caller holds the write lock.

    Those to nobody's wish are passed over, and what is known already.

    Raises:
        DamagedError, DiskError: the log cannot be read, or written.
    """
    ours = read_book(store).ours if head.answers else {}
    news = [
        answer
        for answer in head.answers
        if (one := ours.get(answer.id)) is not None
        and (one.state, one.note) != (answer.state, answer.note)
    ]
    add_events(store, [answered(answer, head.id, time) for answer in news])


def read_tally(folder: Path) -> Tally:
    """Read what servers have counted; nothing where they have not, or it cannot be read."""
    try:
        with open_regular(misses_path(folder)) as stream:
            return decode_tally(stream.read(MAX_FILE_BYTES))
    except OSError:
        return Tally()
