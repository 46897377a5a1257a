"""One writer at a time, and a refusal that says who the other one is.

Who has patience waits for the other to end.

The lock is the kernel's (flock), so it ends with the process that holds it, however
that ends. What the file says about the holder is for people only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from mirror.errors import LockedError
from mirror.store.atomic import disk_errors

#: Seconds between two looks.
_POLL: Final = 0.2


@dataclass(frozen=True)
class Patience:
    """How long to wait for another writer."""

    seconds: float = 0.0
    tell: Callable[[str], object] = lambda text: None
    """Told once who it is, before the waiting begins."""


AT_ONCE: Final = Patience()


@contextlib.contextmanager
def hold_lock(path: Path, purpose: str, patience: Patience = AT_ONCE) -> Iterator[None]:
    """Hold the lock file ``path``; wait for it only as long as ``patience`` says.

    Raises:
        LockedError: another process, or another part of this one, holds it.
        DiskError: the folder cannot be written to.
    """
    # Without flock (some network file systems) a lock by mere existence would outlive
    # a killed process, so that fallback is off: better to refuse such a folder.
    lock = FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
    with disk_errors(path):
        held = _acquire(lock, 0)
        if not held and patience.seconds > 0:
            patience.tell(_describe(path))
            held = _acquire(lock, patience.seconds)
        if not held:
            raise LockedError(
                _describe(path), hint="wait for it to end, or stop that process; then try again"
            )
    try:
        with disk_errors(path):
            path.write_text(json.dumps(_this_process(purpose)) + "\n", encoding="utf-8")
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until nobody else works in ``folder`` through this; leaves no file behind.

    For small files that have writers of their own, beside the one of the mirror. Where the
    file system has no flock, the last writer wins.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _acquire(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds, poll_interval=_POLL)
    except Timeout:
        return False
    return True


def _this_process(purpose: str) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _describe(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return (
            f"another process writes to this mirror: {holder['purpose']}, "
            f"pid {holder['pid']} on {holder['host']}, since {holder['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return f"another process writes to this mirror ({path} does not say which)"
