"""Whether who asks may have a repo: the one question that every answer about one asks first."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mirror.names import RepoKey
from mirror.serve.access import Reader, is_gated
from mirror.serve.errors import GATED, REPO, HubError, no_repo
from mirror.serve.guard import reader_of
from mirror.serve.shelf import Shelf


async def admit(request: Request, shelf: Shelf, key: RepoKey) -> None:
    """Let a request about a repo pass.

    What a reader's patterns do not name is for them not there; of a gated repo they are
    told that it is one, as the Hub does.

    Args:
        request: anything behind the guard.
        shelf: where the repo is.
        key: the repo, by this name or an older one.

    Raises:
        HubError: 404 or 403.
    """
    reader = reader_of(request.scope)
    if reader.limited:
        await run_in_threadpool(check, reader, shelf, key)


def check(reader: Reader, shelf: Shelf, key: RepoKey) -> None:
    """Do what :func:`admit` does, in this thread.

    Raises:
        HubError: 404 or 403.
    """
    if not reader.limited:
        return
    canonical = shelf.canonical(key)
    if not reader.may_read(canonical, gated=False):
        raise HubError(404, REPO, no_repo(key).message)
    if shelf.has(canonical) and not reader.may_read(canonical, gated=gated(shelf, canonical)):
        raise HubError(
            403,
            GATED,
            f"Access to {key} is restricted: it is gated, and your token is not for it",
        )


def is_open(reader: Reader, shelf: Shelf, key: RepoKey) -> bool:
    """Whether :func:`check` would let a request pass, if stamps alone can tell; else false.

    ``key`` is the repo's canonical one.
    """
    return not reader.limited or reader.may_read(key, gated=not shelf.is_free_at_hand(key))


def may_see(reader: Reader, shelf: Shelf, key: RepoKey) -> bool:
    """Whether a repo may stand in a list for a reader."""
    try:
        check(reader, shelf, key)
    except HubError:
        return False
    return True


def gated(shelf: Shelf, key: RepoKey) -> bool:
    """Whether a repo is gated: by what upstream said last, or with any commit that is here.

    What cannot be read counts as gated.
    """
    try:
        return shelf.is_gated_now(key) or any(
            is_gated(shelf.snapshot(key, commit).manifest.upstream)
            for commit in set(shelf.refs(key).values())
        )
    except HubError:
        return True
