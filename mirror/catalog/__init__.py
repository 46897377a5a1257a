"""What can be found: a SQLite database derived from the store.

:func:`reindex` and :func:`update` write it, :class:`Catalog` reads it. Names are loaded
on first use: a search must not pay for reading cards, nor an import for SQL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mirror.catalog.format import SCHEMA
    from mirror.catalog.query.parse import parse_query
    from mirror.catalog.query.query import Query
    from mirror.catalog.read.catalog import Catalog
    from mirror.catalog.read.details import (
        CatalogStats,
        FileInfo,
        Leaderboard,
        LeaderboardRow,
        LicenseInfo,
        Lineage,
        LinkInfo,
        Relative,
        RepoPage,
        ScoreColumn,
        SnapshotInfo,
        SplitInfo,
        SqlResult,
        SubsetInfo,
        TableInfo,
    )
    from mirror.catalog.read.leaderboard import Choice
    from mirror.catalog.read.results import Facet, FacetValue, Hit, RepoSummary, SearchResult
    from mirror.catalog.write.indexer import IndexReport, reindex, update

__all__ = [
    "SCHEMA",
    "Catalog",
    "CatalogStats",
    "Choice",
    "Facet",
    "FacetValue",
    "FileInfo",
    "Hit",
    "IndexReport",
    "Leaderboard",
    "LeaderboardRow",
    "LicenseInfo",
    "Lineage",
    "LinkInfo",
    "Query",
    "Relative",
    "RepoPage",
    "RepoSummary",
    "ScoreColumn",
    "SearchResult",
    "SnapshotInfo",
    "SplitInfo",
    "SqlResult",
    "SubsetInfo",
    "TableInfo",
    "parse_query",
    "reindex",
    "update",
]

_PLACES: Final = {
    "IndexReport": "write.indexer", "reindex": "write.indexer", "update": "write.indexer",
    "Query": "query.query", "parse_query": "query.parse", "Catalog": "read.catalog",
    "Facet": "read.results", "FacetValue": "read.results", "Hit": "read.results",
    "RepoSummary": "read.results", "SearchResult": "read.results",
    "SCHEMA": "format", "Choice": "read.leaderboard",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'read.details')}"), name)
