"""Everything about one repo, and what a name may mean."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mirror.catalog.format import SCHEMA
from mirror.catalog.read.details import (
    CatalogStats,
    EvaluationInfo,
    EventInfo,
    FileInfo,
    LicenseInfo,
    LinkInfo,
    RepoPage,
    SnapshotInfo,
    SplitInfo,
    SubsetInfo,
)
from mirror.catalog.read.lineage import read_lineage
from mirror.catalog.read.load_code import load_code
from mirror.catalog.read.summaries import read_summaries, summary_fields
from mirror.catalog.values import clean_text
from mirror.names import RepoKey, RepoType

__all__ = ["find_keys", "read_page", "read_stats", "read_summaries"]

#: In the order of the fields of EvaluationInfo.
EVALUATION_COLUMNS: Final = (
    "metric, value, task, dataset, dataset_name, subset, split, metric_name, source,"
    " verified, date, url"
)
#: Table of details → the columns that a page shows, and their order.
_DETAILS: Final = {
    "repo_tasks": ("task, kind", "position"),
    "repo_tags": ("tag", "position"),
    "repo_licenses": ("license, name, link", "position"),
    "repo_links": ("kind, target, relation", "position"),
    "repo_values": ("field, value", "field, position"),
    "dtypes": ("dtype, parameters", "parameters DESC, dtype"),
    "evaluations": (EVALUATION_COLUMNS, "position"),
    "events": ("time, what, before, after, detail", "position"),
    "refs": ("ref, commit_hash", "ref"),
    "snapshots": (
        "commit_hash, created, files, size, present_files, present_size, partial",
        "created DESC, commit_hash DESC",
    ),
    "files": ("path, size, sha256, lfs_sha256, blob_id, present, absent_because", "path"),
    "subsets": (
        "subset, is_default, description, num_bytes, download_bytes, features",
        "position",
    ),
    "splits": ("subset, split, rows, rows_from, num_bytes, files, file_bytes", "position"),
    "cards": ("body, data, problems", "repo"),
}
_STATEMENTS: Final = {
    table: f"SELECT {columns} FROM {table} WHERE repo = ? ORDER BY {order}"  # noqa: S608
    for table, (columns, order) in _DETAILS.items()
}
_REPO: Final = (
    "SELECT repo, author, upstream_seen, upstream_detail, downloads_all_time, private, sdk"
    " FROM repos WHERE repo_type = ? AND repo_id = ?"
)
_OTHER_NAME: Final = "SELECT repo_id FROM aliases WHERE repo_type = ? AND alias = ?"
_OTHER_NAMES: Final = "SELECT alias FROM aliases WHERE repo_type = ? AND repo_id = ? ORDER BY alias"

#: From the best spelling to the worst.
_BY_ID: Final = "SELECT repo_type, repo_id FROM repos WHERE repo_id = :id"
_BY_ALIAS: Final = (
    "SELECT repos.repo_type, repos.repo_id FROM aliases JOIN repos"
    " ON repos.repo_type = aliases.repo_type AND repos.repo_id = aliases.repo_id"
    " WHERE aliases.alias = :id"
)
_BY_NAME: Final = "SELECT repo_type, repo_id FROM repos WHERE name = :id"
_ATTEMPTS: Final = (
    f"{_BY_ID} COLLATE NOCASE AND repo_id = :id",  # the index ignores case
    _BY_ALIAS,
    f"{_BY_ID} COLLATE NOCASE",
    f"{_BY_ALIAS} COLLATE NOCASE",
    f"{_BY_NAME} COLLATE NOCASE",
)


def read_stats(connection: sqlite3.Connection) -> CatalogStats:
    """Count repos, files and bytes."""
    counts = connection.execute("SELECT repo_type, count(*) FROM repos GROUP BY repo_type")
    found = dict(counts.fetchall())
    (files,) = connection.execute("SELECT count(*) FROM files WHERE present = 1").fetchone()
    (size,) = connection.execute(
        "SELECT coalesce(sum(size), 0) FROM"
        " (SELECT DISTINCT sha256, size FROM files WHERE present = 1)"
    ).fetchone()
    repos = {kind.value: found.get(kind.value, 0) for kind in RepoType}
    return CatalogStats(repos=repos, files=files, size=size, schema=SCHEMA)


def find_keys(connection: sqlite3.Connection, text: str) -> list[RepoKey]:
    """Give the repos that ``text`` may mean, the best spelling only."""
    text = clean_text(text).removeprefix("hf://").strip("/ ")
    head, _, tail = text.partition("/")
    kinds = [kind for kind in RepoType if tail and head == kind.plural]
    repo_id = tail if kinds else text
    for statement in _ATTEMPTS:
        rows = connection.execute(statement, {"id": repo_id}).fetchall()
        found = {RepoKey(RepoType(kind), name) for kind, name in rows}
        if kept := [key for key in found if not kinds or key.repo_type is kinds[0]]:
            return sorted(kept)
    return []


def read_page(connection: sqlite3.Connection, key: RepoKey) -> RepoPage | None:
    """Give everything about one repo."""
    kind = key.repo_type.value
    target = connection.execute(_OTHER_NAME, (kind, key.repo_id)).fetchone()
    key = key if target is None else RepoKey(key.repo_type, target[0])
    row = connection.execute(_REPO, (kind, key.repo_id)).fetchone()
    if row is None:
        return None
    number, author, seen, detail, all_time, private, sdk = row
    rows = {
        table: connection.execute(statement, (number,)).fetchall()
        for table, statement in _STATEMENTS.items()
    }
    aliases = [name for (name,) in connection.execute(_OTHER_NAMES, (kind, key.repo_id))]
    body, data, problems = rows["cards"][0] if rows["cards"] else ("", "{}", "[]")
    page = RepoPage(
        **summary_fields(connection, [number])[number],
        aliases=tuple(aliases),
        author=author,
        subtasks=tuple(task for task, kind in rows["repo_tasks"] if kind == "subtask"),
        tags=tuple(tag for (tag,) in rows["repo_tags"]),
        stated_licenses=tuple(LicenseInfo(*row) for row in rows["repo_licenses"]),
        links=tuple(LinkInfo(*row) for row in rows["repo_links"]),
        subsets=_subsets(rows),
        snapshots=_snapshots(rows),
        file_list=tuple(map(_file, rows["files"])),
        upstream_seen=seen,
        upstream_detail=detail,
        downloads_all_time=all_time,
        private=bool(private),
        sdk=sdk,
        card=body,
        card_data=json.loads(data),
        problems=tuple(json.loads(problems)),
        **_values(rows["repo_values"]),
        dtypes=dict(rows["dtypes"]),
        evaluations=tuple(map(evaluation, rows["evaluations"])),
        events=tuple(EventInfo(*row) for row in rows["events"]),
        lineage=read_lineage(connection, key, number, aliases),
    )
    return replace(page, load=load_code(page))


_FIELDS: Final = {
    "formats": "format",
    "quantizations": "quantization",
    "modalities": "modality",
    "size_categories": "size_category",
    "kinds": "kind",
}


def _values(rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    found: dict[str, list[str]] = defaultdict(list)
    for field, value in rows:
        found[field].append(value)
    return {name: tuple(found[field]) for name, field in _FIELDS.items()}


def evaluation(row: Sequence[Any]) -> EvaluationInfo:
    """Give a row of ``evaluations``, its columns in the order of the fields, as a value."""
    values = [*row[:9], bool(row[9]), *row[10:]]
    return EvaluationInfo(*values)


def _subsets(rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> tuple[SubsetInfo, ...]:
    splits: dict[str, list[SplitInfo]] = defaultdict(list)
    for subset, *row in rows["splits"]:
        splits[subset].append(SplitInfo(*row))
    return tuple(
        SubsetInfo(
            name=name,
            is_default=bool(default),
            description=description,
            num_bytes=num_bytes,
            download_bytes=download,
            features=tuple((column, dtype) for column, dtype in json.loads(features)),
            splits=tuple(splits[name]),
        )
        for name, default, description, num_bytes, download, features in rows["subsets"]
    )


def _snapshots(rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> tuple[SnapshotInfo, ...]:
    names: dict[str, list[str]] = defaultdict(list)
    for ref, commit in rows["refs"]:
        names[commit].append(ref)
    return tuple(_snapshot(row, names[row[0]]) for row in rows["snapshots"])


def _snapshot(row: tuple[Any, ...], refs: Sequence[str]) -> SnapshotInfo:
    commit, *facts, partial = row
    values = [commit, tuple(refs), *facts, bool(partial)]
    return SnapshotInfo(*values)


def _file(row: tuple[Any, ...]) -> FileInfo:
    path, size, sha256, lfs_sha256, blob_id, present, absent_because = row
    etag = lfs_sha256 or blob_id
    return FileInfo(path, size, sha256, etag, bool(present), absent_because)
