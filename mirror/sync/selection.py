"""From the entries of mirror.toml to the repos and revisions that are wanted.

An entry with an id costs no request. A query is put to upstream's own list call, and
what it lists carries the head of ``main``: change detection for free.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mirror.errors import MirrorError, TransportError, UsageError
from mirror.hub import Upstream
from mirror.hub.model import ListedRepo, ListQuery
from mirror.names import RepoKey, RepoType
from mirror.settings import Entry, Settings
from mirror.sync.ledger import GIVE_UP_AFTER, give_up_error
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
    notes: list[str] = field(default_factory=list)
    """Where the selection is empty, in words: nothing is silently missing."""

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

    def add_listed(self, repos: Iterable[ListedRepo], entry: Entry) -> None:
        """Take in what a query has listed."""
        for repo in repos:
            self.add(repo.key, entry)
            if repo.commit is not None:
                self.heads[repo.key] = repo.commit

    def takes_whole(self, key: RepoKey) -> bool:
        """Whether an entry wants every file of ``main``."""
        return FileFilter() in self.filters.get((key, "main"), ())

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
        self.notes = []


async def select(
    settings: Settings, upstream: Upstream, only: Collection[RepoKey] | None = None
) -> Selection:
    """Find out which repos and revisions are wanted.

    Args:
        settings: the entries.
        upstream: asked for queries alone.
        only: when each of these is named by id, and wanted whole, no query is asked: it
            could not add a file.

    A query that fails is a problem of its own; the others go on.
    """
    named = _named(settings)
    if only is not None and all(named.takes_whole(key) for key in only):
        return named
    selection = Selection()
    silence = 0
    for repo_type, number, entry in settings.numbered_entries():
        if entry.id is not None:
            selection.add(RepoKey(repo_type, entry.id), entry)
            continue
        try:
            if silence >= GIVE_UP_AFTER:
                raise give_up_error(settings.upstream.endpoint)
            listed = await _ask(upstream, repo_type, entry)
            selection.add_listed(listed, entry)
            if not listed:
                selection.notes.append(f"{repo_type.plural}.{number}: the query finds no repo")
            silence = 0
        except MirrorError as error:
            silence = silence + 1 if isinstance(error, TransportError) else 0
            subject = f"{repo_type.plural}.{number}"
            selection.failed.append(Problem.of(subject, None, error, kept=True))
    if not settings.numbered_entries():
        selection.notes.append("mirror.toml selects nothing: add what to mirror with mirror add")
    return selection


def _named(settings: Settings) -> Selection:
    """Give what entries with an id want: no request is needed for that."""
    selection = Selection()
    for repo_type, _, entry in settings.numbered_entries():
        if entry.id is not None:
            selection.add(RepoKey(repo_type, entry.id), entry)
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
    sort = _order(entry)
    expand = {"sha", "lastModified", "downloads", "likes", _SORT_FIELDS[sort]}
    is_model = repo_type is RepoType.MODEL
    return [
        ListQuery(
            author=entry.author,
            filters=combination,
            pipeline_tag=entry.task if is_model else None,
            search=entry.search,
            sort=sort,
            expand=tuple(sorted(expand)),
        )
        for combination in filters
    ]


def _order(entry: Entry) -> str:
    """Give the order to ask in: one that lets us stop where the repos are too small.

    Without a limit all that fits is taken, so the order is ours to choose.
    """
    if entry.sort is None and entry.limit is None and entry.min_likes and not entry.min_downloads:
        return "likes"
    return entry.sort or "downloads"


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
