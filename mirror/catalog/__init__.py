"""What can be found: a SQLite database derived from the store.

:func:`reindex` and :func:`update` write it, :class:`Catalog` reads it. Names are loaded
on first use: a search must not pay for reading cards, nor an import for SQL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mirror.catalog.indexer import IndexReport, reindex, update
    from mirror.catalog.query import SORTS, Query
    from mirror.catalog.read import Catalog
    from mirror.catalog.records import SCHEMA
    from mirror.catalog.results import (
        CatalogStats,
        FileInfo,
        Hit,
        LicenseInfo,
        LinkInfo,
        RepoPage,
        RepoSummary,
        SearchResult,
        SnapshotInfo,
        SplitInfo,
        SubsetInfo,
    )

__all__ = [
    "SCHEMA",
    "SORTS",
    "Catalog",
    "CatalogStats",
    "FileInfo",
    "Hit",
    "IndexReport",
    "LicenseInfo",
    "LinkInfo",
    "Query",
    "RepoPage",
    "RepoSummary",
    "SearchResult",
    "SnapshotInfo",
    "SplitInfo",
    "SubsetInfo",
    "reindex",
    "update",
]

_PLACES: Final = {
    "IndexReport": "indexer", "reindex": "indexer", "update": "indexer",
    "Query": "query", "SORTS": "query", "Catalog": "read", "SCHEMA": "records",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'results')}"), name)
