"""What comes before the first repo: selection, change detection, the planner.

Shared by the plan that is only printed and the sync that acts on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from mirror.errors import DamagedError, TransportError, UpstreamError
from mirror.hub import Upstream
from mirror.names import RepoKey, RepoType
from mirror.settings import Settings
from mirror.store import Store
from mirror.sync.detect import INDIVIDUAL, Heads, Watched, find_heads, newest_change
from mirror.sync.last import LastRun
from mirror.sync.planner import Planner, refs_if_any
from mirror.sync.selection import Selection, select


@dataclass(frozen=True)
class Prepared:
    """All that the run needs to go through its repos."""

    selection: Selection
    heads: Heads
    planner: Planner
    positions: Mapping[str, str]
    """Where upstream's feed stands now, to be recorded if the run covers everything."""

    @property
    def detection(self) -> str:
        """How changes were found, in words."""
        return "; ".join(self.heads.how) or "one info call a repo"


async def prepare(
    store: Store,
    settings: Settings,
    upstream: Upstream,
    *,
    repos: Collection[RepoKey] | None,
    recheck: bool,
    last: LastRun,
    today: date,
) -> Prepared:
    """Select, and find out what may have changed.

    Args:
        store: what is mirrored.
        settings: mirror.toml.
        upstream: the Hub.
        repos: these alone, or none for the whole selection.
        recheck: ask about every repo, whatever the feed says.
        last: where the last run left off.
        today: decides which repos are looked at one by one.

    Raises:
        UsageError: one of ``repos`` is not selected.
    """
    aliases = store.aliases()
    selection = await select(settings, upstream, repos)
    if repos is not None:
        selection.only(repos, aliases)
    watched = Watched(_watched(store, selection, aliases), last.unsettled, last.positions)
    positions: dict[str, str] = {}
    heads = Heads()
    try:
        if repos is None:
            positions = await _positions(upstream, selection)
        if not recheck:
            await find_heads(upstream, watched, today, heads)
    except TransportError:
        # What is not known now is asked repo by repo, until upstream is given up.
        heads.how.append("stopped: upstream did not answer")
    if not recheck:
        heads.commits |= {aliases.get(key, key): head for key, head in selection.heads.items()}
    planner = Planner(
        store,
        upstream,
        settings.policy,
        heads.commits,
        mirror_size=mirror_size(store) if settings.policy.max_mirror_size is not None else 0,
    )
    return Prepared(selection, heads, planner, positions)


def is_kept(store: Store, key: RepoKey, revision: str) -> bool:
    """Say whether the mirror has a snapshot of the revision already."""
    try:
        return revision in store.refs(key)
    except DamagedError:
        return bool(store.commits(key))


def _watched(
    store: Store, selection: Selection, aliases: Mapping[RepoKey, RepoKey]
) -> dict[RepoKey, str]:
    """Give our commits of the repos that are followed at ``main`` and not listed by a query."""
    watched: dict[RepoKey, str] = {}
    for asked, revision in selection.filters:
        key = aliases.get(asked, asked)
        if revision == "main" and asked not in selection.heads and store.has(key):
            local = refs_if_any(store, key).get("main")
            if local is not None:
                watched[key] = local
    return watched


async def _positions(upstream: Upstream, selection: Selection) -> dict[str, str]:
    """Ask where the feed stands, for the types where the next run may want to know.

    Before anything else is asked: what changes during the run is then seen by the next.
    """
    counts = Counter(
        key.repo_type
        for key, revision in selection.filters
        if revision == "main" and key not in selection.heads
    )
    positions: dict[str, str] = {}
    for repo_type in RepoType:
        if counts[repo_type] > INDIVIDUAL:
            try:
                newest = await newest_change(upstream, repo_type)
            except UpstreamError:
                continue
            if newest is not None:
                positions[repo_type.plural] = newest
    return positions


def mirror_size(store: Store) -> int:
    """Give the bytes of all blobs: what ``policy.max_mirror_size`` is about."""
    return sum(store.blobs.path(digest).stat().st_size for digest in store.blobs)
