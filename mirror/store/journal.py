"""Files of JSON lines that only grow: history and ref log.

A process killed while it appends leaves a line cut short. Such a line is ignored by
readers, and the next append starts on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from mirror.errors import DamagedError
from mirror.store.atomic import disk_errors, write_atomic
from mirror.store.opening import no_link, open_regular

#: The longest line of a history is a refusal of upstream, cut at some hundred characters.
_TAIL: Final = 64 << 10


def append_records(path: Path, records: Iterable[dict[str, Any]], *, durable: bool = False) -> None:
    """Add one line a record, in one write."""
    data = b"".join(_encode(record) for record in records)
    if not data:
        return
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b", buffering=0, opener=no_link) as stream:
            if stream.tell() > 0 and os.pread(stream.fileno(), 1, stream.tell() - 1) != b"\n":
                data = b"\n" + data
            stream.write(data)
            if durable:
                os.fsync(stream.fileno())


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Give every whole record, oldest first; nothing where there is no file.

    Raises:
        DamagedError: what is there cannot be read.
    """
    try:
        stream = open_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        for line in stream:
            if (record := _decode(line)) is not None:
                yield record


def last_record(path: Path) -> dict[str, Any] | None:
    """Give the newest whole record, without reading those before it.

    Raises:
        DamagedError: what is there cannot be read.
    """
    try:
        with open_regular(path) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            lines = stream.read(_TAIL).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    for line in reversed(lines):
        if (record := _decode(line)) is not None:
            return record
    return None


def merge_journals(older: Path, newer: Path) -> None:
    """Put the lines of ``older`` before those of ``newer``; doing it twice changes nothing."""
    records = [*read_records(older), *read_records(newer)]
    lines = dict.fromkeys(_encode(record) for record in records)
    if lines:
        write_atomic(newer, b"".join(lines))


def _decode(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _unreadable(path: Path, error: OSError) -> DamagedError:
    return DamagedError(
        f"{path} cannot be read: {error.strerror}", hint="move it away, then run mirror sync"
    )


def _encode(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
