"""Reading a folder that anybody may have written: bounded, and never by a link out of it.

Nothing here follows a symbolic link while it walks, opens a pipe or a device, or reads
more than it was told to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror.errors import StoreError, UnsafePathError
from mirror.names import check_repo_path
from mirror.store.opening import open_regular

#: Names in one folder, all levels together. The largest repos of the Hub have 100,000s.
MAX_NAMES: Final = 2_000_000

#: Large files are LFS files on the Hub: it takes nothing above 10 MiB into git itself.
LFS_SIZE: Final = 10 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One name below a folder that is no folder itself."""

    path: str
    """POSIX, relative to the folder; not checked."""
    found: os.stat_result
    """Of the name itself: a link is not followed."""

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.found.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file: no link, pipe, socket or device."""
        return stat.S_ISREG(self.found.st_mode)


def read_limited(path: Path, limit: int) -> bytes | None:
    """Give the content of a small file; ``None`` if it is none, or longer than ``limit``."""
    try:
        with open_regular(path) as stream:
            data = stream.read(limit + 1)
    except OSError:
        return None
    return data if len(data) <= limit else None


def read_line_file(path: Path, limit: int) -> str | None:
    """Give a small file's text without the space around it; ``None`` if it is no such file."""
    data = read_limited(path, limit)
    try:
        return None if data is None else data.decode().strip()
    except UnicodeDecodeError:
        return None


def names_in(folder: Path) -> list[str]:
    """Give the names in one folder, sorted; none where there is no folder."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def walk(folder: Path, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """Give every name below ``folder`` that is no folder; links are not followed.

    ``skip`` are names at the top that are left out with all that is in them.

    Raises:
        StoreError: it cannot be read, or has more names than a repo can have.
    """
    waiting, seen = [""], 0
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(f"{folder}/{prefix}") as entries:
                for entry in entries:
                    seen += 1
                    if seen > MAX_NAMES:
                        raise StoreError(f"{folder} has more than {MAX_NAMES:,} names in it")
                    if not prefix and entry.name in skip:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{prefix}{entry.name}/")
                    else:
                        yield Entry(prefix + entry.name, entry.stat(follow_symlinks=False))
        except OSError as error:
            raise unreadable(Path(f"{folder}/{prefix}"), error) from error


def unreadable(path: Path, error: OSError) -> StoreError:
    """Say that something on the disk cannot be read."""
    return StoreError(
        f"{path} cannot be read: {error.strerror}", hint="run it as a user who may read it"
    )


def refusal_of_path(path: str) -> str | None:
    """Say why a path must not be created below a folder; ``None`` where it may."""
    try:
        check_repo_path(path)
    except UnsafePathError as error:
        return str(error).rpartition("refused: ")[2]
    return None


def is_below(path: Path, folder: Path) -> bool:
    """Whether ``path``, all links resolved, lies below ``folder``, which has none."""
    return path.is_relative_to(folder)
