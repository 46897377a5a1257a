"""Answers of the viewer that took long to make, kept in memory up to a bound."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

#: Characters of the answers that are kept.
_KEPT: Final = 32 << 20

Answer = dict[str, Any]


class Remembered:
    """Answers that took long, the least used forgotten first. Thread-safe."""

    def __init__(self, room: int = _KEPT) -> None:
        self._room = room
        self._used = 0
        self._turn = threading.Lock()
        self._answers: OrderedDict[str, tuple[Answer, int]] = OrderedDict()

    def get(self, key: str, make: Callable[[], Answer]) -> Answer:
        """Give the answer of that key, made only where it is not known."""
        with self._turn:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key][0]
        answer = make()
        size = len(json.dumps(answer))
        with self._turn:
            if key not in self._answers:
                self._answers[key] = (answer, size)
                self._used += size
            while self._used > self._room:
                self._used -= self._answers.popitem(last=False)[1][1]
        return answer
