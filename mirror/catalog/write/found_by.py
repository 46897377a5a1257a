"""What a repo is found by: the values of its set fields, and the buckets of its numbers.

One place says it for the sets of repos that a search works with; docs/catalog.md says it
to people.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mirror.catalog.fields import FIELDS, UNKNOWN, bucket_of
from mirror.catalog.record.metadata import RepoRecord

#: (field, value, shown): ``shown`` is 0 for what can be asked for and is no facet value.
Found = tuple[str, str, int]

_LINKS: Final = {"base_model": "base_model", "dataset": "dataset", "arxiv": "paper"}


def found_by(record: RepoRecord) -> set[Found]:
    """Give everything that a repo is found by; a value that is shown is not hidden as well."""
    found = set(_values(record))
    return {item for item in found if item[2] or (item[0], item[1], 1) not in found}


def _values(record: RepoRecord) -> Iterator[Found]:
    yield "type", record.key.repo_type.value, 1
    if record.author:
        yield "author", record.author, 1
    for task in (*record.tasks, *record.subtasks):
        yield "task", task, 1
    yield from _licenses(record)
    for language in record.languages:
        yield "language", language.code, 1
        yield "language", language.stated.strip().lower().replace("_", "-"), 0
    for library in record.libraries:
        yield "library", library, 1
    for tag in record.tags:
        yield "tag", tag, 1
    for link in record.links:
        if link.kind in _LINKS:
            yield _LINKS[link.kind], link.target, 1
        if link.kind == "base_model" and link.relation:
            yield "relation", link.relation, 1
    for field, values in record.values.items():
        for value in values:
            yield field, value, 1
    yield "gated", record.gated or "no", 1
    yield "state", record.state, 1
    yield "upstream", record.upstream_state, 1
    yield "partial", "yes" if record.snapshot.partial else "no", 1
    if record.sdk:
        yield "sdk", record.sdk, 1
    yield from _buckets(record)


def _licenses(record: RepoRecord) -> Iterator[Found]:
    for item in record.licenses:
        yield "license", item.license, 1
        if item.name:
            yield "license", item.name.strip().lower(), 0
    if not record.licenses:
        yield "license", UNKNOWN, 1


def _buckets(record: RepoRecord) -> Iterator[Found]:
    for field, value in numbers_of(record).items():
        if value is not None:
            yield field, bucket_of(FIELDS[field], value), 0


def numbers_of(record: RepoRecord) -> dict[str, int | str | None]:
    """Give what a repo is sorted and filtered by, by field: as in its row of ``repos``."""
    return {
        "params": record.parameters,
        "size": record.disk_size,
        "rows": record.rows,
        "downloads": record.popularity.downloads,
        "likes": record.popularity.likes,
        "created": record.created,
        "updated": record.last_modified,
    }
