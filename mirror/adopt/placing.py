"""Bringing the bytes of one file to another place: shared where that is possible.

In this order: a clone (the file system shares the blocks until one of the two is
written to; btrfs, XFS and others can), a hard link (the same file twice, so read-only
from then on), a copy. docs/adr/0012-adoption.md says why.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from mirror.adopt.model import Placed
from mirror.store.opening import open_new

#: linux/fs.h: ioctl(target, FICLONE, source).
_FICLONE: Final = 0x40049409
#: Another file system; too many links; links forbidden (also fs.protected_hardlinks).
_NO_LINK: Final = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.ENOSYS}
_CHUNK: Final = 1 << 20


def place(
    source: BinaryIO,
    path: Path,
    target: Path,
    *,
    link: bool,
    tick: Callable[[], object] = lambda: None,
) -> Placed:
    """Make ``target`` a new file with the bytes of ``source``, which is ``path``, open.

    ``link`` allows that both are one file; then neither may be written to any more.
    ``tick`` is called every megabyte of a copy, and may raise to end it.

    Raises:
        OSError: full, read-only, or an I/O error; ``target`` may be there in part.
    """
    if link and not _may_link(source, target):
        link = False
    with open_new(target) as stream:
        if _cloned(source, stream):
            return Placed.CLONE
        if not link:
            while data := source.read(_CHUNK):
                stream.write(data)
                tick()
            return Placed.COPY
    target.unlink()
    try:
        os.link(path, target, follow_symlinks=False)
        if os.path.samestat(os.fstat(source.fileno()), target.lstat()):
            return Placed.LINK
        target.unlink()  # another file has taken its name meanwhile
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
    return place(source, path, target, link=False, tick=tick)


def _cloned(source: BinaryIO, target: BinaryIO) -> bool:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        return False  # EOPNOTSUPP, EXDEV, EINVAL, ENOTTY: this file system cannot
    return True


def _may_link(source: BinaryIO, target: Path) -> bool:
    """Whether both are on one disk, and we may make the file read-only."""
    found = os.fstat(source.fileno())
    on_one_disk = found.st_dev == target.parent.stat().st_dev
    return on_one_disk and os.geteuid() in (0, found.st_uid)
