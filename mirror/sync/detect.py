"""Which of our repos have changed upstream, for the fewest requests.

Three ways, from dear to cheap: one info call a repo; one list call an author (also
shows what is gone, because it is missing there); the feed of recently modified repos,
read down to where the last run began (costs next to nothing however many repos we
have, but tells nothing of repos that are gone). So: authors, while that is cheap;
beyond that the feed, and a few repos of the many by author or info call all the same,
other ones every day, so that a repo which went away is noticed in the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from mirror.errors import UpstreamError
from mirror.hub import Upstream
from mirror.hub.model import ListQuery
from mirror.names import RepoKey, RepoType

#: Requests a run may always spend on looking at repos one by one.
INDIVIDUAL: Final = 50

#: The Hub gives at most so many repos on a page of a list call.
PAGE: Final = 1000


@dataclass
class Heads:
    """What upstream's ``main`` points at, as far as it was found out cheaply."""

    commits: dict[RepoKey, str] = field(default_factory=dict)
    """Repos that are not in here must be asked one by one."""
    how: list[str] = field(default_factory=list)
    """In words, for the plan."""


@dataclass(frozen=True)
class Watched:
    """The repos that change detection is about: mirrored already, followed at ``main``."""

    local: Mapping[RepoKey, str]
    """Our commit of each."""
    unsettled: Collection[RepoKey] = ()
    """Those that the last run did not settle: the feed may have shown their change already."""
    positions: Mapping[str, str] = field(default_factory=dict)
    """``lastModified`` that the feed began with at the last complete run, for each type."""


async def find_heads(upstream: Upstream, watched: Watched, today: date, heads: Heads) -> None:
    """Find the heads of the watched repos in the cheapest way that is sure, into ``heads``.

    A list call that upstream refuses is no failure of the run: its repos are asked one by
    one.

    Raises:
        TransportError: upstream does not answer; what was found before is in ``heads``.
    """
    for repo_type in RepoType:
        keys = sorted(key for key in watched.local if key.repo_type is repo_type)
        if keys:
            await _find(upstream, watched, repo_type, keys, today, heads)


async def newest_change(upstream: Upstream, repo_type: RepoType) -> str | None:
    """Give ``lastModified`` of the repo that changed last: where the feed stands now."""
    async for repo in upstream.list_repos(repo_type, ListQuery(sort="lastModified"), limit=1):
        return repo.last_modified
    return None


async def _find(
    upstream: Upstream,
    watched: Watched,
    repo_type: RepoType,
    keys: list[RepoKey],
    today: date,
    heads: Heads,
) -> None:
    since = watched.positions.get(repo_type.plural)
    individually = keys
    if _cost_by_author(keys) > INDIVIDUAL and since is not None:
        pages = _cost_by_author(keys)
        changed = await _read_feed(upstream, repo_type, since, max_pages=pages, heads=heads)
        if changed is not None:
            turn = set(rotation(keys, today)) | (set(watched.unsettled) & set(keys))
            individually = sorted(turn)
            for key in keys:
                if key not in turn:
                    heads.commits[key] = changed.get(key, watched.local[key])
    await _ask_by_author(upstream, individually, heads)


def rotation(keys: list[RepoKey], today: date) -> list[RepoKey]:
    """Give the repos whose turn it is to be looked at one by one today."""
    if len(keys) <= INDIVIDUAL:
        return keys
    start = today.toordinal() * INDIVIDUAL % len(keys)
    return [keys[(start + step) % len(keys)] for step in range(INDIVIDUAL)]


def _cost_by_author(keys: Collection[RepoKey]) -> int:
    """Requests that asking by author takes: at the least, an author may have many repos."""
    return len({key.namespace or key.repo_id for key in keys})


async def _read_feed(
    upstream: Upstream, repo_type: RepoType, since: str, *, max_pages: int, heads: Heads
) -> dict[RepoKey, str] | None:
    """Read the feed down to ``since``; none when that costs more than ``max_pages``."""
    changed: dict[RepoKey, str] = {}
    read = 0
    try:
        async for repo in upstream.list_repos(repo_type, ListQuery(sort="lastModified")):
            if repo.last_modified is None or repo.commit is None:
                return None
            if repo.last_modified < since:
                break
            changed[repo.key] = repo.commit
            read += 1
            if read >= max_pages * PAGE:
                return None
    except UpstreamError:
        return None
    pages = read // PAGE + 1
    heads.how.append(f"{repo_type.plural}: feed of recent changes ({pages} page{'s'[: pages > 1]})")
    return changed


async def _ask_by_author(upstream: Upstream, keys: list[RepoKey], heads: Heads) -> None:
    """List the authors of whom we watch several repos; a single one is asked by info call."""
    of_author: dict[str, set[RepoKey]] = defaultdict(set)
    for key in keys:
        if key.namespace is not None:
            of_author[key.namespace].add(key)
    lists = {author: watched for author, watched in of_author.items() if len(watched) > 1}
    for author, watched in lists.items():
        await _ask_author(upstream, author, watched, heads)
    singles = len(keys) - sum(len(watched) for watched in lists.values())
    if keys:
        kind = keys[0].repo_type.plural
        heads.how.append(f"{kind}: {len(lists)} lists by author, {singles} info calls")


async def _ask_author(upstream: Upstream, author: str, watched: set[RepoKey], heads: Heads) -> None:
    missing = set(watched)
    read = 0
    repo_type = next(iter(watched)).repo_type
    try:
        async for repo in upstream.list_repos(repo_type, ListQuery(author=author)):
            read += 1
            if repo.key in missing and repo.commit is not None:
                heads.commits[repo.key] = repo.commit
                missing.discard(repo.key)
            # An account with more repos than calls are worth: ask for the rest one by one.
            if not missing or read >= PAGE * len(watched):
                return
    except UpstreamError:
        return
