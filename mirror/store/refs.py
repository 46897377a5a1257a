"""Refs of one repo: ``refs.json`` (now) and ``ref_log.jsonl`` (every move before).

A commit that the user pinned by its hash is a ref as well: its name is the hash.
The log is written first, so the past is never lost; the ref itself moves by one rename.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from mirror.errors import BadNameError, DamagedError
from mirror.names import check_ref_name, is_commit
from mirror.store.atomic import write_atomic
from mirror.store.journal import append_records, read_records
from mirror.store.opening import read_regular


def read_refs(path: Path) -> dict[str, str]:
    """Read a refs.json; empty where there is none.

    Raises:
        DamagedError: it is not a table of refs and commits; names the file.
    """
    try:
        data = read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _damaged(path, str(error)) from error
    try:
        refs = json.loads(data)
        if not isinstance(refs, dict):
            raise ValueError("not a table")
        for name, commit in refs.items():
            check_ref_name(name)
            if not isinstance(commit, str) or not is_commit(commit):
                raise ValueError(f"{name} does not point at a commit")
    except (ValueError, RecursionError, BadNameError) as error:
        raise _damaged(path, str(error)) from error
    return refs


def encode_refs(refs: Mapping[str, str]) -> bytes:
    """Give the text of a refs.json."""
    return (json.dumps(dict(refs), indent=1, sort_keys=True) + "\n").encode()


def log_moves(
    log: Path, before: Mapping[str, str], after: Mapping[str, str], *, durable: bool = False
) -> None:
    """Write down which refs move, and where to (nowhere, for one that is dropped)."""
    names = sorted(before.keys() | after.keys())
    moves = {name: after.get(name) for name in names if before.get(name) != after.get(name)}
    last = last_heads(log) if moves else {}
    time = datetime.now(UTC).isoformat(timespec="seconds")
    records = [
        {"time": time, "ref": name, "commit": commit}
        for name, commit in moves.items()
        if last.get(name) != commit  # a run that was killed had logged it
    ]
    append_records(log, records, durable=durable)


def write_refs(path: Path, log: Path, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Move refs on their own: log the moves, then replace refs.json, both durably."""
    log_moves(log, before, after, durable=True)
    write_atomic(path, encode_refs(after))


def heads(log: Path) -> dict[str, list[str]]:
    """Give, for every ref, the commits it pointed at: newest first, each once.

    A ref that was dropped is not there; if it was taken up again, its past begins then.
    """
    found: dict[str, dict[str, None]] = {}
    for record in read_records(log):
        ref, commit = record.get("ref"), record.get("commit")
        if not isinstance(ref, str):
            continue
        if commit is None:
            found.pop(ref, None)
        elif isinstance(commit, str) and is_commit(commit):
            commits = found.setdefault(ref, {})
            commits.pop(commit, None)
            commits[commit] = None
    return {ref: list(reversed(commits)) for ref, commits in found.items()}


def last_heads(log: Path) -> dict[str, str]:
    """Give what every ref pointed at last, according to the log."""
    return {ref: commits[0] for ref, commits in heads(log).items()}


def _damaged(path: Path, why: str) -> DamagedError:
    return DamagedError(
        f"{path} is not a readable list of refs ({why})",
        hint="mirror verify --repair restores it from ref_log.jsonl",
    )
