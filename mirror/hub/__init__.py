"""Upstream: the only room that speaks to the Hub (metadata, and the bytes of files)."""

from mirror.hub.counts import RequestCounts
from mirror.hub.model import (
    FetchedFile,
    FileRequest,
    ListedRepo,
    ListQuery,
    RepoInfo,
    TreeFile,
)
from mirror.hub.upstream import Upstream

__all__ = [
    "FetchedFile",
    "FileRequest",
    "ListQuery",
    "ListedRepo",
    "RepoInfo",
    "RequestCounts",
    "TreeFile",
    "Upstream",
]
