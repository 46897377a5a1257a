"""A repo as an item of a list: what upstream said of it, and what the mirror knows better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from mirror.catalog.read.results import RepoSummary
from mirror.names import RepoType
from mirror.serve.list_query import Shape

#: What a list tells of each repo by itself, as the Hub does.
_PLAIN: Final = {
    RepoType.MODEL: (
        *("_id", "id", "modelId", "likes", "trendingScore", "private", "downloads", "tags"),
        *("pipeline_tag", "library_name", "createdAt"),
    ),
    RepoType.DATASET: (
        *("_id", "id", "author", "sha", "lastModified", "likes", "trendingScore", "private"),
        *("gated", "disabled", "downloads", "tags", "description", "createdAt"),
        *("paperswithcode_id", "citation"),
    ),
    RepoType.SPACE: ("_id", "id", "likes", "trendingScore", "private", "sdk", "tags", "createdAt"),
}
_FULL: Final = ("author", "sha", "lastModified", "gated", "disabled", "siblings")
#: Of the protocol for large files, which a mirror does not speak.
_STRIPPED: Final = "xet"


def item_of(
    repo: RepoSummary,
    upstream: Mapping[str, Any],
    shape: Shape,
    present: Callable[[], Iterable[str]],
) -> dict[str, Any]:
    """Give the item of a list.

    Args:
        repo: the repo in short, of the catalog.
        upstream: the info call's JSON of its snapshot, with its ``sha``; may have little else.
        shape: what is asked for.
        present: gives the paths of the files that are here; called where they are told.
    """
    wanted = _wanted(repo.key.repo_type, shape)
    known = {**_from_catalog(repo), **{k: v for k, v in upstream.items() if v is not None}}
    known |= _newer(repo)
    if "siblings" in wanted:
        known["siblings"] = [{"rfilename": path} for path in present()]
    return {
        name: known[name]
        for name in wanted
        if name in known and not name.lower().startswith(_STRIPPED)
    }


def _wanted(kind: RepoType, shape: Shape) -> tuple[str, ...]:
    if shape.expand:
        return ("_id", "id", *shape.expand)
    names = dict.fromkeys(_PLAIN[kind])
    if shape.full:
        names |= dict.fromkeys(_FULL)
    if shape.config:
        names["config"] = None
    if shape.card or (shape.full and kind is not RepoType.MODEL):
        names["cardData"] = None
    return tuple(names)


def _from_catalog(repo: RepoSummary) -> dict[str, Any]:
    """What stands in for an info call that is not there."""
    found: dict[str, Any] = {
        "private": False,
        "gated": repo.gated or False,
        "disabled": False,
        "tags": [],
        "lastModified": repo.last_modified,
        "createdAt": repo.created,
        "likes": 0,
        "downloads": 0,
        "trendingScore": 0,
    }
    if repo.key.repo_type is RepoType.MODEL:
        found["pipeline_tag"] = next(iter(repo.tasks), None)
        found["library_name"] = next(iter(repo.libraries), None)
    return {name: value for name, value in found.items() if value is not None}


def _newer(repo: RepoSummary) -> dict[str, Any]:
    """What the mirror knows better than the info call of a snapshot: its name, the counts."""
    key = repo.key
    found: dict[str, Any] = {"id": key.repo_id}
    if key.repo_type is RepoType.MODEL:
        found["modelId"] = key.repo_id
    counts = {"author": key.namespace, "downloads": repo.downloads, "likes": repo.likes}
    return {**found, **{name: value for name, value in counts.items() if value is not None}}
