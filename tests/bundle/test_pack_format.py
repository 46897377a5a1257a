"""Packs as tar knows them, and as our own reader takes them, in pieces of any size."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile

import pytest

from mirror.bundle.packs import BLOCK, END, header_of, padding, read_members
from mirror.errors import UnsafeBundleError


def contents() -> list[tuple[str, bytes]]:
    """Some 3 MB: members lie across the borders of what is read at once."""
    chance = random.Random(0)
    sizes = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 4096, 128 << 10] * 20
    data = [chance.randbytes(size) for size in sizes]
    return [(hashlib.sha256(one).hexdigest(), one) for one in data]


def pack_of(members: list[tuple[str, bytes]]) -> bytes:
    parts = (header_of(name, len(data)) + data + padding(len(data)) for name, data in members)
    return b"".join(parts) + END


def test_tar_reads_a_pack() -> None:
    found = []
    with tarfile.open(fileobj=io.BytesIO(pack_of(contents())), mode="r:") as pack:
        for member in pack:
            stream = pack.extractfile(member)
            assert stream is not None
            found.append((member.name, stream.read()))
            assert (0o444, 0, 0) == (member.mode, member.uid, member.mtime)

    assert contents() == found


def test_every_byte_is_seen_once_and_every_member_given() -> None:
    pack, whole = pack_of(contents()), hashlib.sha256()

    assert contents() == list(read_members(io.BytesIO(pack), whole.update))
    assert hashlib.sha256(pack).hexdigest() == whole.hexdigest()


@pytest.mark.parametrize("cut", [1, BLOCK, len(END), len(END) + 1, 200_000])
def test_a_pack_cut_short_is_refused(cut: int) -> None:
    pack = pack_of(contents())[:-cut]

    with pytest.raises(UnsafeBundleError, match="ends in the middle"):
        list(read_members(io.BytesIO(pack), len))


def test_something_after_the_end_is_refused() -> None:
    with pytest.raises(UnsafeBundleError, match="after its end"):
        list(read_members(io.BytesIO(pack_of(contents()) + bytes(1)), len))
