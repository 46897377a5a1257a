"""The reports of syncs, imports and verifies: ``runs/<utc>.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeGuard

from mirror.store.atomic import disk_errors, write_atomic
from mirror.store.opening import read_regular

_TEXTS: Final = ("kind", "outcome", "summary", "started", "finished", "endpoint")


def write_report(folder: Path, report: Mapping[str, Any], started: datetime) -> Path:
    """Write ``report`` under the time the run started; an earlier one is never replaced."""
    stem = started.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path, count = folder / f"{stem}.json", 1
    while path.exists():
        count += 1
        path = folder / f"{stem}-{count}.json"
    with disk_errors(path):
        folder.mkdir(exist_ok=True)
    write_atomic(path, (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode())
    return path


def read_reports(folder: Path, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Give the reports, newest first; ``{"damaged": name}`` for one that cannot be read."""
    try:
        paths = [path for path in folder.iterdir() if path.suffix == ".json"]
    except FileNotFoundError:
        return
    # By stem: the second report of a moment, "…Z-2", comes after "…Z".
    for path in sorted(paths, key=lambda path: path.stem, reverse=True)[:limit]:
        try:
            report = json.loads(read_regular(path))
        except (OSError, ValueError, RecursionError):
            report = None
        yield report if _is_report(report) else {"damaged": path.name}


def _is_report(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it has the form of a report, as far as all kinds of them have the same."""
    return isinstance(value, dict) and all(isinstance(value.get(n, ""), str) for n in _TEXTS)
