"""Writing to disk so that a reader, or a power cut, never meets half a file.

A small file on its own goes through :func:`write_atomic`. What belongs to one snapshot
(blobs, manifest, refs) is written first, passes one :class:`Barrier` together, and only
then gets its names (docs/adr/0002-durability-barrier.md).

Every error of the disk that a person can do something about becomes a
:class:`~mirror.errors.DiskError` that names the path.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from mirror.errors import DiskError
from mirror.store.opening import open_new

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED: Final = {errno.EROFS, errno.EACCES, errno.EPERM}
_BROKEN: Final = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ESTALE}

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


@contextlib.contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turn an OSError of the disk into a :class:`DiskError` that names ``path``."""
    try:
        yield
    except OSError as error:
        if (wrapped := as_disk_error(error, path)) is None:
            raise
        raise wrapped from error


def as_disk_error(error: OSError, path: Path | str) -> DiskError | None:
    """Give the DiskError for ``error``; ``None`` where the disk is not to blame."""
    if error.errno in _FULL:
        hint = "make room (mirror prune), then run the same command again: it goes on from there"
    elif error.errno in _REFUSED:
        hint = "only commands that read work on a folder that this user cannot write to"
    elif error.errno == errno.ELOOP:
        hint = "a symbolic link must not be there: remove it, then run the same command again"
    elif error.errno in _BROKEN:
        hint = "see the system's log for this disk"
    else:
        return None
    return DiskError(f"cannot write {path}: {error.strerror}", hint=hint)


def temporary_name(name: str) -> str:
    """Give the name under which ``name`` is written before it is whole: hidden, and ours."""
    return f".{name}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a file of that name was left by a write that did not come to its end."""
    return name.startswith(".") and name.endswith(".tmp")


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``data``: other processes see the old bytes or the new ones.

    ``durable`` makes it survive a power cut as well, at the price of two fsync calls.
    One writer a path at a time.

    Raises:
        DiskError: full, read-only, or an I/O error. The old bytes are still there.
    """
    temporary = path.with_name(temporary_name(path.name))
    with disk_errors(path):
        try:
            with open_new(temporary) as stream:
                stream.write(data)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            sync_file(path.parent)


class Staging:
    """Several small files that are written first, made durable together, and then placed.

    Between writing and placing the caller passes a :class:`Barrier`. Leaving the context
    drops what was not placed.
    """

    def __init__(self) -> None:
        self._waiting: dict[Path, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for temporary in self._waiting.values():
            with contextlib.suppress(OSError):
                temporary.unlink()

    def write(self, path: Path, data: bytes) -> None:
        """Write what shall replace ``path``, beside it. Its folder is made if need be."""
        temporary = path.with_name(temporary_name(path.name))
        self._waiting[path] = temporary
        with disk_errors(path):
            try:
                stream = open_new(temporary)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = open_new(temporary)
            with stream:
                stream.write(data)

    def place(self, path: Path) -> None:
        """Replace ``path`` by what was written for it; nothing if nothing was."""
        if path in self._waiting:
            with disk_errors(path):
                self._waiting[path].replace(path)
            del self._waiting[path]


class Barrier:
    """Makes everything written so far durable, once for all who wait for it.

    Thread-safe. Writers :meth:`mark`; whoever is about to refer to what was written
    waits. Those who wait while another one's sync runs share the next one.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        # 1 and 0: an earlier process may have been killed before its barrier.
        self._written, self._durable = 1, 0
        self._counting = threading.Lock()
        self._syncing = threading.Lock()

    def mark(self) -> None:
        """Say that something was written."""
        with self._counting:
            self._written += 1

    def settle(self) -> None:
        """Wait only if something was marked: at the end of a run, for what was placed last."""
        if self._written > 1:
            self.wait()

    def wait(self) -> None:
        """Return when all that was marked before this call is durable.

        Raises:
            DiskError: the disk did not take it: nothing may refer to it.
        """
        wanted = self._written
        with self._syncing:
            if self._durable >= wanted:
                return
            covered = self._written
            devices = {f.stat().st_dev: f for f in self._folders if f.is_dir()}
            for folder in devices.values():
                sync_filesystem(folder)
            self._durable = covered


def sync_file(path: Path | str) -> None:
    """Make one file's content, or one folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(folder: Path) -> None:
    """Make everything written so far to the file system of ``folder`` durable.

    Raises:
        DiskError: the disk could not take it (Linux 5.8 and later report this).
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    with disk_errors(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        finally:
            os.close(descriptor)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders (or links) of one file system in one step. For what is derived.

    Where the system cannot (not Linux, some network file systems), ``one`` is away
    for the moment between two renames.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        names = os.fsencode(one), os.fsencode(other)
        if renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
    aside = one.with_name(temporary_name(one.name))
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed here
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
