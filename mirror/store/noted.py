"""What a server met that is not as it should be: ``damaged.jsonl``.

A server reads. It may have no right to write to the mirror, and holds no lock; so this is a
note and no more: at most one line for each blob, added in one write, in a file of bounded
size. ``verify`` looks at the blobs that are named, and takes out what is right again.

Lines are added and taken out in place, under a lock of the file's own: a folder in which
only this one file may be written is enough.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

from mirror.errors import BadNameError
from mirror.names import RepoKey, is_digest
from mirror.store.atomic import disk_errors
from mirror.store.opening import no_link
from mirror.store.store import Store

#: Some 3,000 blobs. Who has lost more needs a whole verify anyway.
MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class NotedDamage:
    """A blob that was asked for and is away, or of another length than its manifest says."""

    time: str
    """When it was first noticed, ISO 8601, UTC."""
    repo: str
    commit: str
    path: str
    """The file through which it was noticed; other repos may share the blob."""
    sha256: str

    @property
    def key(self) -> RepoKey:
        """The repo."""
        return RepoKey.parse(self.repo)

    @classmethod
    def from_json(cls, record: Any) -> NotedDamage | None:
        """Read a line; ``None`` if it is no note. The file may be anybody's."""
        names = ("time", "repo", "commit", "path", "sha256")
        values = [record.get(name) for name in names] if isinstance(record, dict) else []
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(names) or not is_digest(texts[-1]):
            return None
        note = cls(*texts)
        try:
            note.key  # noqa: B018  # raises where it is none
        except BadNameError:
            return None
        return note


def note_damage(store: Store, note: NotedDamage) -> bool:
    """Add a note, unless the blob is noted already; give whether there was room for it.

    Raises:
        DiskError: the file cannot be written.
    """
    with _opened(store) as stream:
        notes = _read(stream)
        if note.sha256 in {other.sha256 for other in notes}:
            return True
        line = _line(note)
        size = stream.seek(0, os.SEEK_END)
        if size + len(line) > MAX_BYTES:
            return False
        stream.write(line if _ends_whole(stream, size) else b"\n" + line)
    return True


def noted_damage(store: Store) -> tuple[NotedDamage, ...]:
    """Give what is noted, oldest first, each blob once; nothing where it cannot be read."""
    try:
        with open(store.layout.damaged, "rb", opener=_readable) as stream:
            return _read(stream)
    except OSError:
        return ()


def forget_damage(store: Store, digests: Collection[str]) -> None:
    """Take out the notes of some blobs: they are right again, or nothing needs them.

    Raises:
        DiskError: the file cannot be written.
    """
    if not digests or not store.layout.damaged.exists():
        return
    with _opened(store) as stream:
        kept = [note for note in _read(stream) if note.sha256 not in digests]
        stream.seek(0)
        stream.truncate()
        stream.write(b"".join(_line(note) for note in kept))


@contextmanager
def _opened(store: Store) -> Iterator[BinaryIO]:
    path = store.layout.damaged
    with disk_errors(path), open(path, "r+b", buffering=0, opener=_writable) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # held for two writes at most
        yield stream


def _writable(path: str, flags: int) -> int:
    return no_link(path, flags | os.O_CREAT | os.O_NONBLOCK)


def _readable(path: str, flags: int) -> int:
    return no_link(path, flags | os.O_NONBLOCK)


def _read(stream: BinaryIO) -> tuple[NotedDamage, ...]:
    stream.seek(0)
    found: dict[str, NotedDamage] = {}
    for line in stream.read(MAX_BYTES).splitlines():
        try:
            note = NotedDamage.from_json(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if note is not None:
            found.setdefault(note.sha256, note)
    return tuple(found.values())


def _ends_whole(stream: BinaryIO, size: int) -> bool:
    return size == 0 or os.pread(stream.fileno(), 1, size - 1) == b"\n"


def _line(note: NotedDamage) -> bytes:
    return json.dumps(asdict(note), separators=(",", ":")).encode() + b"\n"
