"""Files of JSON lines that only grow: history and ref log.

A process killed while it appends leaves a line cut short. Such a line is ignored by
readers, and the next append starts on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mirror.errors import DamagedError
from mirror.store.atomic import disk_errors, write_atomic
from mirror.store.opening import no_link, open_regular


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
        raise DamagedError(
            f"{path} cannot be read: {error.strerror}", hint="move it away, then run mirror sync"
        ) from error
    with stream:
        for line in stream:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield record


def merge_journals(older: Path, newer: Path) -> None:
    """Put the lines of ``older`` before those of ``newer``; doing it twice changes nothing."""
    records = [*read_records(older), *read_records(newer)]
    lines = dict.fromkeys(_encode(record) for record in records)
    if lines:
        write_atomic(newer, b"".join(lines))


def _encode(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
