"""Which blob has the content that git names by this sha1: a derived index.

The Hub's tree gives a sha256 for LFS files only. For all the others this index tells
whether some repo's snapshot has the content already, so that it need not be fetched.

One text file a shard (the first two hex digits), one line a content: git's sha1, a
space, the sha256. Files are only appended to; a line that was cut short is ignored.
Losing the index costs a fetch, never correctness (docs/adr/0003-git-blob-index.md).
Thread-safe within one process.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mirror.store.atomic import disk_errors, exchange
from mirror.store.blobs import Blobs
from mirror.store.opening import no_link

_LINE: Final = re.compile(rb"^([0-9a-f]{40}) ([0-9a-f]{64})\n", re.MULTILINE)
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_LINE_BYTES: Final = 40 + 1 + 64 + 1

#: A million contents are 106 MB; a look-up in a shard that is not in memory reads 1/256 of it.
_MEMORY: Final = 64 << 20
#: Lines held back in :meth:`GitIndex.rebuild` before they are written, shard by shard.
_BATCH: Final = 50_000


class GitIndex:
    """The folder ``git-index/``."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder = folder
        self._prefix = str(folder)
        self._blobs = blobs
        self._lock = threading.Lock()
        self._shards: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    def find(self, blob_id: str) -> str | None:
        """Give the sha256 of the blob with that git sha1, if it is in the store."""
        if not _SHA1.fullmatch(blob_id):
            return None
        with self._lock:
            shard = self._shard(blob_id[:2])
        digest = _look_up(shard, blob_id)
        return digest if digest is not None and self._blobs.has(digest) else None

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Record (git sha1, sha256) pairs; those that are known already cost no write.

        Raises:
            DiskError: full, read-only, or an I/O error.
        """
        with self._lock:
            for name, lines in _by_shard(pairs).items():
                known = self._shard(name)
                fresh = [line for line in dict.fromkeys(lines) if line not in known]
                if fresh:
                    written = self._append(self._folder / name, known, fresh)
                    self._keep(name, known + written)

    def rebuild(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Write the index anew from ``pairs``; readers see the old one or the new one."""
        beside = self._folder.with_name(f".{self._folder.name}.tmp")
        with self._lock, disk_errors(self._folder):
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            for batch in _batches(pairs):
                for name, lines in _by_shard(batch).items():
                    with (beside / name).open("ab") as stream:
                        stream.writelines(lines)
            self._folder.mkdir(exist_ok=True)
            exchange(self._folder, beside)
            shutil.rmtree(beside)
            self._shards.clear()
            self._held = 0

    def _append(self, path: Path, known: bytes, lines: list[bytes]) -> bytes:
        # After a line that was cut short, start a new one.
        data = (b"\n" if known and not known.endswith(b"\n") else b"") + b"".join(lines)
        with disk_errors(path):
            if not known:
                self._folder.mkdir(exist_ok=True)
            with open(path, "ab", buffering=0, opener=no_link) as stream:
                stream.write(data)
        return data

    def _shard(self, name: str) -> bytes:
        """One shard's bytes, as they are on disk now. The lock is held."""
        path = f"{self._prefix}/{name}"
        try:
            size = os.stat(path).st_size  # noqa: PTH116 - a hot path
        except FileNotFoundError:
            self._forget(name)
            return b""
        held = self._shards.get(name)
        if held is None or len(held) != size:
            held = self._keep(name, Path(path).read_bytes())
        self._shards.move_to_end(name)
        return held

    def _keep(self, name: str, data: bytes) -> bytes:
        """Hold a shard in memory, and let go of those that were not needed for long."""
        self._forget(name)
        self._shards[name] = data
        self._held += len(data)
        while self._held > _MEMORY and len(self._shards) > 1:
            self._held -= len(self._shards.popitem(last=False)[1])
        return data

    def _forget(self, name: str) -> None:
        self._held -= len(self._shards.pop(name, b""))


def _look_up(shard: bytes, blob_id: str) -> str | None:
    needle = blob_id.encode() + b" "
    place = shard.find(needle)
    while place >= 0:
        if match := _LINE.match(shard, place, place + _LINE_BYTES):
            return match[2].decode()
        place = shard.find(needle, place + 1)
    return None


def _by_shard(pairs: Iterable[tuple[str, str]]) -> dict[str, list[bytes]]:
    shards: dict[str, list[bytes]] = defaultdict(list)
    for blob_id, sha256 in pairs:
        shards[blob_id[:2]].append(f"{blob_id} {sha256}\n".encode())
    return shards


def _batches(pairs: Iterable[tuple[str, str]]) -> Iterator[set[tuple[str, str]]]:
    batch: set[tuple[str, str]] = set()
    for pair in pairs:
        batch.add(pair)
        if len(batch) >= _BATCH:
            yield batch
            batch = set()
    yield batch
