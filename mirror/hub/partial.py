"""What a large file leaves in ``partial/`` while it is fetched: its data and a journal.

``partial/<etag>`` has the file's full size from the start, with holes. Beside it,
``<etag>.journal`` gets a line for every few MiB after they are written. A process that
is killed loses no more than the lines not written yet; nothing is forced to disk, so
after a power cut the journal may claim too much: the digest finds that out.

One writer: the caller holds the mirror's lock. Nothing here is shared between files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mirror.errors import DiskError
from mirror.hub.ranges import Range, parse_journal

#: A 10 TB file in lines of 4 MiB.
_JOURNAL_BYTES: Final = 128 * 2**20


class PartialFile:
    """The data and journal of one file under way."""

    def __init__(self, folder: Path, etag: str, size: int) -> None:
        """Open what an earlier run left, or begin.

        Raises:
            DiskError: the folder is not writable.
        """
        self.path = folder / etag
        self.size = size
        self._folder = folder
        self._journal_path = folder / f"{etag}.journal"
        self._journal: int | None = None
        with disk_errors(folder):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._data = os.open(self.path, flags, 0o644)
        try:
            self.done = self._read_journal()
            if not self.done:
                self.restart()
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes | memoryview, position: int) -> None:
        """Write at a position; :class:`DiskError` where that fails."""
        with disk_errors(self._folder):
            write_all(self._data, data, position)

    def record(self, start: int, end: int) -> None:
        """Note in the journal that these bytes are written."""
        if start == end:
            return
        with disk_errors(self._folder):
            if self._journal is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                self._journal = os.open(self._journal_path, flags, 0o644)
                # A line that an earlier run began must not join with ours.
                os.write(self._journal, b"\n")
            os.write(self._journal, b"%d %d\n" % (start, end))

    def read_into(self, buffer: memoryview, position: int) -> int:
        """Read bytes back, for hashing; may be called in another thread."""
        with disk_errors(self._folder):
            count = os.preadv(self._data, [buffer], position)
        if count == 0:
            raise DiskError(f"{self.path} was cut while it was fetched")
        return count

    def restart(self) -> None:
        """Forget what is there."""
        with disk_errors(self._folder):
            self._close_journal()
            self._journal_path.unlink(missing_ok=True)
            # Never shorter in between: it may be read back for hashing at this moment.
            os.ftruncate(self._data, self.size)
        self.done = ()

    def finish(self) -> None:
        """Close; the data file alone stays, for the store to adopt."""
        self.close()
        with disk_errors(self._folder):
            self._journal_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Close, and remove everything."""
        self.finish()
        with disk_errors(self._folder):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close; what is there can be taken up again. Closing twice is allowed."""
        self._close_journal()
        if self._data >= 0:
            os.close(self._data)
            self._data = -1

    def _close_journal(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    def _read_journal(self) -> tuple[Range, ...]:
        with disk_errors(self._folder):
            if os.fstat(self._data).st_size != self.size:
                return ()
            try:
                with self._journal_path.open("rb") as journal:
                    text = journal.read(_JOURNAL_BYTES)
            except FileNotFoundError:
                return ()
        return parse_journal(text, self.size)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk says into a :class:`DiskError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"cannot write to {folder}: {error.strerror or error}",
            hint="free space there (mirror prune), or make it writable, and run the command again",
        ) from error


def write_all(descriptor: int, data: bytes | memoryview, position: int) -> None:
    """Write ``data`` at ``position``; a short write goes on where it ended."""
    done = os.pwrite(descriptor, data, position)
    while done < len(data):
        done += os.pwrite(descriptor, memoryview(data)[done:], position + done)
