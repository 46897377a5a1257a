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


class Readable(Protocol):
    """What members are read from."""

    def read(self, count: int, /) -> bytes:
        """Give up to ``count`` bytes."""


def header_of(digest: str, size: int) -> bytes:
    """Give the header (POSIX ustar) of a member: mode 0444, no owner, no time."""
    fields = (
        digest.encode().ljust(100, b"\0"),
        b"0000444\0",
        b"0000000\0",
        b"0000000\0",
        b"%011o\0" % size,
        b"00000000000\0",
        b"        ",
        b"0",
        bytes(100),
        b"ustar\x0000",
        bytes(32 + 32),
        b"0000000\0",
        b"0000000\0",
        bytes(155 + 12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> bytes:
    """Give what fills a member up to whole blocks."""
    return bytes(-size % BLOCK)


def read_members(stream: Readable, note: Callable[[bytes], object]) -> Iterator[tuple[str, bytes]]:
    """Give (sha256, content) of every member, each checked; ``note`` sees every byte read.

    Raises:
        UnsafeBundleError: not a pack as we write it, or a content under another's name.
    """

    def take(count: int) -> bytes:
        data = stream.read(count)
        note(data)
        if len(data) != count:
            raise UnsafeBundleError("a pack ends in the middle of a file")
        return data

    while True:
        header = take(BLOCK)
        if not any(header):
            break
        digest, size = header[:64].decode("ascii", "replace"), _size_in(header)
        if not is_digest(digest) or size > SMALL or header != header_of(digest, size):
            raise UnsafeBundleError("a pack has something in it that is not a plain content")
        content = take(size)
        if any(take(-size % BLOCK)):
            raise UnsafeBundleError("a pack has something between two files")
        if hashlib.sha256(content).hexdigest() != digest:
            raise UnsafeBundleError(f"a pack has other bytes under the name {digest}")
        yield digest, content
    if any(take(BLOCK)) or stream.read(1):
        raise UnsafeBundleError("a pack has something after its end")


def _size_in(header: bytes) -> int:
    try:
        return int(header[_SIZE_FIELD], 8)
    except ValueError:
        return SMALL + 1
