"""Opening files of a mirror folder that may come from somebody else.

What lies where a file should be can be a pipe, a device or a link to somewhere else.
Nothing that is opened here waits for a pipe, reads a device, or is written to by a link.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path | str) -> BinaryIO:
    """Open for reading as ``open`` does, if it is a file (or a link to one).

    Raises:
        OSError: not there, not readable, or no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = os.fdopen(descriptor, "rb")  # a folder is an IsADirectoryError here
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return stream


def read_regular(path: Path | str) -> bytes:
    """Read a whole file, opened by :func:`open_regular`."""
    with open_regular(path) as stream:
        return stream.read()


def no_link(path: str, flags: int) -> int:
    """Open as ``open(opener=…)`` asks, but never write through a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def open_new(path: Path) -> BinaryIO:
    """Open a temporary for writing: a new file, whatever lies there, even a link elsewhere."""
    try:
        return path.open("xb")
    except FileExistsError:
        path.unlink()
        return path.open("xb")
