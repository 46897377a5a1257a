"""A :class:`Query` as SQL: composed by SQLAlchemy, every value a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    column,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    table,
)

from mirror.catalog import schema as tables
from mirror.catalog.query.query import Query
from mirror.catalog.record.licenses import UNKNOWN

#: The FTS5 table; a MATCH against the column of its own name looks in all its columns.
_FTS: Final = table("documents_fts", column("rowid"), column("documents_fts"), column("rank"))

_REPOS: Final = tables.repos.c
_ORDERS: Final[dict[str, ColumnElement[Any]]] = {
    "relevance": _FTS.c.rank,
    "downloads": _REPOS.downloads.desc().nulls_last(),
    "likes": _REPOS.likes.desc().nulls_last(),
    "modified": _REPOS.last_modified.desc().nulls_last(),
    "created": _REPOS.created.desc().nulls_last(),
    "size": _REPOS.present_size.desc(),
    "name": _REPOS.repo_id,
}


def select_hits(query: Query) -> Select[Any]:
    """Select the rows of ``repos`` for one page of hits, in their order."""
    ties = (_ORDERS["downloads"], _REPOS.repo_id, _REPOS.repo_type)
    return (
        _matching(query, select(tables.repos))
        .order_by(_ORDERS[query.order], *ties)
        .limit(query.limit)
        .offset(query.offset)
    )


def select_total(query: Query) -> Select[Any]:
    """Select how many hits there are in all."""
    return _matching(query, select(func.count()).select_from(tables.repos))


def _matching(query: Query, statement: Select[Any]) -> Select[Any]:
    if words := query.words:
        statement = statement.join(_FTS, _FTS.c.rowid == _REPOS.repo)
        statement = statement.where(_FTS.c.documents_fts.match(" AND ".join(words)))
    elif query.text.strip():  # nothing but signs: that is in no repo, and not in all of them
        statement = statement.where(false())
    return statement.where(*_conditions(query))


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.repo_type is not None:
        conditions.append(_REPOS.repo_type == query.repo_type.value)
    if query.author:
        conditions.append(func.lower(_REPOS.author).in_([name.lower() for name in query.author]))
    if query.task:
        conditions.append(_has(tables.repo_tasks, "task", query.tasks))
    if query.library:
        names = [name.strip().lower() for name in query.library]
        conditions.append(_has(tables.repo_libraries, "library", names))
    if query.language:
        conditions.append(_speaks(query))
    if query.license:
        conditions.append(_licensed(query.licenses))
    conditions += [_has(tables.repo_tags, "tag", [tag]) for tag in query.tags]
    return conditions


def _has(details: Table, name: str, values: Sequence[str]) -> ColumnElement[bool]:
    """Whether a repo has one of ``values`` in a table of details."""
    return exists().where(details.c.repo == _REPOS.repo, details.c[name].in_(values))


def _speaks(query: Query) -> ColumnElement[bool]:
    languages = tables.repo_languages.c
    stated = func.replace(func.lower(languages.stated), "_", "-")
    wanted = or_(languages.language.in_(query.languages), stated.in_(query.exact_languages))
    return exists().where(languages.repo == _REPOS.repo, wanted)


def _licensed(wanted: Sequence[str]) -> ColumnElement[bool]:
    licenses = tables.repo_licenses.c
    named = or_(licenses.license.in_(wanted), func.lower(licenses.name).in_(wanted))
    found: ColumnElement[bool] = exists().where(licenses.repo == _REPOS.repo, named)
    if UNKNOWN in wanted:
        unstated = not_(exists().where(licenses.repo == _REPOS.repo))
        found = or_(found, unstated)
    return found
