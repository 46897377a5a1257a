"""A record into rows: what of it goes into which table."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Table

from mirror.catalog import schema as tables
from mirror.catalog.record.metadata import Evaluation, RepoRecord
from mirror.catalog.record.source import Snapshot
from mirror.catalog.record.subsets import Split, Subset

Row = dict[str, Any]


def rows_of(number: int, record: RepoRecord) -> dict[str, list[Row]]:
    """Give the rows of one repo, by table, where it has any."""
    details: dict[Table, list[Row]] = {
        tables.repo_tasks: _tasks(record),
        tables.repo_languages: _numbered(
            {"language": item.code, "stated": item.stated} for item in record.languages
        ),
        tables.repo_licenses: _numbered(
            {"license": item.license, "name": item.name, "link": item.link}
            for item in record.licenses
        ),
        tables.repo_libraries: _numbered({"library": name} for name in record.libraries),
        tables.repo_tags: _numbered({"tag": tag} for tag in record.tags),
        tables.repo_links: _numbered(
            {"kind": link.kind, "target": link.target, "relation": link.relation}
            for link in record.links
        ),
        tables.repo_values: [
            {"field": field, "value": value, "position": place}
            for field, values in record.values.items()
            for place, value in enumerate(values)
        ],
        tables.dtypes: [
            {"dtype": dtype, "parameters": count} for dtype, count in record.dtypes.items()
        ],
        tables.evaluations: _numbered(_evaluation(item) for item in record.evaluations),
        tables.events: _numbered(vars(event).copy() for event in record.events),
        tables.refs: [{"ref": name, "commit_hash": commit} for name, commit in record.refs.items()],
        tables.snapshots: [_snapshot(snapshot) for snapshot in record.snapshots],
        tables.files: _files(record),
        tables.subsets: _numbered(_subset(subset) for subset in record.subsets),
        tables.splits: _splits(record),
        tables.cards: [_card(record)],
    }
    found: dict[str, list[Row]] = {tables.repos.name: [_repo(record, number)]}
    for table, rows in details.items():
        if rows:
            for row in rows:
                row["repo"] = number
            found[table.name] = rows if len(rows) == 1 else _distinct(table, rows)
    return found


def _distinct(table: Table, rows: list[Row]) -> list[Row]:
    """One row a key, the first: whatever a card says twice must not stop the index."""
    names = _KEYS[table]
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), row)
    return list(found.values())


_KEYS: Final = {table: table.primary_key.columns.keys() for table in tables.DETAILS}


def _numbered(rows: Any) -> list[Row]:
    return [{**row, "position": place} for place, row in enumerate(rows)]


def _repo(record: RepoRecord, number: int) -> Row:
    counts, snapshot = record.popularity, _snapshot(record.snapshot)
    return {
        "repo": number,
        "repo_type": record.key.repo_type.value,
        "repo_id": record.key.repo_id,
        "author": record.author,
        "name": record.key.name,
        "state": record.state,
        "ref": record.ref,
        "title": record.title,
        "summary": record.summary,
        "downloads": counts.downloads,
        "downloads_all_time": counts.downloads_all_time,
        "likes": counts.likes,
        "counts_seen": counts.seen,
        "last_modified": record.last_modified,
        "gated": record.gated,
        "private": int(record.private),
        "upstream_state": record.upstream_state,
        "upstream_seen": record.upstream_seen,
        "upstream_detail": record.upstream_detail,
        "parameters": record.parameters,
        "sdk": record.sdk,
        "disk_size": record.disk_size,
        "rows": record.rows,
        **snapshot,
        "created": record.created,
    }


def _snapshot(snapshot: Snapshot) -> Row:
    return {
        "commit_hash": snapshot.commit,
        "created": snapshot.created,
        "files": snapshot.files,
        "size": snapshot.bytes,
        "present_files": snapshot.present_files,
        "present_size": snapshot.present_bytes,
        "partial": int(snapshot.partial),
    }


def _tasks(record: RepoRecord) -> list[Row]:
    kinds = {**dict.fromkeys(record.subtasks, "subtask"), **dict.fromkeys(record.tasks, "task")}
    ordered = dict.fromkeys((*record.tasks, *record.subtasks))
    return _numbered({"task": name, "kind": kinds[name]} for name in ordered)


def _files(record: RepoRecord) -> list[Row]:
    return [
        {
            "path": file.path,
            "size": file.size,
            "blob_id": file.blob_id,
            "lfs_sha256": file.lfs_sha256,
            "sha256": file.sha256,
            "present": int(file.present),
            "absent_because": file.absent_because,
        }
        for file in record.files
    ]


def _subset(subset: Subset) -> Row:
    return {
        "subset": subset.name,
        "is_default": int(subset.is_default),
        "description": subset.description,
        "num_bytes": subset.num_bytes,
        "download_bytes": subset.download_bytes,
        "features": _json([[feature.name, feature.dtype] for feature in subset.features]),
    }


def _splits(record: RepoRecord) -> list[Row]:
    sizes = {file.path: file.size for file in record.files}
    return [
        {"subset": subset.name, "position": place, **_split(split, sizes)}
        for subset in record.subsets
        for place, split in enumerate(subset.splits)
    ]


def _split(split: Split, sizes: dict[str, int]) -> Row:
    known = bool(split.paths)
    return {
        "split": split.name,
        "rows": split.rows,
        "rows_from": split.rows_from,
        "num_bytes": split.num_bytes,
        "files": len(split.paths) if known else None,
        "file_bytes": sum(sizes.get(path, 0) for path in split.paths) if known else None,
    }


def _evaluation(item: Evaluation) -> Row:
    return {**vars(item), "verified": int(item.verified)}


def _card(record: RepoRecord) -> Row:
    return {
        "body": record.card.body,
        "data": _json(dict(record.card.data)),
        "problems": _json(list(record.problems)),
    }


def _json(value: Any) -> str:
    """JSON with sorted keys; a lone surrogate that a card may hold cannot be stored."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
