"""From the entries of mirror.toml to the repos and revisions that are wanted.

An entry with an id costs no request. A query is put to upstream's own list call, and
what it lists carries the head of ``main``: change detection for free.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mirror.errors import MirrorError, UsageError
from mirror.hub import Upstream
from mirror.hub.model import ListedRepo, ListQuery
from mirror.names import RepoKey, RepoType
from mirror.settings import Entry, Settings
from mirror.sync.model import FileFilter, Problem, Wanted

#: ``expand`` name of the list call → the field that sorts by it.
_SORT_FIELDS: Final = {
    "downloads": "downloads",
    "likes": "likes",
    "lastModified": "lastModified",
    "createdAt": "createdAt",
    "trendingScore": "trendingScore",
}


@dataclass
class Selection:
    """What is wanted, and what finding it out has told us."""

    filters: dict[tuple[RepoKey, str], tuple[FileFilter, ...]] = field(default_factory=dict)
    heads: dict[RepoKey, str] = field(default_factory=dict)
    """Head of ``main`` for the repos that a query listed."""
    failed: list[Problem] = field(default_factory=list)
    """Queries that upstream did not answer."""

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Every repo and revision once, in the order of mirror.toml."""
        return tuple(Wanted(key, name, filters) for (key, name), filters in self.filters.items())

    def add(self, key: RepoKey, entry: Entry) -> None:
        """Take in one repo as an entry wants it."""
        one = FileFilter(entry.include, entry.exclude, entry.max_size)
        for revision in entry.wanted_revisions:
            filters = self.filters.get((key, revision), ())
            if one not in filters:
                self.filters[key, revision] = (*filters, one)

    def only(self, keys: Collection[RepoKey], aliases: Mapping[RepoKey, RepoKey]) -> None:
        """Keep ``keys`` alone, known by whatever name.

        Raises:
            UsageError: one of them is not selected.
        """
        asked = {aliases.get(key, key) for key in keys}
        kept = {
            pair: filters
            for pair, filters in self.filters.items()
            if aliases.get(pair[0], pair[0]) in asked
        }
        found = {aliases.get(key, key) for key, _ in kept}
        for key in keys:
            if aliases.get(key, key) not in found:
                raise UsageError(
                    f"{key} is not in the selection", hint=f"add it with: mirror add {key}"
                )
        self.filters = kept


async def select(
    settings: Settings, upstream: Upstream, only: Collection[RepoKey] | None = None
) -> Selection:
    """Find out which repos and revisions are wanted.

    Args:
        settings: the entries.
        upstream: asked for queries alone.
        only: when every one of these is named by id, no query is asked.

    A query that fails is a problem of its own; the others go on.
    """
    selection = Selection()
    entries = settings.numbered_entries()
    named = {RepoKey(kind, entry.id) for kind, _, entry in entries if entry.id is not None}
    skip_queries = only is not None and set(only) <= named
    for repo_type, number, entry in entries:
        if entry.id is not None:
            selection.add(RepoKey(repo_type, entry.id), entry)
        elif not skip_queries:
            try:
                listed = await _ask(upstream, repo_type, entry)
            except MirrorError as error:
                subject = f"{repo_type.plural}.{number}"
                selection.failed.append(Problem.of(subject, None, error, kept=True))
                continue
            for repo in listed:
                selection.add(repo.key, entry)
                if repo.commit is not None:
                    selection.heads[repo.key] = repo.commit
    return selection


async def _ask(upstream: Upstream, repo_type: RepoType, entry: Entry) -> list[ListedRepo]:
    """Put a query to upstream: one list call for each combination of alternatives."""
    found: dict[RepoKey, ListedRepo] = {}
    for query in queries_of(repo_type, entry):
        taken = 0
        async for repo in upstream.list_repos(repo_type, query):
            if _below(repo, query.sort, entry):
                break
            if not _fits(repo, entry):
                continue
            found[repo.key] = repo
            taken += 1
            if taken == entry.limit:
                break
    ordered = sorted(found.values(), key=lambda repo: _rank(repo, entry.sort), reverse=True)
    return ordered[: entry.limit]


def queries_of(repo_type: RepoType, entry: Entry) -> list[ListQuery]:
    """Give the list calls that an entry needs: several values of one key are alternatives."""
    filters = _alternatives(repo_type, entry)
    expand = {"sha", "lastModified", "downloads", "likes", _SORT_FIELDS[entry.sort or "downloads"]}
    is_model = repo_type is RepoType.MODEL
    return [
        ListQuery(
            author=entry.author,
            filters=combination,
            pipeline_tag=entry.task if is_model else None,
            search=entry.search,
            sort=entry.sort or "downloads",
            expand=tuple(sorted(expand)),
        )
        for combination in filters
    ]


def _alternatives(repo_type: RepoType, entry: Entry) -> list[tuple[str, ...]]:
    """The tags of each call. Models carry language and library bare, data sets with a prefix."""
    bare = repo_type is RepoType.MODEL
    choices: list[Sequence[str]] = []
    if entry.task and not bare:
        choices.append([f"task_categories:{entry.task}"])
    if entry.language:
        choices.append([name if bare else f"language:{name}" for name in entry.language])
    if entry.license:
        choices.append([f"license:{name}" for name in entry.license])
    if entry.library:
        choices.append([name if bare else f"library:{name}" for name in entry.library])
    return list(itertools.product(*choices))


def _fits(repo: ListedRepo, entry: Entry) -> bool:
    return _number(repo.raw, "downloads") >= (entry.min_downloads or 0) and _number(
        repo.raw, "likes"
    ) >= (entry.min_likes or 0)


def _below(repo: ListedRepo, sort: str | None, entry: Entry) -> bool:
    """Whether the list, sorted downwards, has left what the entry wants."""
    least = {"downloads": entry.min_downloads, "likes": entry.min_likes}.get(sort or "")
    return least is not None and _number(repo.raw, str(sort)) < least


def _rank(repo: ListedRepo, sort: str | None) -> tuple[bool, Any]:
    value = repo.raw.get(_SORT_FIELDS[sort or "downloads"])
    if sort in {"lastModified", "createdAt"}:
        return isinstance(value, str), value if isinstance(value, str) else ""
    return True, _number(repo.raw, sort or "downloads")


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = raw.get(name)
    return value if isinstance(value, int | float) else 0
