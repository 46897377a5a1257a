"""The lists of models, data sets and spaces, and their tags: answered from the catalog.

What a list tells of each repo is upstream's own answer of when it was synced, out of the
manifest of the snapshot that the catalog describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mirror.catalog.query.query import MAX_LIMIT, OneOf, Query
from mirror.catalog.read.results import RepoSummary
from mirror.catalog.record.languages import is_language_tag
from mirror.catalog.record.vocabulary import LIBRARIES, TASKS
from mirror.errors import UsageError
from mirror.names import RepoType
from mirror.serve.errors import HubError
from mirror.serve.guard import reader_of
from mirror.serve.list_items import item_of
from mirror.serve.list_query import ListRequest, Shape, read_list
from mirror.serve.options import ServeOptions
from mirror.serve.reply import json_reply, next_link, read_query
from mirror.serve.shelf import Shelf

#: Whether the asker may see a repo.
Sight = Callable[[RepoSummary], bool]

#: Different tags of a type that are told. The Hub itself has some hundred outside "other".
MAX_TAGS: Final = 20_000
#: Seconds that a list may take.
_TIMEOUT: Final = 10.0
#: What a tag without a prefix is among a model's: the first that fits.
_BARE: Final[Mapping[str, Callable[[str], bool]]] = {
    "pipeline_tag": TASKS.__contains__,
    "library": LIBRARIES.__contains__,
    "language": is_language_tag,
}
_OTHER: Final = "other"


def routes(shelf: Shelf, options: ServeOptions) -> list[BaseRoute]:
    """Give the routes of the three lists and of their tags."""
    found: list[BaseRoute] = []
    for kind in RepoType:
        found.append(Route(f"/api/{kind.plural}", _list_of(kind, shelf, options)))
        if kind is not RepoType.SPACE:
            found.append(Route(f"/api/{kind.plural}-tags-by-type", _tags_of(kind, shelf)))
    return found


def _list_of(kind: RepoType, shelf: Shelf, options: ServeOptions) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        fields = read_query(request)
        asked = read_list(kind, fields)
        seen = _sight_of(request)
        items, total = await run_in_threadpool(_items, shelf, asked, seen)
        end = asked.query.offset + asked.query.limit
        link = next_link(request, options, fields, str(end)) if end < total else {}
        return json_reply(items, link)

    return answer


def _items(shelf: Shelf, asked: ListRequest, seen: Sight) -> tuple[list[dict[str, Any]], int]:
    """Give the items of a page, and how many repos fit in all."""
    try:
        found = shelf.catalog().listed(asked.query, asked.id_parts, _TIMEOUT)
    except UsageError as error:
        raise HubError(400, None, str(error)) from None
    return [_item(shelf, hit, asked.shape) for hit in found.hits if seen(hit)], found.total


def _item(shelf: Shelf, repo: RepoSummary, shape: Shape) -> dict[str, Any]:
    try:  # by its ref: those are kept, and a commit that came since the catalog was made is it
        snapshot = shelf.snapshot(repo.key, repo.ref)
    except HubError:  # gone or damaged since: the list goes on
        return item_of(repo, {"sha": repo.commit}, shape, tuple)
    upstream = {**snapshot.manifest.upstream, "sha": snapshot.commit}
    return item_of(repo, upstream, shape, lambda: [file.path for file in snapshot.present])


def _sight_of(request: Request) -> Sight:
    """Give what tells whether the asker may see a repo at all."""
    reader = reader_of(request.scope)
    if not reader.limited:
        return lambda _repo: True
    return lambda repo: reader.may_read(repo.key, gated=repo.gated is not None)


# --- tags -------------------------------------------------------------------------


def _tags_of(kind: RepoType, shelf: Shelf) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        whose = _tags_of_visible if reader_of(request.scope).limited else _all_tags
        tags = await run_in_threadpool(whose, shelf, kind, _sight_of(request))
        return json_reply(_by_type(kind, tags))

    return answer


def _all_tags(shelf: Shelf, kind: RepoType, _seen: Sight) -> list[str]:
    """Give the tags of everything, the most frequent first."""
    (facet,) = shelf.catalog().facets(_everything(kind, 0), ("tag",), MAX_TAGS, _TIMEOUT)
    return [value.value for value in facet.values]


def _tags_of_visible(shelf: Shelf, kind: RepoType, seen: Sight) -> list[str]:
    """Give the tags of what somebody may read: a tag can name a repo that they may not."""
    counted: Counter[str] = Counter()
    shape = Shape(expand=("tags",))
    for hit in shelf.catalog().listed(_everything(kind, MAX_LIMIT), (), _TIMEOUT):
        if seen(hit):
            counted.update(tag for tag in _item(shelf, hit, shape)["tags"] if isinstance(tag, str))
    return [tag for tag, _ in counted.most_common(MAX_TAGS)]


def _everything(kind: RepoType, limit: int) -> Query:
    filters = OneOf("type", (kind.value,)), OneOf("state", ("mirrored",))
    return Query(filters=filters, limit=limit)


def _by_type(kind: RepoType, tags: Iterable[str]) -> Mapping[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for tag in tags:
        group, label = _meaning(kind, tag)
        found.setdefault(group, []).append({"id": tag, "label": label, "type": group})
    return found


def _meaning(kind: RepoType, tag: str) -> tuple[str, str]:
    """Give the group of a tag, and what it is called there."""
    group, colon, label = tag.partition(":")
    if colon and group and label:
        return group, label
    if kind is RepoType.MODEL:
        for name, has in _BARE.items():
            if has(tag):
                return name, tag
    return _OTHER, tag
