"""How long an answer may take: asked by SQLite as it works, and between the steps."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from mirror.errors import QueryTimeoutError

#: Instructions of SQLite between two looks at the clock: about 0.1 ms of work.
_STEPS: Final = 5_000


class Deadline:
    """When an answer must be there."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    @classmethod
    def never(cls) -> Self:
        """One that does not come."""
        return cls(math.inf)

    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() > self._end

    def check(self) -> None:
        """Stop here if it is too late.

        Raises:
            QueryTimeoutError: it is.
        """
        if self.passed():
            raise QueryTimeoutError(self._seconds)

    @contextmanager
    def kept_by(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Interrupt what ``connection`` does in the block when the time is up.

        Raises:
            QueryTimeoutError: it was interrupted.
        """
        connection.set_progress_handler(self.passed, _STEPS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                raise QueryTimeoutError(self._seconds) from error
            raise
        finally:
            connection.set_progress_handler(None, 0)
