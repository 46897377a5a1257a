"""Noting for ``mirror verify`` what could not be delivered, where the mirror can be written to.

In a thread of its own: the loop that answers must not wait for a disk that is in trouble.
A server that may write nowhere says so once, in its log, and goes on.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mirror.errors import MirrorError
from mirror.names import RepoKey
from mirror.store import NotedDamage, note_damage

if TYPE_CHECKING:
    from mirror.store import Store

#: Notes that wait for the disk; what is more is noted when it is asked for again.
_WAITING: Final = 100

_log: Final = logging.getLogger("mirror.serve")


class DamageNotes:
    """Writes notes, each blob once for each time it was put right; thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._waiting: set[str] = set()
        self._writer: ThreadPoolExecutor | None = None
        self._said = False

    def add(self, key: RepoKey, commit: str, path: str, sha256: str) -> None:
        """Note a file whose blob is missing or cut short. Returns at once."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        note = NotedDamage(now, str(key), commit, path, sha256)
        with self._turn:
            if sha256 in self._waiting or len(self._waiting) >= _WAITING:
                return
            self._waiting.add(sha256)
            if self._writer is None:
                self._writer = ThreadPoolExecutor(1, "mirror-damage")
            self._writer.submit(self._write, note)

    def settle(self) -> None:
        """Wait until everything is written."""
        if self._writer is not None:
            self._writer.submit(lambda: None).result()

    def _write(self, note: NotedDamage) -> None:
        try:
            note_damage(self._store, note)
        except (MirrorError, OSError) as error:
            if not self._said:
                _log.warning("damage is noted in this log only: %s", error)
            self._said = True
        finally:
            with self._turn:
                self._waiting.discard(note.sha256)
