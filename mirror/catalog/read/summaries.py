"""Repos in short, for any list of their numbers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mirror.catalog.database import damaged
from mirror.catalog.read.results import RepoSummary
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType

#: Repos whose details are read with one statement.
_CHUNK: Final = 500

_COLUMNS: Final = (
    *("repo", "repo_type", "repo_id", "commit_hash", "ref", "title", "summary", "downloads"),
    *("likes", "counts_seen", "created", "last_modified", "present_files", "present_size"),
    *("partial", "gated", "upstream_state", "parameters", "state", "disk_size", "rows"),
)
_RENAMED: Final = {"commit": "commit_hash", "files": "present_files", "size": "present_size"}
_REPOS: Final = (
    f"SELECT {', '.join(_COLUMNS)} FROM repos"  # noqa: S608
    " WHERE repo IN (SELECT value FROM json_each(?))"
)
_WHERE: Final = "WHERE repo IN (SELECT value FROM json_each(?))"
_DETAILS: Final = {
    "tasks": f"SELECT repo, task FROM repo_tasks {_WHERE} AND kind = 'task' ORDER BY position",  # noqa: S608
    "languages": f"SELECT repo, language FROM repo_languages {_WHERE} ORDER BY position",  # noqa: S608
    "licenses": (
        f"SELECT repo, coalesce(name, license) FROM repo_licenses {_WHERE} ORDER BY position"  # noqa: S608
    ),
    "libraries": f"SELECT repo, library FROM repo_libraries {_WHERE} ORDER BY position",  # noqa: S608
}
_ALL: Final = "SELECT repo FROM repos WHERE state = 'mirrored' ORDER BY repo_type, repo_id"
_OF_TYPE: Final = (
    "SELECT repo FROM repos WHERE state = 'mirrored' AND repo_type = ? ORDER BY repo_id"
)


def summary_fields(
    connection: sqlite3.Connection, numbers: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Give the fields of :class:`RepoSummary` for each of these repos.

    Raises:
        CatalogError: there is no such repo, or none that the Hub could have.
    """
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(numbers), _CHUNK):
        found |= _chunk(connection, json.dumps(list(numbers[start : start + _CHUNK])))
    if len(found) < len(set(numbers)):
        raise damaged("it has lost a repo")
    return found


def read_summaries(
    connection: sqlite3.Connection, repo_type: RepoType | None
) -> Iterator[RepoSummary]:
    """Give every mirrored repo in short, by type and id."""
    if repo_type is None:
        rows = connection.execute(_ALL).fetchall()
    else:
        rows = connection.execute(_OF_TYPE, (repo_type.value,)).fetchall()
    for start in range(0, len(rows), _CHUNK):
        numbers = [number for (number,) in rows[start : start + _CHUNK]]
        fields = summary_fields(connection, numbers)
        yield from (RepoSummary(**fields[number]) for number in numbers)


def _chunk(connection: sqlite3.Connection, numbers: str) -> dict[int, dict[str, Any]]:
    details: dict[str, dict[int, dict[str, None]]] = {}
    for name, statement in _DETAILS.items():
        values = details[name] = {}
        for number, value in connection.execute(statement, (numbers,)):
            values.setdefault(number, {})[value] = None
    return {
        row[0]: {
            **_fields(dict(zip(_COLUMNS, row, strict=True))),
            **{name: tuple(values.get(row[0], ())) for name, values in details.items()},
        }
        for row in connection.execute(_REPOS, (numbers,))
    }


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    del row["repo"]
    try:
        key = RepoKey(RepoType(row.pop("repo_type")), row.pop("repo_id"))
    except (ValueError, TypeError, BadNameError) as error:
        raise damaged(f"{error}") from error
    renamed = {name: row.pop(column) for name, column in _RENAMED.items()}
    return {**row, **renamed, "key": key, "partial": bool(row["partial"])}
