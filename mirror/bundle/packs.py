"""Packs: small contents in one tar file, so that a stick writes at its full speed.

A tar file, because whoever looks into a bundle has ``tar`` and a virus scanner that opens it.
Its members are named by sha256, and every header is the one that our own writer makes: a
reader compares it byte by byte, and so has nothing to interpret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from mirror.bundle.form import SMALL
from mirror.errors import UnsafeBundleError
from mirror.names import is_digest

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
_NOTHING: Final = bytes(BLOCK)
_SIZE_FIELD: Final = slice(124, 135)
_PIECE: Final = 1 << 20

#: What is the same in every header: mode, user, group; the ends of size and checksum, and time;
#: type, link, magic, owner, device, prefix.
_BEFORE: Final = b"0000444\0" + 2 * b"0000000\0"
_BETWEEN: Final = b"\0" + b"00000000000\0"
_AFTER: Final = (
    b"\0 " + b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + 2 * b"0000000\0" + bytes(167)
)
#: Their part of the checksum, in which its own field counts as spaces.
_SUM: Final = sum(_BEFORE + _BETWEEN + _AFTER[2:] + 8 * b" ")


class Readable(Protocol):
    """What members are read from."""

    def read(self, count: int, /) -> bytes:
        """Give up to ``count`` bytes."""


def header_of(digest: str, size: int) -> bytes:
    """Give the header (POSIX ustar) of a member: mode 0444, no owner, no time."""
    name, length = digest.encode(), b"%011o" % size
    total = b"%06o" % (_SUM + sum(name) + sum(length))
    return b"".join((name.ljust(100, b"\0"), _BEFORE, length, _BETWEEN, total, _AFTER))


def padding(size: int) -> bytes:
    """Give what fills a member up to whole blocks."""
    return bytes(-size % BLOCK)


class _Pieces:
    """Reads a stream in large pieces, and shows each to ``note`` once: members are small."""

    def __init__(self, stream: Readable, note: Callable[[bytes], object]) -> None:
        self._stream = stream
        self._note = note
        self._piece = b""
        self._place = 0

    def take(self, count: int) -> bytes:
        """Give the next ``count`` bytes."""
        end = self._place + count
        if end > len(self._piece):
            self._fill(count)
            end = count
        data = self._piece[self._place : end]
        self._place = end
        return data

    def require_end(self) -> None:
        """See that there is nothing more."""
        if self._place < len(self._piece) or self._stream.read(1):
            raise UnsafeBundleError("a pack has something after its end")

    def _fill(self, count: int) -> None:
        """Have at least ``count`` bytes ahead."""
        pieces, ahead = [self._piece[self._place :]], len(self._piece) - self._place
        while ahead < count:
            more = self._stream.read(max(_PIECE, count))
            if not more:
                raise UnsafeBundleError("a pack ends in the middle of a file")
            self._note(more)
            pieces.append(more)
            ahead += len(more)
        self._piece, self._place = b"".join(pieces), 0


def read_members(stream: Readable, note: Callable[[bytes], object]) -> Iterator[tuple[str, bytes]]:
    """Give (sha256, content) of every member, each checked; ``note`` sees what is read.

    Raises:
        UnsafeBundleError: not a pack as we write it, or a content under another's name.
    """
    pieces = _Pieces(stream, note)
    while (header := pieces.take(BLOCK)) != _NOTHING:
        digest, size = header[:64].decode("ascii", "replace"), _size_in(header)
        if not is_digest(digest) or not 0 <= size <= SMALL or header != header_of(digest, size):
            raise UnsafeBundleError("a pack has something in it that is not a plain content")
        blocks = pieces.take(size + -size % BLOCK)
        content = blocks[:size]
        if any(blocks[size:]):
            raise UnsafeBundleError("a pack has something between two files")
        if hashlib.sha256(content).hexdigest() != digest:
            raise UnsafeBundleError(f"a pack has other bytes under the name {digest}")
        yield digest, content
    if pieces.take(BLOCK) != _NOTHING:
        raise UnsafeBundleError("a pack has something after its end")
    pieces.require_end()


def _size_in(header: bytes) -> int:
    try:
        return int(header[_SIZE_FIELD], 8)
    except ValueError:
        return SMALL + 1
