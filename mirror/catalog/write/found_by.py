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
    shown = {
        ("type", record.key.repo_type.value, 1),
        ("gated", record.gated or "no", 1),
        ("state", record.state, 1),
        ("upstream", record.upstream_state, 1),
        ("partial", "yes" if record.snapshot.partial else "no", 1),
    }
    if record.author:
        shown.add(("author", record.author, 1))
    if record.sdk:
        shown.add(("sdk", record.sdk, 1))
    shown.update([("task", task, 1) for task in record.tasks])
    shown.update([("task", task, 1) for task in record.subtasks])
    shown.update([("license", item.license, 1) for item in record.licenses])
    if not record.licenses:
        shown.add(("license", UNKNOWN, 1))
    shown.update([("language", language.code, 1) for language in record.languages])
    shown.update([("library", library, 1) for library in record.libraries])
    shown.update([("tag", tag, 1) for tag in record.tags])
    for link in record.links:
        if link.kind in _LINKS:
            shown.add((_LINKS[link.kind], link.target, 1))
        if link.kind == "base_model" and link.relation:
            shown.add(("relation", link.relation, 1))
    for field, values in record.values.items():
        shown.update([(field, value, 1) for value in values])
    for field, value in _hidden(record):
        if (field, value, 1) not in shown:
            shown.add((field, value, 0))
    return shown


def _hidden(record: RepoRecord) -> Iterator[tuple[str, str]]:
    for language in record.languages:
        if language.stated != language.code:
            yield "language", language.stated.strip().lower().replace("_", "-")
    for item in record.licenses:
        if item.name:
            yield "license", item.name.strip().lower()
    for name, number in numbers_of(record).items():
        if number is not None:
            yield name, bucket_of(FIELDS[name], number)


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
