"""Records of repos that are not mirrored: the whole Hub, from the items of its lists.

Nothing is read but what upstream said, so a million of them take a minute. The rules are
those of mirrored repos (``stated``, ``found_values``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mirror.catalog.record.cards import CardText
from mirror.catalog.record.evaluations import find_evaluations
from mirror.catalog.record.events import gated_of
from mirror.catalog.record.found_values import Seen, find_values
from mirror.catalog.record.metadata import find_dtypes, find_parameters
from mirror.catalog.record.prose import MAX_DESCRIPTION, MAX_SUMMARY, MAX_TITLE, plain_line, shorten
from mirror.catalog.record.record import KNOWN, Popularity, RepoRecord
from mirror.catalog.record.source import MAIN, Snapshot
from mirror.catalog.record.stated import find_stated
from mirror.catalog.values import as_count, as_flag, as_mapping, as_text, as_time
from mirror.names import MAX_PATH_BYTES, RepoKey, is_commit

_NO_CARD: Final = CardText({}, "")
_NOTHING: Final[Mapping[str, Any]] = {}
#: Files of one item of a list that are looked at.
_MAX_PATHS: Final = 10_000


def describe_known(key: RepoKey, raw: Mapping[str, Any], seen: str) -> RepoRecord:
    """Make the record of a repo that only its metadata is known of. Never raises.

    Args:
        key: from the item's ``id``.
        raw: an item of upstream's lists, or an info call's answer: ``tags``,
            ``pipeline_tag``, ``downloads``, ``lastModified``, ``siblings``, ``cardData`` …
        seen: when upstream said it, ISO 8601 UTC.
    """
    data = as_mapping(raw["cardData"]) if raw.get("cardData") else _NOTHING
    stated = find_stated(key.repo_type, raw, data)
    dtypes = find_dtypes(raw)
    evaluations = find_evaluations(data, raw)
    paths, of_files = _files(raw.get("siblings"))
    found = Seen(paths, dtypes, config=raw.get("config"), evaluations=evaluations)
    values = find_values(key, stated, found)
    size = _size(raw.get("usedStorage"), of_files)
    description = _description(raw.get("description"))
    downloads, likes = as_count(raw.get("downloads")), as_count(raw.get("likes"))
    all_time = as_count(raw.get("downloadsAllTime"))
    return RepoRecord(
        key=key,
        ref=MAIN,
        # Of this commit nothing is in the mirror, so nothing of it was left out either.
        snapshot=Snapshot(_commit(raw.get("sha")), seen, 0, 0, 0, 0),
        author=as_text(raw.get("author")) or key.namespace,
        title=_title(data) if data else None,
        summary=shorten(description, MAX_SUMMARY) if description else None,
        tasks=tuple(stated.tasks),
        subtasks=tuple(stated.subtasks),
        languages=tuple(stated.languages.values()),
        licenses=tuple(stated.licenses.values()),
        libraries=tuple(stated.libraries),
        tags=tuple(stated.tags),
        links=stated.links(),
        popularity=Popularity(downloads, all_time, likes, seen),
        created=_when(raw.get("createdAt")),
        last_modified=_when(raw.get("lastModified")),
        gated=gated_of(raw.get("gated"), ()),
        private=as_flag(raw.get("private")),
        upstream_state="disabled" if raw.get("disabled") is True else "ok",
        upstream_seen=seen,
        upstream_detail=None,
        parameters=find_parameters(raw),
        sdk=as_text(raw.get("sdk")) if raw.get("sdk") is not None else None,
        card=_NO_CARD,
        subsets=(),
        files=(),
        refs=_NOTHING,
        snapshots=(),
        problems=(),
        state=KNOWN,
        description=description,
        disk_size=size,
        values=values,
        dtypes=dtypes,
        evaluations=evaluations,
    )


def _when(value: object) -> str | None:
    return as_time(value) if type(value) is str and len(value) < 64 else None


def _title(data: Mapping[str, Any]) -> str | None:
    stated = as_text(data.get("pretty_name")) or as_text(data.get("title"))
    return plain_line(stated, MAX_TITLE) if stated else None


def _description(value: object) -> str | None:
    stated = as_text(value, MAX_DESCRIPTION) if value else None
    return plain_line(stated, MAX_DESCRIPTION) or None if stated else None


def _files(siblings: object) -> tuple[list[str], int]:
    """The names of the files of an item, and their bytes as far as they are told."""
    names: list[str] = []
    size = 0
    for item in siblings[:_MAX_PATHS] if isinstance(siblings, list) else ():
        name = item.get("rfilename") if isinstance(item, dict) else None
        if isinstance(name, str) and len(name) <= MAX_PATH_BYTES:
            names.append(name)
            if (told := item.get("size")) is not None:
                size += as_count(told) or 0
    return names, size


def _size(used: object, of_files: int) -> int:
    """Bytes upstream: of the whole repo with its history, where that is told."""
    return as_count(used) or as_count(of_files) or 0


def _commit(value: object) -> str:
    return value if isinstance(value, str) and is_commit(value) else ""
