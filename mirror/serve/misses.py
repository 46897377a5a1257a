"""Counts what clients ask for and the mirror does not have, for the next receipt.

Into ``exchange/serve/misses.json`` of the mirror: now and then, and at the end. It is the one
file that a server writes, in a folder of its own, so that it needs no right to any other.
Nothing of who asked goes in, and no repo that the asker's token is not for. Several servers
of one mirror add to the same file. Where it cannot be written, the server goes on without.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mirror.bundle.wishes.log import misses_path, read_tally
from mirror.bundle.wishes.misses import MAX_KEPT, Asked, Tally, Times, asked_for, encode_tally
from mirror.errors import MirrorError
from mirror.serve.errors import Miss
from mirror.store.atomic import disk_errors, write_atomic
from mirror.store.lock import alone_in

_log: Final = logging.getLogger("mirror.serve")

#: Seconds between two writes: what a server that is killed forgets.
_PERIOD: Final = 60.0


def can_record(folder: Path) -> bool:
    """Whether this user may write in ``folder``, or may make it."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


class MissLog:
    """Counts in memory, and adds that to the file from time to time. Thread-safe.

    Args:
        folder: ``wish_log.served_folder``; made when there is something to write.
        now: the clock.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._folder = folder
        self._now = now
        self._turn = threading.Lock()
        self._new: dict[Asked, Times] = {}
        self._end = threading.Event()
        self._failed = False

    def note(self, miss: Miss) -> None:
        """Count one; a client in a loop fills neither the memory nor the disk."""
        asked = asked_for(miss.key, miss.revision, miss.path)
        if asked is None:
            return
        time = self._now().isoformat(timespec="seconds")
        once = Times(1, time, time)
        with self._turn:
            if (before := self._new.get(asked)) is not None:
                self._new[asked] = before + once
            elif len(self._new) < MAX_KEPT:
                self._new[asked] = once

    def flush(self) -> None:
        """Add to the file what was counted since the last time."""
        with self._turn:
            new, self._new = Tally(self._new), {}
        if not new.misses or self._failed:
            return
        try:
            self._add(new)
        except (MirrorError, OSError) as error:
            self._failed = True
            _log.warning("what is asked for in vain is not counted any more: %s", error)

    @contextlib.contextmanager
    def recording(self, period: float = _PERIOD) -> Iterator[None]:
        """Write every ``period`` seconds, and at the end."""
        thread = threading.Thread(target=self._run, args=(period,), name="misses", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()
            self.flush()

    def _run(self, period: float) -> None:
        while not self._end.wait(period):
            self.flush()

    def _add(self, new: Tally) -> None:
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        with alone_in(self._folder):
            tally = (read_tally(self._folder) + new).bounded(self._now())
            write_atomic(misses_path(self._folder), encode_tally(tally), durable=False)
