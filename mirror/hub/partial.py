"""What a large file leaves in ``partial/`` while it is fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.errors import DiskError


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


def write_all(descriptor: int, data: bytes, position: int) -> None:
    """Write ``data`` at ``position``; a short write goes on where it ended."""
    done = os.pwrite(descriptor, data, position)
    while done < len(data):
        done += os.pwrite(descriptor, memoryview(data)[done:], position + done)
