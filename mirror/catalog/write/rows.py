"""A record into rows: tuples, in the order of the columns of each table (``schema``)."""

from __future__ import annotations

import json
from typing import Any, Final

from mirror.catalog import schema as tables
from mirror.catalog.record.metadata import Evaluation, RepoRecord
from mirror.catalog.record.source import Snapshot
from mirror.catalog.record.subsets import Split, Subset

Row = tuple[Any, ...]

#: By table. Whatever a card says twice must not stop the index: the first row counts.
INSERT: Final = {
    table.name: (
        f"INSERT OR {'ABORT' if table is tables.repos else 'IGNORE'} INTO {table.name} "  # noqa: S608
        f"({', '.join(table.columns.keys())}) VALUES ({', '.join('?' * len(table.columns))})"
    )
    for table in (tables.repos, *tables.DETAILS)
}

_REPO: Final = tuple(tables.repos.columns.keys())


def rows_of(number: int, record: RepoRecord) -> dict[str, list[Row]]:
    """Give the rows of one repo, by table; of some tables none."""
    found: dict[str, list[Row]] = {"repos": [_repo(number, record)]}
    found["repo_tasks"] = _tasks(number, record)
    found["repo_languages"] = [
        (number, item.code, item.stated, place) for place, item in enumerate(record.languages)
    ]
    found["repo_licenses"] = [
        (number, item.license, item.name, item.link, place)
        for place, item in enumerate(record.licenses)
    ]
    found["repo_libraries"] = [(number, name, i) for i, name in enumerate(record.libraries)]
    found["repo_tags"] = [(number, tag, place) for place, tag in enumerate(record.tags)]
    found["repo_links"] = [
        (number, link.kind, link.target, link.relation, place)
        for place, link in enumerate(record.links)
    ]
    found["repo_values"] = [
        (number, field, value, place)
        for field, values in record.values.items()
        for place, value in enumerate(values)
    ]
    found["dtypes"] = [(number, dtype, count) for dtype, count in record.dtypes.items()]
    found["refs"] = [(number, name, commit) for name, commit in record.refs.items()]
    found["snapshots"] = [(number, *_snapshot(snapshot)) for snapshot in record.snapshots]
    found["files"] = _files(number, record)
    if record.evaluations or record.events:
        found["evaluations"] = [
            (number, place, *_evaluation(item)) for place, item in enumerate(record.evaluations)
        ]
        found["events"] = [
            (number, place, event.time, event.what, event.before, event.after, event.detail)
            for place, event in enumerate(record.events)
        ]
    if record.subsets:
        found["subsets"] = [
            _subset(number, place, subset) for place, subset in enumerate(record.subsets)
        ]
        found["splits"] = _splits(number, record)
    found["cards"] = [_card(number, record)]
    return found


def _repo(number: int, record: RepoRecord) -> Row:
    counts, snapshot = record.popularity, record.snapshot
    values = {
        "repo": number,
        "repo_type": record.key.repo_type.value,
        "repo_id": record.key.repo_id,
        "author": record.author,
        "name": record.key.name,
        "state": record.state,
        "ref": record.ref,
        "commit_hash": snapshot.commit,
        "title": record.title,
        "summary": record.summary,
        "downloads": counts.downloads,
        "downloads_all_time": counts.downloads_all_time,
        "likes": counts.likes,
        "counts_seen": counts.seen,
        "created": record.created,
        "last_modified": record.last_modified,
        "gated": record.gated,
        "private": int(record.private),
        "upstream_state": record.upstream_state,
        "upstream_seen": record.upstream_seen,
        "upstream_detail": record.upstream_detail,
        "parameters": record.parameters,
        "sdk": record.sdk,
        "files": snapshot.files,
        "size": snapshot.bytes,
        "present_files": snapshot.present_files,
        "present_size": snapshot.present_bytes,
        "disk_size": record.disk_size,
        "rows": record.rows,
        "partial": int(snapshot.partial),
    }
    return tuple([values[name] for name in _REPO])


def _snapshot(snapshot: Snapshot) -> Row:
    return (
        snapshot.commit,
        snapshot.created,
        snapshot.files,
        snapshot.bytes,
        snapshot.present_files,
        snapshot.present_bytes,
        int(snapshot.partial),
    )


def _tasks(number: int, record: RepoRecord) -> list[Row]:
    kinds = dict.fromkeys(record.tasks, "task")
    for name in record.subtasks:
        kinds.setdefault(name, "subtask")
    return [(number, name, kind, place) for place, (name, kind) in enumerate(kinds.items())]


def _files(number: int, record: RepoRecord) -> list[Row]:
    return [
        (
            number,
            file.path,
            file.size,
            file.blob_id,
            file.lfs_sha256,
            file.sha256,
            int(file.present),
            file.absent_because,
        )
        for file in record.files
    ]


def _subset(number: int, place: int, subset: Subset) -> Row:
    return (
        number,
        subset.name,
        place,
        int(subset.is_default),
        subset.description,
        subset.num_bytes,
        subset.download_bytes,
        _json([[feature.name, feature.dtype] for feature in subset.features]),
    )


def _splits(number: int, record: RepoRecord) -> list[Row]:
    sizes = {file.path: file.size for file in record.files}
    return [
        (number, subset.name, split.name, place, *_split(split, sizes))
        for subset in record.subsets
        for place, split in enumerate(subset.splits)
    ]


def _split(split: Split, sizes: dict[str, int]) -> Row:
    files = byte_count = None
    if split.paths:
        files, byte_count = len(split.paths), sum(sizes.get(path, 0) for path in split.paths)
    return (split.rows, split.rows_from, split.num_bytes, files, byte_count)


def _evaluation(item: Evaluation) -> Row:
    return (
        item.task,
        item.dataset,
        item.dataset_name,
        item.subset,
        item.split,
        item.metric,
        item.metric_name,
        item.value,
        item.source,
        int(item.verified),
        item.date,
        item.url,
    )


def _card(number: int, record: RepoRecord) -> Row:
    data, problems = record.card.data, record.problems
    return (
        number,
        record.card.body,
        _json(dict(data)) if data else "{}",
        _json(list(problems)) if problems else "[]",
    )


def _json(value: Any) -> str:
    """JSON with sorted keys; a lone surrogate that a card may hold cannot be stored."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
