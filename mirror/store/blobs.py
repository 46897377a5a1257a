"""Content, named by its sha256, written once and read-only from then on.

Thread-safe. Nothing here re-reads a blob to check it: whoever adopts one has hashed
it, and ``verify`` hashes all of them. Blobs become durable together, by
:meth:`Blobs.sync`; until then nothing may refer to them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from mirror.errors import NotFoundError
from mirror.names import is_digest
from mirror.store.atomic import Barrier, disk_errors, sync_file
from mirror.store.opening import open_new, open_regular

#: From this size on a blob is synced on its own before it gets its name. A large file may
#: have been laid out at full length before its parts came, so after a power cut its size
#: would look right with holes in it; small files are written in one go and would be short.
SYNC_ALONE: Final = 4 << 20

_READ_ONLY: Final = 0o444


class Blobs:
    """The folder ``blobs/``."""

    def __init__(self, folder: Path, barrier: Barrier | None = None) -> None:
        self._prefix = str(folder)
        self._barrier = barrier or Barrier(folder)

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be."""
        return Path(self.name(digest))

    def name(self, digest: str) -> str:
        """Give :meth:`path` as text, for loops over many blobs."""
        if not is_digest(digest):
            raise ValueError(f"{digest!r} is not a sha256")
        return f"{self._prefix}/{digest[:2]}/{digest}"

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether the blob is there, with that size if one is given. Reads no content."""
        found = self.size(digest)
        return found is not None and (size is None or found == size)

    def size(self, digest: str) -> int | None:
        """How long the blob is; ``None`` if it is not there."""
        try:
            return os.stat(self.name(digest)).st_size  # noqa: PTH116 - a hot path
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, digest: str) -> BinaryIO:
        """Open the blob for reading.

        Raises:
            NotFoundError: it is not in the store.
        """
        try:
            return open_regular(self.name(digest))
        except FileNotFoundError:
            raise NotFoundError(
                f"blob {digest} is not in the mirror", hint="mirror sync fetches what is missing"
            ) from None

    def adopt(self, temporary: Path | str, digest: str) -> None:
        """Take over the complete file ``temporary``, whose sha256 the caller has checked.

        It must be on the same file system. If the blob is there already, ``temporary``
        is removed; a blob of another size is replaced.

        Raises:
            DiskError: full, read-only, or an I/O error; ``temporary`` is still there.
        """
        source, target = str(temporary), self.name(digest)
        with disk_errors(target):
            # os, not pathlib: a data set may have hundreds of thousands of small files.
            found = os.stat(source)  # noqa: PTH116
            if self.has(digest, found.st_size):
                os.unlink(source)  # noqa: PTH108
                return
            if stat.S_IMODE(found.st_mode) != _READ_ONLY:
                os.chmod(source, _READ_ONLY)  # noqa: PTH101
            if found.st_size >= SYNC_ALONE:
                sync_file(source)
            try:
                os.rename(source, target)  # noqa: PTH104
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
                os.rename(source, target)  # noqa: PTH104
        self._barrier.mark()

    def take_over(self, staged: Blobs) -> None:
        """Take over all that a folder on the same file system holds; its sha256 were checked.

        Where nothing of the same two digits is here yet, all of them come by one rename.

        Raises:
            DiskError: as :meth:`adopt`; what has come so far is here, the rest is there.
        """
        for name, entries in _folders(staged._prefix):
            try:
                os.rename(f"{staged._prefix}/{name}", f"{self._prefix}/{name}")  # noqa: PTH104
            except OSError:  # not empty; whatever else it is, adopt meets it again
                for entry in entries:
                    if is_digest(entry.name):
                        self.adopt(entry.path, entry.name)
        self._barrier.mark()

    def write(self, data: bytes) -> str:
        """Store ``data`` and give its digest."""
        digest = hashlib.sha256(data).hexdigest()
        if self.has(digest, len(data)):
            return digest
        target = self.path(digest)
        temporary = target.with_name(f".{digest}.{threading.get_native_id()}.tmp")
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open_new(temporary) as stream:
                    stream.write(data)
                self.adopt(temporary, digest)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
        return digest

    def remove(self, digest: str) -> None:
        """Delete the blob, if it is there. The caller knows that nothing refers to it."""
        with disk_errors(self.path(digest)):
            self.path(digest).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[str]:
        """Give every digest in the store, in no order."""
        for name, entries in _folders(self._prefix):
            for entry in entries:
                if entry.name.startswith(name) and is_digest(entry.name):
                    yield entry.name

    def temporaries(self) -> Iterator[Path]:
        """Give the files left by :meth:`write` in a process that was killed."""
        for _, entries in _folders(self._prefix):
            for entry in entries:
                if entry.name.startswith(".") and entry.name.endswith(".tmp"):
                    yield Path(entry.path)

    def sync(self) -> None:
        """Make every blob adopted so far durable; cheap if none came since the last time.

        Raises:
            DiskError: the disk did not take them: nothing may refer to them.
        """
        self._barrier.wait()


def _folders(prefix: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    try:
        names = sorted(entry.name for entry in os.scandir(prefix) if len(entry.name) == 2)
    except FileNotFoundError:
        return
    for name in names:
        try:
            with os.scandir(f"{prefix}/{name}") as entries:
                yield name, list(entries)
        except NotADirectoryError:
            continue
