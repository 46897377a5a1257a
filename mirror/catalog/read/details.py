"""What a page, a leaderboard or a statement answers: values with a JSON form.

Apart from ``results``, because each class costs half a millisecond, and a search needs none
of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mirror.catalog.read.results import RepoSummary, Value


@dataclass(frozen=True)
class SplitInfo(Value):
    """A part of a subset."""

    name: str
    rows: int | None
    rows_from: str | None
    """Who says how many: ``card``, ``dataset_infos.json``, ``parquet``, ``jsonl``."""
    num_bytes: int | None
    """Of the prepared data, as stated."""
    files: int | None
    """How many files it is read from, where their names tell."""
    file_bytes: int | None


@dataclass(frozen=True)
class SubsetInfo(Value):
    """A configuration of a data set."""

    name: str
    is_default: bool
    """Whether ``load_dataset`` takes it where no name is given."""
    description: str | None
    num_bytes: int | None
    download_bytes: int | None
    features: tuple[tuple[str, str], ...]
    """Columns: name and type."""
    splits: tuple[SplitInfo, ...]


@dataclass(frozen=True)
class FileInfo(Value):
    """A file of the snapshot."""

    path: str
    size: int
    sha256: str | None
    etag: str
    """What the Hub calls it: the LFS sha256, else git's sha1."""
    present: bool
    """Whether it is in the mirror."""
    absent_because: str | None
    """The rule that left it out."""


@dataclass(frozen=True)
class LicenseInfo(Value):
    """A licence as it is stated."""

    license: str
    name: str | None
    link: str | None


@dataclass(frozen=True)
class LinkInfo(Value):
    """Another repo, or a paper, that the repo names."""

    kind: str
    """``base_model``, ``dataset``, ``model`` or ``arxiv``."""
    target: str
    relation: str | None


@dataclass(frozen=True)
class SnapshotInfo(Value):
    """A commit in the mirror."""

    commit: str
    refs: tuple[str, ...]
    created: str
    """When it came into the mirror."""
    files: int
    size: int
    present_files: int
    present_size: int
    partial: bool


@dataclass(frozen=True)
class EvaluationInfo(Value):
    """A result as its author states it; nobody here measured it."""

    metric: str
    """As it is called: ``accuracy``, ``f1``."""
    value: float
    task: str | None
    dataset: str | None
    """An id of the Hub, where one is given."""
    dataset_name: str | None
    subset: str | None
    split: str | None
    metric_name: str | None
    source: str
    """``card``, or ``.eval_results``."""
    verified: bool
    date: str | None
    url: str | None


@dataclass(frozen=True)
class EventInfo(Value):
    """Something that changed upstream, seen at a sync."""

    time: str
    what: str
    """``state``, ``gated``, ``license`` …"""
    before: str | None
    after: str | None
    detail: str | None


@dataclass(frozen=True)
class Relative(Value):
    """A repo that another was made from, or that was made from it."""

    repo_type: str
    repo_id: str
    """As it was written: perhaps no repo at all."""
    relation: str | None
    """``finetune``, ``quantized``, ``adapter``, ``merge``; ``None``: not stated."""
    distance: int
    """1: directly; 2: what that was made from …"""
    through: str
    """The repo one step nearer."""
    state: str | None
    """``mirrored``, ``known``, or ``None``: the catalog does not have it."""
    downloads: int | None


@dataclass(frozen=True)
class Lineage(Value):
    """Where a repo comes from, and what came of it, as far as the catalog knows."""

    made_from: tuple[Relative, ...] = ()
    """Base models, and theirs; each once, the nearest first."""
    made_into: tuple[Relative, ...] = ()
    """Models made from it, and from these; mirrored ones first."""
    made_into_total: int = 0
    """How many were made from it directly, also where not all are listed."""
    trained_on: tuple[Relative, ...] = ()
    """Data sets that it names."""
    trained: tuple[Relative, ...] = ()
    """Of a data set: what names it as its training data."""
    trained_total: int = 0
    truncated: bool = False
    """Whether there are more than are listed."""


@dataclass(frozen=True)
class RepoPage(RepoSummary):
    """Everything about a repo: what ``mirror show`` tells."""

    aliases: tuple[str, ...]
    """Other ids that it is found by: the one that was asked for, earlier names."""
    author: str | None
    subtasks: tuple[str, ...]
    tags: tuple[str, ...]
    stated_licenses: tuple[LicenseInfo, ...]
    links: tuple[LinkInfo, ...]
    subsets: tuple[SubsetInfo, ...]
    snapshots: tuple[SnapshotInfo, ...]
    file_list: tuple[FileInfo, ...]
    """Of the snapshot, absent ones too."""
    upstream_seen: str | None
    """When upstream was last asked."""
    upstream_detail: str | None
    downloads_all_time: int | None
    private: bool
    sdk: str | None
    """Of a space."""
    card: str
    """The Markdown of the card, without its front matter."""
    card_data: dict[str, Any]
    """Its front matter."""
    problems: tuple[str, ...]
    """What was wrong with the card, for people."""
    formats: tuple[str, ...] = ()
    """Of weights or data: ``safetensors``, ``gguf``, ``parquet`` …"""
    quantizations: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    size_categories: tuple[str, ...] = ()
    """As a data set states it: ``10K<n<100K``."""
    kinds: tuple[str, ...] = ()
    """Of a model, where it is stated: ``pre-trained``, ``fine-tuned``, ``instruction-tuned``."""
    dtypes: dict[str, int] = field(default_factory=dict)
    """Parameters of each type: ``{"BF16": 7_000_000}``."""
    evaluations: tuple[EvaluationInfo, ...] = ()
    events: tuple[EventInfo, ...] = ()
    """What changed upstream, oldest first."""
    lineage: Lineage | None = None
    load: str | None = None
    """Python that loads it from the mirror; ``None``: it is not mirrored."""


@dataclass(frozen=True)
class CatalogStats(Value):
    """What the catalog holds."""

    repos: dict[str, int]
    """Of each type: ``{"model": 3, …}``."""
    files: int
    """Present in the described snapshots, whatever repo they are of."""
    size: int
    """Of their content, each once."""
    schema: int


@dataclass(frozen=True)
class ScoreColumn(Value):
    """One thing that was measured: a metric on a data set."""

    name: str
    """``klue/klue@sts:pearsonr``: data set, subset where there is one, metric."""
    dataset: str
    subset: str | None
    metric: str
    models: int
    """How many of the models have a result in it."""
    lower_is_better: bool
    """Of errors and losses: such a column is not in the average."""


@dataclass(frozen=True)
class LeaderboardRow(RepoSummary):
    """A model and its results."""

    scores: tuple[EvaluationInfo | None, ...] = ()
    """In the order of the columns; ``None``: no result."""
    average: float | None = None
    """Of the scores that it has; errors and losses apart."""
    dtypes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaderboard(Value):
    """Results across models."""

    columns: tuple[ScoreColumn, ...]
    rows: tuple[LeaderboardRow, ...]
    total: int
    """How many models have a result in one of the columns."""
    others: tuple[ScoreColumn, ...] = ()
    """Columns that could be chosen too, those of most models first."""
    sort: str = "average"
    notes: tuple[str, ...] = ()
    """What to keep in mind: results on different scales …"""


@dataclass(frozen=True)
class SqlResult(Value):
    """What a statement gave."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    """Bytes are given by their length: ``<1,024 bytes>``."""
    truncated: bool
    """Whether there were more rows."""


@dataclass(frozen=True)
class TableInfo(Value):
    """A table or view that statements can ask."""

    name: str
    kind: str
    """``table`` or ``view``."""
    columns: tuple[str, ...]
    about: str
    """In a few words; empty where the documentation alone says it."""
