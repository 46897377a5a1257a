r"""The two names of a file's content: sha256 (ours) and git's sha1 (the Hub's).

git's sha1 is that of ``blob <size>\0`` and the content, so the size must be known
before the first byte.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Large enough that hashing dominates the calls, small enough for a few threads at once.
CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Digests:
    """What identifies one content."""

    sha256: str
    git_sha1: str
    size: int


class Hasher:
    """Both digests of a content of ``size`` bytes that comes in pieces."""

    def __init__(self, size: int) -> None:
        self._sha256 = hashlib.sha256()
        self._git_sha1 = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)

    def update(self, data: bytes | memoryview) -> None:
        """Take the next piece."""
        self._sha256.update(data)
        self._git_sha1.update(data)

    @property
    def sha256(self) -> str:
        """The blob's name: 64 hex digits."""
        return self._sha256.hexdigest()

    @property
    def git_sha1(self) -> str:
        """What git (and the Hub's tree) calls it: 40 hex digits."""
        return self._git_sha1.hexdigest()


def lfs_pointer(sha256: str, size: int) -> str:
    """Give the text that git keeps in place of an LFS file, as git LFS writes it."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"


def hash_file(path: Path) -> Digests:
    """Read ``path`` once and give both its digests."""
    size = path.stat().st_size
    hasher = Hasher(size)
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            hasher.update(data)
    return Digests(hasher.sha256, hasher.git_sha1, size)


def hash_bytes(data: bytes) -> Digests:
    """Give both digests of ``data``."""
    hasher = Hasher(len(data))
    hasher.update(data)
    return Digests(hasher.sha256, hasher.git_sha1, len(data))
