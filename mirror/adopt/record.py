"""``.cache/mirror/checkout.json``: what a checkout wrote into a folder, and of which repo.

A checkout changes and removes what stands in here, and nothing else. The record is
written before the first file is, with all contents that a path may have meanwhile; so a
killed checkout knows its own files again. It lies in a folder of the user: what it says
is checked like everything from outside.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mirror.adopt.listing import split_etag
from mirror.adopt.reading import read_limited, refusal_of_path
from mirror.errors import BadNameError
from mirror.names import RepoKey, is_commit
from mirror.store.atomic import write_atomic

RECORD_FILE: Final = ".cache/mirror/checkout.json"
_FORMAT: Final = 1
_MAX_BYTES: Final = 600 << 20


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file that a checkout wrote, or was about to."""

    etags: tuple[str, ...]
    """What its content may be: one, or several while a checkout is under way."""
    size: int | None = None
    mtime_ns: int | None = None
    """As it was left: a file that still has both was not touched since."""

    def untouched(self, found: os.stat_result) -> bool:
        """Whether the file is as it was left, as far as can be told without reading."""
        return (self.size, self.mtime_ns) == (found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class CheckoutRecord:
    """What a folder is a checkout of."""

    key: RepoKey
    commit: str
    files: Mapping[str, WrittenFile] = field(default_factory=dict)


def read_record(folder: Path) -> CheckoutRecord | None:
    """Read the record of a folder; ``None`` where there is none that can be believed."""
    data = read_limited(folder / RECORD_FILE, _MAX_BYTES)
    try:
        value = None if data is None else json.loads(data)
        if not isinstance(value, dict) or value.get("format") != _FORMAT:
            return None
        commit = str(value["commit"])
        files = {path: _written(entry) for path, entry in value["files"].items()}
        if not is_commit(commit) or any(refusal_of_path(path) for path in files):
            return None
        return CheckoutRecord(RepoKey.parse(str(value["repo"])), commit, files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadNameError):
        return None


def write_record(folder: Path, record: CheckoutRecord) -> None:
    """Write the record of a folder, in one step.

    Raises:
        DiskError: full, read-only, or an I/O error.
    """
    path = folder / RECORD_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {
        "format": _FORMAT,
        "repo": str(record.key),
        "commit": record.commit,
        "files": {path: _as_json(file) for path, file in sorted(record.files.items())},
    }
    write_atomic(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())


def _as_json(file: WrittenFile) -> dict[str, Any]:
    form: dict[str, Any] = {"etags": list(file.etags)}
    if file.mtime_ns is not None:
        form |= {"size": file.size, "mtime_ns": file.mtime_ns}
    return form


def _written(entry: Mapping[str, Any]) -> WrittenFile:
    etags = tuple(str(etag) for etag in entry["etags"])
    size, mtime_ns = entry.get("size"), entry.get("mtime_ns")
    if any(split_etag(etag) == (None, None) for etag in etags):
        raise ValueError("no etag")
    if type(size) is not int or type(mtime_ns) is not int:
        size = mtime_ns = None
    return WrittenFile(etags, size, mtime_ns)
