"""Upstream's answers about revisions, each good for a while. Thread-safe, no I/O."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from mirror.errors import MirrorError
from mirror.hub.model import RepoInfo
from mirror.names import RepoKey
from mirror.sync.known import Known

#: Answers that are remembered, and files of the commits among them (about 1 KB each).
KEPT: Final = 10_000
_KEPT_FILES: Final = 200_000


@dataclass(frozen=True, eq=False)
class Look:
    """What upstream says of one revision of one repo."""

    asked: RepoKey
    info: RepoInfo
    """Its ``key`` is another one than ``asked`` after a rename."""
    known: Known

    @property
    def key(self) -> RepoKey:
        """The id that the repo has now."""
        return self.info.key

    @property
    def commit(self) -> str:
        """What the revision points at."""
        return self.info.commit


Answer = Look | MirrorError
"""What came of a question; an error where the answer is no, or there is none."""


class Memory:
    """The answers; the oldest goes where there are too many."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._files = 0
        self._answers: OrderedDict[tuple[RepoKey, str], tuple[float, Answer]] = OrderedDict()

    def get(self, key: RepoKey, revision: str) -> Answer | None:
        """Give the answer, if it is still good."""
        with self._turn:
            until, answer = self._answers.get((key, revision), (0.0, None))
            return answer if time.monotonic() < until else None

    def put(self, key: RepoKey, revision: str, answer: Answer, seconds: float | None) -> None:
        """Remember an answer for some seconds; ``None``: for as long as there is room."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        with self._turn:
            self._drop((key, revision))
            self._answers[key, revision] = (until, answer)
            self._files += _weight(answer)
            while self._answers and (
                len(self._answers) > KEPT or (self._files > _KEPT_FILES and len(self._answers) > 4)
            ):
                self._drop(next(iter(self._answers)))

    def _drop(self, place: tuple[RepoKey, str]) -> None:
        if (old := self._answers.pop(place, None)) is not None:
            self._files -= _weight(old[1])


def _weight(answer: Answer) -> int:
    return len(answer.known.manifest.files) if isinstance(answer, Look) else 0
