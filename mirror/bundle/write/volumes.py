"""How the files of a bundle are laid out on volumes of a bounded size. Pure.

A file goes on the first volume that is open and has room; one that no volume can hold is cut
into parts. The same files and sizes are always laid out alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mirror.bundle import form

#: Volumes that are still filled up: more would hardly fill better, and cost time.
_OPEN: Final = 16
_TAR: Final = 512
#: What ends a tar file: two empty blocks.
_TAR_END: Final = 2 * _TAR


@dataclass(frozen=True)
class Item:
    """One file of the payload, before it is cut."""

    path: str
    size: int


@dataclass(frozen=True)
class Piece:
    """A file, or a part of one, as it lies on a volume."""

    path: str
    whole: str
    offset: int
    size: int


@dataclass(frozen=True)
class Pack:
    """Small contents that lie in one tar file."""

    path: str
    blobs: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Bytes of the tar file."""
        return sum(member_size(size) for _, size in self.blobs) + _TAR_END


def member_size(size: int) -> int:
    """Give the bytes that a file of ``size`` takes in a tar file."""
    return _TAR + -(-size // _TAR) * _TAR


def pack_up(blobs: Iterable[tuple[str, int]], capacity: int | None) -> list[Pack]:
    """Put small contents into packs, in the order given."""
    limit = min(form.PACK_BYTES, capacity or form.PACK_BYTES)
    packs: list[Pack] = []
    chosen: list[tuple[str, int]] = []
    filled = _TAR_END
    for digest, size in blobs:
        if chosen and filled + member_size(size) > limit:
            packs.append(Pack(form.pack_path(len(packs) + 1), tuple(chosen)))
            chosen, filled = [], _TAR_END
        chosen.append((digest, size))
        filled += member_size(size)
    if chosen:
        packs.append(Pack(form.pack_path(len(packs) + 1), tuple(chosen)))
    return packs


def small_limit(capacity: int | None) -> int:
    """Give up to which size a content goes into a pack."""
    return form.SMALL if capacity is None else min(form.SMALL, max(0, capacity // 8))


def most_files(contents: Iterable[int], whole: Iterable[int], volume: int | None) -> int:
    """Bound how many files there will be, if half of each volume is theirs.

    Args:
        contents: sizes of what lies in packs, or alone if it is large.
        whole: sizes of what never lies in a pack.
        volume: bytes of a volume, none for one of any size.
    """
    half = form.PART_BYTES if volume is None else max(volume // 2, 1)
    limit, packed = small_limit(None if volume is None else half), 0
    alone = list(whole)
    for size in contents:
        if size <= limit:
            packed += member_size(size)
        else:
            alone.append(size)
    # Of two packs in a row, together more than one could hold, each has half of it on average.
    packs = 1 + 2 * packed // min(form.PACK_BYTES, half)
    return packs + sum(1 + size // half for size in alone)


def lay_out(items: Sequence[Item], capacity: int | None) -> list[list[Piece]]:
    """Decide which volume each file lies on; ``capacity`` in bytes, none for one volume."""
    volumes: list[list[Piece]] = [[]]
    room: dict[int, int | None] = {0: capacity}
    for item in items:
        for piece in cut(item, capacity):
            number = next(
                (n for n, free in room.items() if free is None or piece.size <= free), None
            )
            if number is None:
                number = len(volumes)
                volumes.append([])
                room[number] = capacity
                if len(room) > _OPEN:
                    del room[min(room, key=lambda n: (room[n] or 0, n))]
            volumes[number].append(piece)
            if (free := room[number]) is not None:
                room[number] = free - piece.size
    return volumes


def cut(item: Item, capacity: int | None) -> list[Piece]:
    """Cut a file into parts that fit; mostly it stays whole."""
    limit = min(form.PART_BYTES, capacity or form.PART_BYTES)
    if item.size <= limit:
        return [Piece(item.path, item.path, 0, item.size)]
    return [
        Piece(form.part_path(item.path, number), item.path, start, min(limit, item.size - start))
        for number, start in enumerate(range(0, item.size, limit), start=1)
    ]
