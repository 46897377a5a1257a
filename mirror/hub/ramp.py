"""How many connections a large file gets: more only while more of them bring more.

A server that gives each connection little deserves many; on a fast link one connection
fills it, and more only cost: on loopback 2 GB took 3.3 s over one connection and 7 to
8.6 s over two, four or eight. So the number is doubled as long as that raises the rate,
taken back where it does not, and tried again later. Where our own processor is the
limit, nothing is tried.

Pure: time and counts come in as arguments.
"""

from __future__ import annotations

from typing import Final

#: Seconds over which a rate is measured; three doublings fit into the first second.
_WINDOW: Final = 0.15
#: Doubling the connections must bring so much, or it is taken back.
_GAIN: Final = 1.2
#: Seconds until a number that was found best is doubted again.
_SETTLED: Final = 10.0
#: Share of one processor in the event loop's thread from which on it is the limit.
_BUSY: Final = 0.5
#: A connection that has brought nothing for so long is not waited for.
_PATIENCE: Final = 3.0


class Ramp:
    """Decides about the connections of one file; ``target`` is the present answer."""

    def __init__(self, most: int, now: float) -> None:
        self.target = 1
        self._most = most
        self._before: tuple[int, float] | None = None
        self._changed_at = now
        self._quiet_until = now
        self._window: tuple[float, int, float] | None = None

    def observe(self, now: float, received: int, busy: float, flowing: int) -> int:
        """Take note of counters, and give the number of connections to have.

        Args:
            now: seconds of a clock that does not jump.
            received: bytes so far, of everything that shares the link.
            busy: processor seconds of the event loop's thread so far.
            flowing: connections of this file that have brought bytes.
        """
        settling = flowing < self.target and now < self._changed_at + _PATIENCE
        if now < self._quiet_until or settling or self._window is None:
            self._window = (now, received, busy)
            return self.target
        since, received_then, busy_then = self._window
        span = now - since
        if span >= _WINDOW:
            rate = (received - received_then) / span
            self._decide(now, rate, (busy - busy_then) / span)
            self._window = (now, received, busy)
        return self.target

    def limit(self, most: int, now: float, *, for_good: bool = False) -> None:
        """Have at most so many for a while, because upstream gave no more."""
        self._set(max(1, min(self.target, most)), now)
        self._before = None
        self._quiet_until = now + _SETTLED
        if for_good:
            self._most = self.target

    def _decide(self, now: float, rate: float, busy: float) -> None:
        if self._before is not None and rate < self._before[1] * _GAIN:
            self._set(self._before[0], now)
            self._before = None
            self._quiet_until = now + _SETTLED
        elif self.target < self._most and busy < _BUSY and rate > 0:
            self._before = (self.target, rate)
            self._set(min(2 * self.target, self._most), now)
        else:
            self._before = None

    def _set(self, target: int, now: float) -> None:
        self.target = target
        self._changed_at = now
