"""Which bytes of a large file are there, and who fetches which of the others.

Pure bookkeeping: positions in a file, half-open ranges, no I/O. A connection holds a
:class:`Claim` and moves its ``position``; everything is either done, claimed or free.
Free bytes are given out from the lowest up, so that the part without a gap at the
beginning, which is all that can be hashed, keeps close behind the transfer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

Range = tuple[int, int]

#: A new connection must be worth a round trip: a smaller part is not split.
SMALLEST: Final = 4 * 2**20
#: Bounds how far the last byte hashed may be behind the last byte received.
LARGEST: Final = 128 * 2**20

_JOURNAL_LINE: Final = re.compile(rb"(\d{1,18}) (\d{1,18})")


@dataclass(eq=False)
class Claim:
    """The part that one connection fetches: from ``position`` (moving) to ``end``."""

    position: int
    end: int


class Segments:
    """The bytes of one file of ``size`` that are still to come."""

    def __init__(self, size: int, done: Iterable[Range] = ()) -> None:
        self.size = size
        self._claims: list[Claim] = []
        self._free = list(gaps(size, done))

    @property
    def remaining(self) -> int:
        """Bytes that are not there yet."""
        claimed = sum(claim.end - claim.position for claim in self._claims)
        return claimed + sum(end - start for start, end in self._free)

    @property
    def frontier(self) -> int:
        """The end of the part without a gap at the beginning of the file."""
        first = self._free[0][0] if self._free else self.size
        open_claims = (claim.position for claim in self._claims if claim.position < claim.end)
        return min([first, *open_claims])

    def claim(self, connections: int) -> Claim | None:
        """Give out the next part, sized for so many connections; ``None``: nothing to share."""
        if not self._free:
            self._cut(connections)
        if not self._free:
            return None
        share = self._share(connections)
        start, end = self._free.pop(0)
        stop = end if connections == 1 else min(end, start + share)
        if end - stop < SMALLEST // 2:
            stop = end
        else:
            self._free.insert(0, (stop, end))
        claim = Claim(start, stop)
        self._claims.append(claim)
        return claim

    def extend(self, claim: Claim, limit: int, connections: int) -> None:
        """Let a claim go on where it ends, up to ``limit``, if nobody has those bytes."""
        for index, (start, end) in enumerate(self._free):
            if start == claim.end < limit:
                stop = min(end, limit)
                if connections > 1:
                    stop = min(stop, start + self._share(connections))
                claim.end = stop
                self._free[index : index + 1] = [(stop, end)] if stop < end else []
                return

    def release(self, claim: Claim) -> None:
        """Take back what is left of a claim."""
        self._claims.remove(claim)
        if claim.position < claim.end:
            self._free = list(merged([*self._free, (claim.position, claim.end)]))

    def restart(self, claim: Claim) -> None:
        """Forget everything; ``claim`` becomes the whole file."""
        self._free = []
        self._claims = [claim]
        claim.position, claim.end = 0, self.size

    def _share(self, connections: int) -> int:
        return min(max(self.remaining // (2 * connections), SMALLEST), LARGEST)

    def _cut(self, connections: int) -> None:
        """Free the far end of the largest claim; its connection will stop there."""
        victim = max(self._claims, key=lambda claim: claim.end - claim.position, default=None)
        if victim is None or victim.end - victim.position < 2 * SMALLEST:
            return
        keep = min(self._share(connections), (victim.end - victim.position) // 2)
        self._free = [(victim.position + keep, victim.end)]
        victim.end = victim.position + keep


def merged(ranges: Iterable[Range]) -> Iterator[Range]:
    """Sort ranges, and join those that touch or overlap."""
    current: Range | None = None
    for start, end in sorted(ranges):
        if current is not None and start <= current[1]:
            current = (current[0], max(current[1], end))
        else:
            if current is not None:
                yield current
            current = (start, end)
    if current is not None:
        yield current


def gaps(size: int, done: Iterable[Range]) -> Iterator[Range]:
    """Give the parts of ``0…size`` that ``done`` leaves out."""
    position = 0
    for start, end in merged(done):
        if start > position:
            yield position, start
        position = end
    if position < size:
        yield position, size


def parse_journal(text: bytes, size: int) -> tuple[Range, ...]:
    r"""Read the lines ``start end\n`` of a journal.

    Lines that are torn, garbage or outside of the file are ignored: a journal only
    saves work, the digest decides.
    """
    found = (_JOURNAL_LINE.fullmatch(line) for line in text.split(b"\n")[:-1])
    ranges = ((int(match[1]), int(match[2])) for match in found if match)
    return tuple(merged((start, end) for start, end in ranges if start < end <= size))
