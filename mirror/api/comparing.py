"""Leaderboards, statements and pages of a catalog.db on its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mirror.api.searching import TIMEOUT, pointing
from mirror.catalog import Catalog, Choice, Leaderboard, RepoPage, SqlResult, TableInfo, parse_query
from mirror.errors import NotFoundError, UsageError
from mirror.names import RepoType

#: Rows that a statement gives, where nobody says more.
SQL_ROWS: Final = 1_000
#: Columns of a leaderboard, where nobody chooses any.
DEFAULT_COLUMNS: Final = 6


def compare_catalog(
    path: Path,
    text: str = "",
    *,
    datasets: Sequence[str] = (),
    metrics: Sequence[str] = (),
    columns: Sequence[str] | int = (),
    sort: str = "average",
    ascending: bool | None = None,
    limit: int = 20,
    offset: int = 0,
    timeout: float = TIMEOUT,
    **filters: Any,
) -> Leaderboard:
    """Compare in a catalog.db: the arguments of :meth:`mirror.api.Mirror.leaderboard`.

    Raises: as there.
    """
    if limit < 0 or offset < 0:
        raise UsageError("a page of rows cannot begin or end before the first one")
    choice = Choice(
        datasets=_several(datasets),
        metrics=_several(metrics),
        columns=() if isinstance(columns, int) else _several(columns),
        most=columns if isinstance(columns, int) else DEFAULT_COLUMNS,
        sort=sort,
        ascending=ascending,
        limit=limit,
        offset=offset,
    )
    query = parse_query(text, **filters)
    with Catalog.open(path) as catalog, pointing(text, filters):
        return catalog.leaderboard(query, choice, timeout)


def ask_catalog(
    path: Path, statement: str, *, timeout: float = TIMEOUT, limit: int = SQL_ROWS
) -> SqlResult:
    """Answer a SELECT from a catalog.db: see :meth:`mirror.api.Mirror.sql`."""
    with Catalog.open(path) as catalog:
        return catalog.sql(statement, timeout, limit)


def list_catalog_tables(path: Path) -> tuple[TableInfo, ...]:
    """Give the views and tables that a statement can ask."""
    with Catalog.open(path) as catalog:
        return catalog.tables()


def show_in_catalog(path: Path, repo: str, repo_type: RepoType | str | None = None) -> RepoPage:
    """Give everything about a repo that a catalog.db knows, mirrored or not.

    Raises:
        CatalogError: missing, damaged, or of another schema.
        NotFoundError: it knows no such repo.
        UsageError: a name that several have.
    """
    kind = None if repo_type is None else RepoType.parse(str(repo_type))
    with Catalog.open(path) as catalog:
        keys = [key for key in catalog.find(repo) if kind in (None, key.repo_type)]
        if len(keys) > 1:
            names = ", ".join(map(str, keys[:5])) + (" …" if len(keys) > 5 else "")
            raise UsageError(f"{repo!r} may mean {names}", hint="name one of them in full")
        page = catalog.page(keys[0]) if keys else None
    if page is None:
        raise NotFoundError(f"the catalog does not know {repo!r}", hint="mirror search finds repos")
    return page


def _several(values: Sequence[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)
