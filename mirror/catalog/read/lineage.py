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

from pyroaring import BitMap

from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.details import Lineage, Relative
from mirror.catalog.read.orders import Orders
from mirror.catalog.read.sets import Sets
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
    " FROM json_each(:names) AS names"
    " LEFT JOIN aliases ON aliases.repo_type = :type AND aliases.alias = names.value"
    " JOIN repos ON repos.repo_type = :type"
    " AND repos.repo_id = coalesce(aliases.repo_id, names.value)"
)
#: The index alone answers the first; a repo's own rows are read of those that are listed.
_SOURCES: Final = (
    "SELECT DISTINCT repo FROM repo_links"
    " WHERE kind = :kind AND target IN (SELECT value FROM json_each(:names))"
)
_ROWS: Final = (
    "SELECT repos.repo, repos.repo_type, repos.repo_id, min(repo_links.relation),"
    " repos.state, repos.downloads"
    " FROM repo_links JOIN repos ON repos.repo = repo_links.repo"
    " WHERE repo_links.repo IN (SELECT value FROM json_each(:repos)) AND repo_links.kind = :kind"
    " AND repo_links.target IN (SELECT value FROM json_each(:names)) GROUP BY repos.repo"
)
_NAMES: Final = "SELECT alias FROM aliases WHERE repo_type = ? AND repo_id = ?"


def read_lineage(
    connection: sqlite3.Connection, key: RepoKey, number: int, aliases: Iterable[str]
) -> Lineage:
    """Give the lineage of the repo ``key``, which has this number and these other names."""
    names = (key.repo_id, *aliases)
    children = _Children(connection)
    try:
        links, cut = _targets(connection, number, key.repo_id, "dataset", RepoType.DATASET, 1)
        trained_on = tuple(relative for relative, _ in links)
        if key.repo_type is not RepoType.MODEL:
            trained, total = _trained(children, number, key, names)
            truncated = cut or total > len(trained)
            return Lineage(
                trained_on=trained_on, trained=trained, trained_total=total, truncated=truncated
            )
        made_from, more_from = _upwards(connection, number, key.repo_id)
        made_into, total, more_into = _downwards(connection, children, number, names)
        return Lineage(
            made_from=made_from,
            made_into=made_into,
            made_into_total=total,
            trained_on=trained_on,
            truncated=cut or more_from or more_into,
        )
    finally:
        children.close()


class _Children:
    """Finds the repos that name another, the mirrored and most downloaded ones first."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._orders = Orders(connection)
        self._mirrored = Sets(connection).having("state", "mirrored") or BitMap()

    def close(self) -> None:
        self._orders.close()

    def of(
        self, names: Sequence[str], kind: str, without: int
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Give rows of at most ``MAX_CHILDREN``, and how many there are."""
        given = {"kind": kind, "names": json.dumps(list(names))}
        members = BitMap(number for (number,) in self._connection.execute(_SOURCES, given))
        members.discard(without)
        here = members & self._mirrored
        chosen = self._first(here, MAX_CHILDREN)
        chosen += self._first(members - here, MAX_CHILDREN - len(chosen))
        rows = self._connection.execute(_ROWS, given | {"repos": json.dumps(chosen)})
        by_number = {row[0]: row for row in rows}
        return [by_number[number] for number in chosen if number in by_number], len(members)

    def _first(self, members: BitMap, count: int) -> list[int]:
        return self._orders.first("downloads", members, count, Deadline.never())


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
    rows = connection.execute(_KNOWN, {"names": names, "type": target_type.value})
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
    connection: sqlite3.Connection, children: _Children, number: int, names: Sequence[str]
) -> tuple[tuple[Relative, ...], int, bool]:
    """What was made from it; how many directly; and whether there is more."""
    found: list[Relative] = []
    seen, direct, truncated = {number}, 0, False
    level = [tuple(names)]
    for distance in range(1, MAX_DISTANCE + 1):
        following = []
        for its_names in level:
            rows, total = children.of(its_names, "base_model", number)
            direct = total if distance == 1 else direct
            truncated |= total > len(rows)
            for place, kind, repo_id, *facts in rows:
                if place in seen:
                    continue
                if len(found) >= MAX_RELATIVES:
                    return tuple(found), direct, True
                seen.add(place)
                found.append(_relative(kind, repo_id, facts, distance, its_names[0]))
                others = [alias for (alias,) in connection.execute(_NAMES, (kind, repo_id))]
                following.append((repo_id, *others))
        level = following
    return tuple(found), direct, truncated or bool(level)


def _trained(
    children: _Children, number: int, key: RepoKey, names: Sequence[str]
) -> tuple[tuple[Relative, ...], int]:
    """What names a data set as what it was trained on; and how many there are."""
    if key.repo_type is not RepoType.DATASET:
        return (), 0
    rows, total = children.of(names, "dataset", number)
    found = [_relative(kind, repo_id, facts, 1, names[0]) for _, kind, repo_id, *facts in rows]
    return tuple(found), total


def _relative(
    repo_type: str, repo_id: str, facts: Sequence[Any], distance: int, through: str
) -> Relative:
    relation, state, downloads = facts
    return Relative(repo_type, repo_id, relation, distance, through, state, downloads)
