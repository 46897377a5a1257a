"""Stores with repos in them, for the tests of the catalog."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from mirror.catalog.write.orders import unpacked
from mirror.names import RepoKey, RepoType
from mirror.store import Manifest, Store, encode_manifest
from tests.store.making import commit_of, file_of

_KEYS = "SELECT repo, repo_type, repo_id FROM repos"

CREATED = "2026-01-02T03:04:05Z"


def model(repo_id: str) -> RepoKey:
    return RepoKey(RepoType.MODEL, repo_id)


def dataset(repo_id: str) -> RepoKey:
    return RepoKey(RepoType.DATASET, repo_id)


def manifest_of(
    key: RepoKey,
    files: Mapping[str, bytes | str],
    upstream: Mapping[str, Any] | None = None,
    *,
    commit: str | None = None,
    absent: Mapping[str, bytes | str] | None = None,
    created: str = CREATED,
) -> Manifest:
    entries = [file_of(path, _bytes(data)) for path, data in files.items()]
    entries += [file_of(p, _bytes(data), present=False) for p, data in (absent or {}).items()]
    return Manifest(
        repo_type=key.repo_type,
        repo_id=key.repo_id,
        commit=commit or commit_of(f"{key} {sorted(files.items())}"),
        created=created,
        files=tuple(sorted(entries, key=lambda entry: entry.path)),
        upstream=dict(upstream or {}),
    )


def publish(
    store: Store,
    key: RepoKey,
    files: Mapping[str, bytes | str] | None = None,
    upstream: Mapping[str, Any] | None = None,
    *,
    card: str | bytes | None = None,
    refs: Iterable[str] = ("main",),
    **others: Any,
) -> Manifest:
    """Publish a snapshot; ``card`` is its README."""
    given = {**(files or {}), **({} if card is None else {"README.md": card})}
    for data in given.values():
        store.blobs.write(_bytes(data))
    manifest = manifest_of(key, given, upstream, **others)
    store.publish(manifest, refs)
    return manifest


def write_quickly(store: Store, manifest: Manifest, contents: Iterable[bytes]) -> None:
    """Put a repo into a store without the waits that make it durable: for thousands of them."""
    for data in contents:
        target = store.blobs.path(file_of("x", data).sha256 or "")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
    path = store.layout.manifest(manifest.key, manifest.commit)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_manifest(manifest))
    store.layout.refs(manifest.key).write_text(json.dumps({"main": manifest.commit}))


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table and view, every set, order and term of the index.

    With the type and id of each repo in place of its number: two catalogs are the same
    whose dumps are.
    """
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return dict(_dumped(connection))
    finally:
        connection.close()


def _dumped(connection: sqlite3.Connection) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    ids = {n: f"{kind} {id_}" for n, kind, id_ in connection.execute(_KEYS)}
    yield from _dumped_derived(connection, ids)
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'documents_fts%' AND name NOT LIKE 'sqlite_%'"
        " AND name NOT IN ('value_sets', 'word_sets', 'orders') ORDER BY name"
    ).fetchall()
    for (name,) in names:
        rows = connection.execute(f"SELECT * FROM {name}")
        is_number = rows.description[0][0] == "repo"
        yield (
            name,
            sorted(((ids[row[0]], *row[1:]) if is_number else row for row in rows), key=repr),
        )


def _dumped_derived(
    connection: sqlite3.Connection, ids: Mapping[int, str]
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    def repos(bits: bytes) -> tuple[str, ...]:
        return tuple(sorted(ids[number] for number in BitMap.deserialize(bits)))

    sets = connection.execute("SELECT field, value, shown, repos, bits FROM value_sets")
    yield "value_sets", sorted((*row[:4], repos(row[4])) for row in sets)
    sets = connection.execute("SELECT word, part, repos, bits FROM word_sets")
    yield "word_sets", sorted((*row[:3], repos(row[3])) for row in sets)
    orders = connection.execute("SELECT sort, repos, ranks FROM orders ORDER BY sort").fetchall()
    yield (
        "orders",
        [(sort, *(ids[number] for number in unpacked(data))) for sort, data, _ in orders],
    )
    for sort, data, ranks in orders:
        places = unpacked(ranks)
        assert [places[number] for number in unpacked(data)] == list(range(len(ids))), sort
    connection.execute(
        "CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, documents_fts, instance)"
    )
    terms = connection.execute("SELECT term, doc, col, offset FROM terms")
    yield "index", sorted((term, ids[doc], col, place) for term, doc, col, place in terms)


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data
