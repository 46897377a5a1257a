"""The record of a repo: what the catalog knows of it, as one frozen value.

Every text in it is somebody else's: cleaned of what cannot be stored, and not to be
trusted further than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mirror.catalog.record.cards import CardText
from mirror.catalog.record.languages import Language
from mirror.catalog.record.licenses import License
from mirror.catalog.record.source import Snapshot
from mirror.catalog.record.subsets import Subset
from mirror.names import RepoKey
from mirror.store import ManifestFile

#: What is in the mirror, and what only its metadata is known of.
MIRRORED: Final = "mirrored"
KNOWN: Final = "known"


@dataclass(frozen=True)
class Link:
    """Another repo, or a paper, that a repo names."""

    kind: str
    """``base_model``, ``dataset``, ``model`` or ``arxiv``."""
    target: str
    """An id as it was written: untrusted, and perhaps no repo at all."""
    relation: str | None = None
    """Of a base model: ``finetune``, ``quantized``, ``adapter``, ``merge``."""


@dataclass(frozen=True)
class Popularity:
    """Counts of the Hub, and when they were seen."""

    downloads: int | None = None
    """Of the 30 days before."""
    downloads_all_time: int | None = None
    likes: int | None = None
    seen: str | None = None
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class Evaluation:
    """A result that a card or upstream states. Untrusted, as everything it comes from."""

    metric: str
    """As it is called: ``accuracy``, ``f1``."""
    value: float
    task: str | None = None
    dataset: str | None = None
    """An id of the Hub, where one is given."""
    dataset_name: str | None = None
    subset: str | None = None
    split: str | None = None
    metric_name: str | None = None
    source: str = "card"
    """``card`` (``model-index``), or ``.eval_results``."""
    verified: bool = False
    date: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Event:
    """Something that changed upstream, seen at a sync."""

    time: str
    what: str
    """``state``, ``gated``, ``license`` …"""
    before: str | None = None
    after: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class RepoRecord:
    """One repo as the catalog knows it. Times are ISO 8601 UTC, sizes bytes."""

    key: RepoKey
    ref: str
    snapshot: Snapshot
    author: str | None
    title: str | None
    summary: str | None
    tasks: tuple[str, ...]
    subtasks: tuple[str, ...]
    """``task_ids`` of a data set: finer than its tasks."""
    languages: tuple[Language, ...]
    licenses: tuple[License, ...]
    libraries: tuple[str, ...]
    tags: tuple[str, ...]
    links: tuple[Link, ...]
    popularity: Popularity
    created: str | None
    last_modified: str | None
    gated: str | None
    """``auto`` or ``manual``; ``None``: open to everybody."""
    private: bool
    upstream_state: str
    """``ok``, or why upstream gave it no more: ``gone``, ``gated`` …"""
    upstream_seen: str | None
    upstream_detail: str | None
    parameters: int | None
    sdk: str | None
    """Of a space."""
    card: CardText
    subsets: tuple[Subset, ...]
    files: tuple[ManifestFile, ...]
    refs: Mapping[str, str]
    snapshots: tuple[Snapshot, ...]
    problems: tuple[str, ...]
    state: str = MIRRORED
    """``mirrored``, or ``known``: only its metadata is here."""
    description: str | None = None
    """Upstream's own short text, where there is no card."""
    disk_size: int = 0
    """Bytes in the mirror; of what is only known, the bytes upstream."""
    rows: int | None = None
    """Of all subsets and splits together, where all of them are known."""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of the set fields without a table of their own: ``format`` → ``("gguf",)``."""
    dtypes: Mapping[str, int] = field(default_factory=dict)
    """Parameters of each dtype: ``{"BF16": 7_000_000}``."""
    evaluations: tuple[Evaluation, ...] = ()
    events: tuple[Event, ...] = ()
    """Oldest first."""
