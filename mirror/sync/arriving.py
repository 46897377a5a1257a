"""One file on its way in, watched by those who wait for it; thread-safe.

What has arrived may be read before all of it has, and so before it is verified. Whoever
passes it on must hold back an end of it until ``digest`` says that the whole is right, and
give up where ``attempt`` has changed: then bytes that were read before are void.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mirror.errors import MirrorError


@dataclass(frozen=True)
class Arrival:
    """How far a file has come."""

    attempt: int = 0
    """Goes up whenever all bytes before are void."""
    end: int = 0
    """Bytes from the beginning that are there, not verified."""
    digest: str | None = None
    """The sha256, when the file is whole, verified and in the store."""
    error: MirrorError | None = None
    """Why it does not come."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.digest is not None or self.error is not None


class Arriving:
    """The file; told by its fetch, asked by readers."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._state = Arrival()
        self._watchers: list[Callable[[], None]] = []
        self._descriptor: int | None = None

    @property
    def state(self) -> Arrival:
        """How far it has come."""
        return self._state

    @contextlib.contextmanager
    def watched(self, call: Callable[[], None]) -> Iterator[None]:
        """Have ``call`` called upon every change, from any thread."""
        with self._turn:
            self._watchers.append(call)
        try:
            yield
        finally:
            with self._turn:
                self._watchers.remove(call)

    def open(self, attempt: int) -> int | None:
        """Give a descriptor of what arrives, to be closed by the caller.

        ``None`` where there are no bytes yet, or ``attempt`` is no longer the present one.
        """
        with self._turn:
            if self._descriptor is None or self._state.attempt != attempt:
                return None
            return os.dup(self._descriptor)

    # --- for the fetch ------------------------------------------------------------

    def grown(self, end: int, path: Path) -> None:
        """Say that ``path`` has no gap up to ``end``."""
        with self._turn:
            if end < self._state.end:
                self._void()
            if end and self._descriptor is None:
                with contextlib.suppress(OSError):
                    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
                    self._descriptor = os.open(path, flags)
            self._state = replace(self._state, end=end)
        self._tell()

    def void(self) -> None:
        """Say that what has arrived so far is not to be used."""
        with self._turn:
            self._void()
        self._tell()

    def finish(self, digest: str) -> None:
        """Say that the file is in the store."""
        self._end(replace(self._state, digest=digest))

    def fail(self, error: MirrorError) -> None:
        """Say that it does not come."""
        self._end(replace(self._state, error=error))

    def _end(self, state: Arrival) -> None:
        with self._turn:
            self._close()
            self._state = state
        self._tell()

    def _void(self) -> None:
        self._close()
        self._state = Arrival(self._state.attempt + 1)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _tell(self) -> None:
        with self._turn:
            watchers = tuple(self._watchers)
        for call in watchers:
            call()
