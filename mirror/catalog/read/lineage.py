"""What a repo was made from, and what was made from it, over several steps.

Cards write what they like: a model may name itself, or two models each other. Every repo
is listed once, at its shortest distance, and there are bounds: a base model of the Hub
has ten thousand models made from it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from mirror.catalog.read.results import Lineage, Relative
from mirror.names import RepoKey, RepoType

#: Steps that are followed, repos that are listed in a direction, and of one repo.
MAX_DISTANCE: Final = 8
MAX_RELATIVES: Final = 200
MAX_CHILDREN: Final = 50

_TARGETS: Final = (
    "SELECT target, relation FROM repo_links WHERE repo = ? AND kind = ? ORDER BY position LIMIT ?"
)
#: An id or another name of a repo → its number, id, state and downloads.
_KNOWN: Final = (
    "SELECT names.value, repos.repo, repos.repo_id, repos.state, repos.downloads"
    " FROM json_each(?1) AS names"
    " LEFT JOIN aliases ON aliases.repo_type = ?2 AND aliases.alias = names.value"
    " JOIN repos ON repos.repo_type = ?2"
    " AND repos.repo_id = coalesce(aliases.repo_id, names.value)"
)
_SOURCES: Final = (
    "SELECT repos.repo, repos.repo_type, repos.repo_id, min(repo_links.relation),"
    " repos.state, repos.downloads"
    " FROM repo_links JOIN repos ON repos.repo = repo_links.repo"
    " WHERE repo_links.kind = ? AND repo_links.target IN (SELECT value FROM json_each(?))"
    " GROUP BY repos.repo"
    " ORDER BY repos.state = 'mirrored' DESC, repos.downloads DESC, repos.repo_id LIMIT ?"
)
_COUNT: Final = (
    "SELECT count(DISTINCT repo) FROM repo_links"
    " WHERE kind = ? AND target IN (SELECT value FROM json_each(?)) AND repo <> ?"
)
_NAMES: Final = "SELECT alias FROM aliases WHERE repo_type = ? AND repo_id = ?"


def read_lineage(
    connection: sqlite3.Connection, key: RepoKey, number: int, aliases: Iterable[str]
) -> Lineage:
    """Give the lineage of the repo ``key``, which has this number and these other names."""
    names = (key.repo_id, *aliases)
    trained_on, cut = _targets(connection, number, key.repo_id, "dataset", RepoType.DATASET, 1)
    if key.repo_type is RepoType.DATASET:
        trained, total = _sources(connection, number, names, "dataset")
        return Lineage(
            trained_on=tuple(relative for relative, _ in trained_on),
            trained=trained,
            trained_total=total,
            truncated=cut or total > len(trained),
        )
    if key.repo_type is not RepoType.MODEL:
        return Lineage(trained_on=tuple(relative for relative, _ in trained_on), truncated=cut)
    made_from, more_from = _upwards(connection, number, key.repo_id)
    made_into, more_into = _downwards(connection, number, names)
    (total,) = connection.execute(_COUNT, ("base_model", json.dumps(names), number)).fetchone()
    return Lineage(
        made_from=made_from,
        made_into=made_into,
        made_into_total=total,
        trained_on=tuple(relative for relative, _ in trained_on),
        truncated=cut or more_from or more_into,
    )


def _targets(
    connection: sqlite3.Connection,
    number: int,
    through: str,
    kind: str,
    target_type: RepoType,
    distance: int,
) -> tuple[list[tuple[Relative, int | None]], bool]:
    """What a repo names, each with its number where it has one; and whether there is more."""
    links = connection.execute(_TARGETS, (number, kind, MAX_CHILDREN + 1)).fetchall()
    names = json.dumps([target for target, _ in links])
    rows = connection.execute(_KNOWN, (names, target_type.value))
    known: dict[str, Sequence[Any]] = {name: row for name, *row in rows}
    found: list[tuple[Relative, int | None]] = []
    for target, relation in links[:MAX_CHILDREN]:
        place, repo_id, state, downloads = known.get(target, (None, target, None, None))
        found.append(
            (
                Relative(target_type.value, repo_id, relation, distance, through, state, downloads),
                place,
            )
        )
    return found, len(links) > MAX_CHILDREN


def _upwards(
    connection: sqlite3.Connection, number: int, repo_id: str
) -> tuple[tuple[Relative, ...], bool]:
    found: list[Relative] = []
    seen, truncated = {repo_id}, False
    level = [(number, repo_id)]
    for distance in range(1, MAX_DISTANCE + 1):
        following = []
        for place, through in level:
            relatives, cut = _targets(
                connection, place, through, "base_model", RepoType.MODEL, distance
            )
            truncated |= cut
            for relative, its_number in relatives:
                if relative.repo_id in seen:
                    continue
                if len(found) >= MAX_RELATIVES:
                    return tuple(found), True
                seen.add(relative.repo_id)
                found.append(relative)
                if its_number is not None:
                    following.append((its_number, relative.repo_id))
        level = following
    return tuple(found), truncated or bool(level)


def _downwards(
    connection: sqlite3.Connection, number: int, names: Sequence[str]
) -> tuple[tuple[Relative, ...], bool]:
    found: list[Relative] = []
    seen, truncated = {number}, False
    level = [tuple(names)]
    for distance in range(1, MAX_DISTANCE + 1):
        following = []
        for its_names in level:
            rows = _children(connection, its_names, "base_model")
            truncated |= len(rows) > MAX_CHILDREN
            for place, kind, repo_id, *facts in rows[:MAX_CHILDREN]:
                if place in seen:
                    continue
                if len(found) >= MAX_RELATIVES:
                    return tuple(found), True
                seen.add(place)
                found.append(_relative(kind, repo_id, facts, distance, its_names[0]))
                others = [alias for (alias,) in connection.execute(_NAMES, (kind, repo_id))]
                following.append((repo_id, *others))
        level = following
    return tuple(found), truncated or bool(level)


def _sources(
    connection: sqlite3.Connection, number: int, names: Sequence[str], kind: str
) -> tuple[tuple[Relative, ...], int]:
    rows = _children(connection, names, kind)[:MAX_CHILDREN]
    (total,) = connection.execute(_COUNT, (kind, json.dumps(names), number)).fetchone()
    found = [
        _relative(repo_type, repo_id, facts, 1, names[0])
        for place, repo_type, repo_id, *facts in rows
        if place != number
    ]
    return tuple(found), total


def _children(
    connection: sqlite3.Connection, names: Sequence[str], kind: str
) -> list[tuple[Any, ...]]:
    """The repos that name one of ``names``, one more than are wanted."""
    statement = (kind, json.dumps(list(names)), MAX_CHILDREN + 1)
    return connection.execute(_SOURCES, statement).fetchall()


def _relative(
    repo_type: str, repo_id: str, facts: Sequence[Any], distance: int, through: str
) -> Relative:
    relation, state, downloads = facts
    return Relative(repo_type, repo_id, relation, distance, through, state, downloads)
