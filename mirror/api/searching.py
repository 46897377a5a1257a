"""From what a person or a program writes to a query of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirror.catalog import Catalog, Query, SearchResult
from mirror.names import RepoType


def search_catalog(
    path: Path,
    text: str = "",
    *,
    repo_type: RepoType | str | None = None,
    sort: str | None = None,
    limit: int = 20,
    offset: int = 0,
    **filters: str | Sequence[str],
) -> SearchResult:
    """Search a catalog.db on its own: the arguments of :meth:`mirror.api.Mirror.search`.

    Raises:
        CatalogError: missing, damaged, or of another schema.
        UsageError: an unknown order, or a limit out of range.
    """
    words = {name: (v,) if isinstance(v, str) else tuple(v) for name, v in filters.items()}
    kind = None if repo_type is None else RepoType.parse(str(repo_type))
    query = Query(text, repo_type=kind, sort=sort, limit=limit, offset=offset, **words)
    return Catalog.open(path).search(query)
