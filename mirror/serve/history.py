"""Refs and commits: those that are mirrored, not the whole history of upstream."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mirror.names import is_commit
from mirror.serve.errors import HubError
from mirror.serve.options import ServeOptions
from mirror.serve.rawpath import RepoPath
from mirror.serve.reply import flag, json_reply, number, page_reply, read_query
from mirror.serve.shelf import Shelf, Snapshot
from mirror.serve.tree import commit_date

#: The store keeps a ref's name, not its kind; what looks like a version is called a tag.
_VERSION: Final = re.compile(r"v?\d+(\.\d+)*([._-]?\w+)?")
#: Older snapshots of one ref that are read to tell of them.
_MAX_COMMITS: Final = 200
_PAGE: Final = 50
_TITLE: Final = "As mirrored"


async def refs(request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions) -> Response:
    """Answer ``/api/{type}s/{id}/refs``."""
    query = read_query(request)
    found = sorted_refs(dict(await run_in_threadpool(shelf.refs, place.key)))
    if not flag(query, "include_prs"):
        del found["pullRequests"]
    return json_reply(found)


def sorted_refs(refs: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """Sort refs into the kinds that clients know; a pinned commit is no ref upstream."""
    found: dict[str, list[dict[str, str]]] = {
        kind: [] for kind in ("branches", "converts", "tags", "pullRequests")
    }
    for name, commit in sorted(refs.items(), key=lambda item: (item[0] != "main", item[0])):
        if not is_commit(name):
            kind, prefix, short = _kind(name)
            found[kind].append({"name": short, "ref": prefix + short, "targetCommit": commit})
    return found


def _kind(name: str) -> tuple[str, str, str]:
    for kind, prefix in (("converts", "refs/convert/"), ("pullRequests", "refs/pr/")):
        if name.startswith(prefix):
            return kind, prefix, name.removeprefix(prefix)
    if _VERSION.fullmatch(name):
        return "tags", "refs/tags/", name
    return "branches", "refs/heads/", name


async def commits(
    request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions
) -> Response:
    """Answer ``/api/{type}s/{id}/commits/{revision}``: newest first."""
    query = read_query(request)
    size = min(max(1, number(query, "limit", _PAGE)), 1_000)
    found = await run_in_threadpool(known_commits, shelf, place)
    headers = {"x-total-count": str(len(found))}
    return page_reply(request, options, query, found, size, headers)


def known_commits(shelf: Shelf, place: RepoPath) -> list[dict[str, Any]]:
    """Give a revision's commit and, of a ref, those it pointed at before and that are kept."""
    snapshots = [shelf.snapshot(place.key, place.revision)]
    name = "main" if place.revision == "HEAD" else place.revision
    for commit in shelf.store.retired(place.key, name)[:_MAX_COMMITS]:
        if commit != snapshots[0].commit:
            try:
                snapshots.append(shelf.snapshot(place.key, commit))
            except HubError:
                continue  # pruned a moment ago, or damaged: the others are still told of
    return [_entry(snapshot) for snapshot in snapshots]


def _entry(snapshot: Snapshot) -> dict[str, Any]:
    """Give a commit; who wrote it and why is not mirrored, and not made up."""
    return {
        "id": snapshot.commit,
        "title": _TITLE,
        "message": "",
        "authors": [],
        "date": commit_date(snapshot),
    }
