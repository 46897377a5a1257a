"""What upstream tells us, as values. Nothing here does I/O.

``raw`` keeps the JSON as it came: the tags that the Hub computes cannot be rebuilt
from a card, and a field that we do not read today may matter tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mirror.names import RepoKey


@dataclass(frozen=True)
class TreeFile:
    """One file of a commit's tree listing."""

    path: str
    """As upstream gives it: untrusted until ``names.check_repo_path``."""
    size: int
    """Bytes of the content (for LFS files: of the content, not of the pointer)."""
    blob_id: str
    """git's sha1 of the blob; for LFS files of the pointer file, so not of the content."""
    lfs_sha256: str | None = None
    """sha256 of the content; only LFS files have one."""

    @property
    def etag(self) -> str:
        """What the Hub's resolve endpoint answers as ETag: the LFS sha256, else ``blob_id``."""
        return self.lfs_sha256 or self.blob_id


@dataclass(frozen=True)
class RepoInfo:
    """A repo as the info call gives it, at one resolved commit."""

    key: RepoKey
    """The id upstream answers with: another one than asked for after a rename."""
    commit: str
    """40 hex digits: what the asked revision points at now."""
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class ListedRepo:
    """One line of a list call (``expand=sha,lastModified,…``)."""

    key: RepoKey
    commit: str | None
    """Head of ``main``; ``None`` where upstream does not expand it."""
    last_modified: str | None
    """ISO 8601, UTC."""
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class ListQuery:
    """What a list call asks for; the Hub's own parameters.

    ``filters`` are exact tags, all of which must match (``ko``, ``license:mit`` …).
    """

    author: str | None = None
    filters: tuple[str, ...] = ()
    pipeline_tag: str | None = None
    search: str | None = None
    sort: str | None = None
    """``lastModified``, ``downloads``, ``likes``, ``createdAt``, ``trendingScore``; descending."""
    expand: tuple[str, ...] = ("sha", "lastModified")


@dataclass(frozen=True)
class FileRequest:
    """One file to fetch: where it is, and what its bytes must be."""

    key: RepoKey
    commit: str
    file: TreeFile


@dataclass(frozen=True)
class FetchedFile:
    """Bytes on disk that have the identity the tree states."""

    temporary: str
    """Path of the complete file below ``partial/``; the store adopts it by rename."""
    sha256: str
    size: int
    received: int
    """Bytes that came over the network for it; less than ``size`` after a resume."""
