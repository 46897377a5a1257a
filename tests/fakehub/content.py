"""The bytes of a file, wherever they are, and their identity on the Hub.

A content can be read in slices, so that a large file on disk is never in memory as a
whole. Digests are computed once, when first asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 20

#: Kept as LFS whatever their size, as the Hub's default .gitattributes says.
_BINARY = (
    ".7z .arrow .avro .bin .bz2 .ckpt .ftz .gguf .gz .h5 .jpeg .jpg .joblib .mlmodel .model "
    ".mp3 .msgpack .npy .npz .onnx .ot .parquet .pb .pickle .pkl .png .pt .pth .rar "
    ".safetensors .tar .tflite .tgz .wav .wasm .webp .xz .zip .zst"
)
LFS_SUFFIXES: Final = frozenset(_BINARY.split())
LFS_SIZE: Final = 10 << 20

LfsRule = Callable[[str, int], bool] | Iterable[str] | None


class Content:
    """Bytes of known size that can be read in slices."""

    size: int

    def read(self, start: int, end: int) -> bytes:
        """Give the bytes ``start`` to ``end`` (exclusive)."""
        raise NotImplementedError

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Give the bytes from ``start`` to ``end`` in pieces of a megabyte at most."""
        stop = self.size if end is None else end
        while start < stop:
            piece = self.read(start, min(stop, start + CHUNK))
            start += len(piece)
            yield piece

    def bytes(self) -> bytes:
        """Give the whole: only for small contents."""
        return self.read(0, self.size)

    @cached_property
    def git_sha1(self) -> str:
        """git's name of the content as a blob."""
        digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        for piece in self.chunks():
            digest.update(piece)
        return digest.hexdigest()

    @cached_property
    def sha256(self) -> str:
        """sha256 of the content: the oid of an LFS file."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.hexdigest()


class MemoryContent(Content):
    """Bytes held in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, start: int, end: int) -> bytes:
        return self.data[start:end]


class DiskContent(Content):
    """A file on disk that does not change while it is served."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    def read(self, start: int, end: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)


class PatternContent(Content):
    """``size`` bytes made from a seed: a large file that needs no room anywhere.

    Every 8 bytes hold their own position, mixed with the seed: no two blocks are the
    same, so that a range put at the wrong place is noticed.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seed = seed

    def read(self, start: int, end: int) -> bytes:
        import numpy

        first, last = start // 8, (end + 7) // 8
        words = numpy.arange(first, last, dtype=numpy.uint64)
        words = (words + numpy.uint64(self.seed)) * numpy.uint64(0x9E3779B97F4A7C15)
        return words.tobytes()[start - first * 8 : end - first * 8]


class File:
    """One file of a commit: its content, and whether the Hub keeps it as LFS."""

    __slots__ = ("content", "is_lfs")

    def __init__(self, content: Content, is_lfs: bool) -> None:
        self.content = content
        self.is_lfs = is_lfs

    @property
    def pointer(self) -> bytes:
        """The text that git keeps in place of an LFS file."""
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.content.sha256}\nsize {self.content.size}\n"
        ).encode()

    @property
    def blob_id(self) -> str:
        """git's sha1 of what git has: the content, or the pointer."""
        return MemoryContent(self.pointer).git_sha1 if self.is_lfs else self.content.git_sha1

    @property
    def etag(self) -> str:
        """What resolve answers: sha256 of an LFS file, else the git sha1."""
        return self.content.sha256 if self.is_lfs else self.content.git_sha1

    @property
    def lfs(self) -> dict[str, object] | None:
        """The ``lfs`` object of a tree entry."""
        if not self.is_lfs:
            return None
        return {
            "oid": self.content.sha256,
            "size": self.content.size,
            "pointerSize": len(self.pointer),
        }


def as_content(value: Content | bytes | str | Path) -> Content:
    """Take bytes, text, or a path of a file to serve from disk."""
    if isinstance(value, Content):
        return value
    if isinstance(value, Path):
        return DiskContent(value)
    return MemoryContent(value.encode() if isinstance(value, str) else bytes(value))


def is_lfs(path: str, size: int, rule: LfsRule) -> bool:
    """Say whether a file is LFS: by ``rule`` (patterns or a function), else as on the Hub."""
    if callable(rule):
        return rule(path, size)
    if rule is not None:
        return any(fnmatchcase(path, pattern) for pattern in rule)
    dot = path.rfind(".")
    return size > LFS_SIZE or (dot >= 0 and path[dot:].lower() in LFS_SUFFIXES)
