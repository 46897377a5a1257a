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


class Pieces:
    """Reads a stream in large pieces, and shows each to ``note`` once: members are small."""

    def __init__(self, stream: Readable, note: Callable[[bytes], object]) -> None:
        self._stream = stream
        self._note = note
        self._piece = b""
        self._place = 0

    def read(self, count: int, /) -> bytes:
        """Give ``count`` bytes; fewer at the end of the stream."""
        end = self._place + count
        while end > len(self._piece):
            more = self._stream.read(max(_PIECE, count))
            if not more:
                break
            self._note(more)
            self._piece = self._piece[self._place :] + more
            self._place, end = 0, count
        data = self._piece[self._place : end]
        self._place += len(data)
        return data


def read_members(stream: Readable, note: Callable[[bytes], object]) -> Iterator[tuple[str, bytes]]:
    """Give (sha256, content) of every member, each checked; ``note`` sees what is read.

    Raises:
        UnsafeBundleError: not a pack as we write it, or a content under another's name.
    """
    pieces = Pieces(stream, note)

    def take(count: int) -> bytes:
        data = pieces.read(count)
        if len(data) != count:
            raise UnsafeBundleError("a pack ends in the middle of a file")
        return data

    while True:
        header = take(BLOCK)
        if not any(header):
            break
        digest, size = header[:64].decode("ascii", "replace"), _size_in(header)
        if not is_digest(digest) or not 0 <= size <= SMALL or header != header_of(digest, size):
            raise UnsafeBundleError("a pack has something in it that is not a plain content")
        content = take(size)
        if any(take(-size % BLOCK)):
            raise UnsafeBundleError("a pack has something between two files")
        if hashlib.sha256(content).hexdigest() != digest:
            raise UnsafeBundleError(f"a pack has other bytes under the name {digest}")
        yield digest, content
    if any(take(BLOCK)) or pieces.read(1):
        raise UnsafeBundleError("a pack has something after its end")


def _size_in(header: bytes) -> int:
    try:
        return int(header[_SIZE_FIELD], 8)
    except ValueError:
        return SMALL + 1
