"""Rows of a catalog into the answers of ``results``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from mirror.catalog import schema as tables
from mirror.catalog.query.query import Query
from mirror.catalog.read.results import (
    CatalogStats,
    FileInfo,
    Hit,
    LicenseInfo,
    LinkInfo,
    RepoPage,
    RepoSummary,
    SearchResult,
    SnapshotInfo,
    SplitInfo,
    SubsetInfo,
)
from mirror.catalog.read.search import select_hits, select_total
from mirror.catalog.read.snippets import make_snippet
from mirror.catalog.schema import repo_number
from mirror.catalog.values import clean_text
from mirror.names import RepoKey, RepoType

#: Repos whose details are read with one statement.
_CHUNK: Final = 500


def read_hits(connection: Connection, query: Query) -> SearchResult:
    """Answer a search."""
    total: int = connection.execute(select_total(query)).scalar_one()
    rows = connection.execute(select_hits(query)).all() if total and query.limit else []
    bodies = _bodies(connection, rows) if query.words else {}
    hits = tuple(
        Hit(**fields, snippet=make_snippet(bodies.get(row.repo, ""), query.text))
        for row, fields in zip(rows, _summary_fields(connection, rows), strict=True)
    )
    return SearchResult(hits, total)


def read_summaries(connection: Connection, repo_type: RepoType | None) -> list[RepoSummary]:
    """Give every repo in short, by type and id."""
    repos = tables.repos.c
    statement = select(tables.repos).order_by(repos.repo_type, repos.repo_id)
    if repo_type is not None:
        statement = statement.where(repos.repo_type == repo_type.value)
    rows = connection.execute(statement).all()
    return [RepoSummary(**fields) for fields in _summary_fields(connection, rows)]


def read_stats(connection: Connection) -> CatalogStats:
    """Count repos, files and bytes."""
    repos, files = tables.repos.c, tables.files.c
    counts = select(repos.repo_type, func.count()).group_by(repos.repo_type)
    found = {str(name): int(count) for name, count in connection.execute(counts)}
    present = select(func.count()).select_from(tables.files).where(files.present == 1)
    each = select(files.sha256, files.size).where(files.present == 1).distinct().subquery()
    return CatalogStats(
        repos={kind.value: found.get(kind.value, 0) for kind in RepoType},
        files=connection.execute(present).scalar_one(),
        size=connection.execute(select(func.coalesce(func.sum(each.c.size), 0))).scalar_one(),
        schema=tables.SCHEMA,
    )


def find_keys(connection: Connection, text: str) -> list[RepoKey]:
    """Give the repos that ``text`` may mean, the best spelling only."""
    text = clean_text(text).removeprefix("hf://").strip("/ ")
    head, _, tail = text.partition("/")
    kinds = [kind for kind in RepoType if tail and head == kind.plural]
    repo_id = tail if kinds else text
    repos, aliases = tables.repos.c, tables.aliases.c
    joined = select(repos.repo_type, repos.repo_id)
    other = joined.join(
        tables.aliases,
        (aliases.repo_type == repos.repo_type) & (aliases.repo_id == repos.repo_id),
    )
    lower = func.lower
    attempts = (
        joined.where(repos.repo_id == repo_id),
        other.where(aliases.alias == repo_id),
        joined.where(lower(repos.repo_id) == lower(repo_id)),
        other.where(lower(aliases.alias) == lower(repo_id)),
        joined.where(lower(repos.name) == lower(repo_id)),
    )
    for statement in attempts:
        if kinds:
            statement = statement.where(repos.repo_type == kinds[0].value)
        found = {RepoKey(RepoType(row[0]), row[1]) for row in connection.execute(statement)}
        if found:
            return sorted(found)
    return []


def read_page(connection: Connection, key: RepoKey) -> RepoPage | None:
    """Give everything about one repo."""
    aliases = tables.aliases.c
    same_type = aliases.repo_type == key.repo_type.value
    target = connection.execute(
        select(aliases.repo_id).where(same_type, aliases.alias == key.repo_id)
    ).scalar_one_or_none()
    key = key if target is None else RepoKey(key.repo_type, target)
    number = repo_number(key)
    row = connection.execute(select(tables.repos).where(tables.repos.c.repo == number)).first()
    if row is None:
        return None
    names = select(aliases.alias).where(same_type, aliases.repo_id == key.repo_id)
    details = _Details(connection, number)
    (fields,) = _summary_fields(connection, [row])
    (card,) = details.rows(tables.cards)
    return RepoPage(
        **fields,
        aliases=tuple(connection.execute(names.order_by(aliases.alias)).scalars()),
        author=row.author,
        subtasks=tuple(t.task for t in details.rows(tables.repo_tasks) if t.kind == "subtask"),
        tags=tuple(tag.tag for tag in details.rows(tables.repo_tags)),
        stated_licenses=tuple(
            LicenseInfo(item.license, item.name, item.link)
            for item in details.rows(tables.repo_licenses)
        ),
        links=tuple(
            LinkInfo(link.kind, link.target, link.relation)
            for link in details.rows(tables.repo_links)
        ),
        subsets=details.subsets(),
        snapshots=details.snapshots(),
        file_list=details.files(),
        upstream_seen=row.upstream_seen,
        upstream_detail=row.upstream_detail,
        downloads_all_time=row.downloads_all_time,
        private=bool(row.private),
        sdk=row.sdk,
        card=card.body,
        card_data=json.loads(card.data),
        problems=tuple(json.loads(card.problems)),
    )


class _Details:
    """The rows of one repo in the tables of details."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    def rows(self, table: Table) -> Sequence[Row[Any]]:
        """In their own order, where they have one; else in that of their key."""
        order = [table.c.position] if "position" in table.c else list(table.primary_key.columns)
        statement = select(table).where(table.c.repo == self._number).order_by(*order)
        return self._connection.execute(statement).all()

    def subsets(self) -> tuple[SubsetInfo, ...]:
        splits: dict[str, list[SplitInfo]] = defaultdict(list)
        for row in self.rows(tables.splits):
            info = SplitInfo(
                row.split, row.rows, row.rows_from, row.num_bytes, row.files, row.file_bytes
            )
            splits[row.subset].append(info)
        return tuple(
            SubsetInfo(
                name=row.subset,
                is_default=bool(row.is_default),
                description=row.description,
                num_bytes=row.num_bytes,
                download_bytes=row.download_bytes,
                features=tuple((name, dtype) for name, dtype in json.loads(row.features)),
                splits=tuple(splits[row.subset]),
            )
            for row in self.rows(tables.subsets)
        )

    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        names: dict[str, list[str]] = defaultdict(list)
        for row in self.rows(tables.refs):
            names[row.commit_hash].append(row.ref)
        found = [
            SnapshotInfo(
                commit=row.commit_hash,
                refs=tuple(names[row.commit_hash]),
                created=row.created,
                files=row.files,
                size=row.size,
                present_files=row.present_files,
                present_size=row.present_size,
                partial=bool(row.partial),
            )
            for row in self.rows(tables.snapshots)
        ]
        return tuple(sorted(found, key=lambda item: (item.created, item.commit), reverse=True))

    def files(self) -> tuple[FileInfo, ...]:
        return tuple(
            FileInfo(
                path=row.path,
                size=row.size,
                sha256=row.sha256,
                etag=row.lfs_sha256 or row.blob_id,
                present=bool(row.present),
                absent_because=row.absent_because,
            )
            for row in self.rows(tables.files)
        )


def _summary_fields(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """The fields of RepoSummary for rows of ``repos``, in the same order."""
    numbers = [row.repo for row in rows]
    licenses, tasks = tables.repo_licenses, tables.repo_tasks
    values = {
        "tasks": _values(connection, numbers, tasks, tasks.c.task, tasks.c.kind == "task"),
        "languages": _values(
            connection, numbers, tables.repo_languages, tables.repo_languages.c.language
        ),
        "licenses": _values(
            connection, numbers, licenses, func.coalesce(licenses.c.name, licenses.c.license)
        ),
        "libraries": _values(
            connection, numbers, tables.repo_libraries, tables.repo_libraries.c.library
        ),
    }
    return [
        {
            "key": RepoKey(RepoType(row.repo_type), row.repo_id),
            "commit": row.commit_hash,
            "ref": row.ref,
            "title": row.title,
            "summary": row.summary,
            **{name: by_repo[row.repo] for name, by_repo in values.items()},
            "downloads": row.downloads,
            "likes": row.likes,
            "counts_seen": row.counts_seen,
            "created": row.created,
            "last_modified": row.last_modified,
            "files": row.present_files,
            "size": row.present_size,
            "partial": bool(row.partial),
            "gated": row.gated,
            "upstream_state": row.upstream_state,
            "parameters": row.parameters,
        }
        for row in rows
    ]


def _values(
    connection: Connection,
    numbers: Sequence[int],
    table: Table,
    value: ColumnElement[str],
    *conditions: ColumnElement[bool],
) -> dict[int, tuple[str, ...]]:
    """One value of details, each once and in order, by repo."""
    found: dict[int, dict[str, None]] = {number: {} for number in numbers}
    statement = select(table.c.repo, value).where(*conditions).order_by(table.c.position)
    for chunk in _chunks(numbers):
        for number, text in connection.execute(statement.where(table.c.repo.in_(chunk))):
            found[number][text] = None
    return {number: tuple(values) for number, values in found.items()}


def _bodies(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, str]:
    cards = tables.cards.c
    found: dict[int, str] = {}
    for chunk in _chunks([row.repo for row in rows]):
        statement = select(cards.repo, cards.body).where(cards.repo.in_(chunk))
        found.update((row.repo, row.body) for row in connection.execute(statement))
    return found


def _chunks(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    return (numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK))
