"""The answers of the catalog: values with a JSON form, and nothing else.

Times are ISO 8601 in UTC, sizes bytes. There is no path in them: the mirror may be
mounted anywhere, so where a file is, is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mirror.names import RepoKey


class _Value:
    """Gives the JSON form of a dataclass."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form: every field, a key as ``repo_type`` and ``repo_id``."""
        form: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, RepoKey):
                form |= {"repo_type": value.repo_type.value, "repo_id": value.repo_id}
            else:
                form[name] = _plain(value)
        return form


def _plain(value: Any) -> Any:
    if isinstance(value, _Value):
        return value.as_json()
    if isinstance(value, RepoKey):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, dict) else value


@dataclass(frozen=True)
class RepoSummary(_Value):
    """A repo in short."""

    key: RepoKey
    commit: str
    """The snapshot that is described."""
    ref: str
    """What points at it: ``main``, else the newest ref."""
    title: str | None
    summary: str | None
    """A paragraph of the card."""
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    licenses: tuple[str, ...]
    """Ids; an ``other`` with a name is given by its name. Empty: none is stated."""
    libraries: tuple[str, ...]
    downloads: int | None
    """Of 30 days, as the Hub counted when it was last asked."""
    likes: int | None
    counts_seen: str | None
    """When the two were seen."""
    created: str | None
    last_modified: str | None
    files: int
    """In the mirror."""
    size: int
    """Of those files."""
    partial: bool
    """Whether the selection left files out."""
    gated: str | None
    """``auto`` or ``manual``: whoever loads it upstream must ask first."""
    upstream_state: str
    """``ok``, or why upstream gave it no more: ``gone``, ``unauthorized``, ``gated`` …"""
    parameters: int | None
    state: str
    """``mirrored``, or ``known``: only its metadata is here."""
    disk_size: int
    """Bytes in the mirror; of what is only known, bytes upstream."""
    rows: int | None
    """Of a data set, where all its splits are counted."""


@dataclass(frozen=True)
class Hit(RepoSummary):
    """A repo that was found."""

    snippet: str | None = None
    """The text of the card around the words that were looked for."""
    highlights: tuple[tuple[int, int], ...] = ()
    """Where the words are in ``snippet``: from and to, in characters."""


@dataclass(frozen=True)
class FacetValue(_Value):
    """A value of a field, counted."""

    value: str
    repos: int
    """How many hits have it, as if nothing were asked of this field."""
    selected: bool = False
    """Whether the query asks for it."""


@dataclass(frozen=True)
class Facet(_Value):
    """The values of a field among the hits, the most frequent first."""

    field: str
    values: tuple[FacetValue, ...]
    truncated: bool
    """Whether there are more values than these."""


@dataclass(frozen=True)
class SearchResult(_Value):
    """A page of hits; ``for hit in result`` goes through them."""

    hits: tuple[Hit, ...]
    total: int
    """How many there are in all."""
    facets: tuple[Facet, ...] = ()
    """Those that were asked for."""
    hints: tuple[str, ...] = ()
    """Why there may be nothing: values that no repo has, and what is spelt nearly so."""

    def __iter__(self) -> Iterator[Hit]:
        """Go through the hits of this page."""
        return iter(self.hits)


@dataclass(frozen=True)
class SplitInfo(_Value):
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
class SubsetInfo(_Value):
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
class FileInfo(_Value):
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
class LicenseInfo(_Value):
    """A licence as it is stated."""

    license: str
    name: str | None
    link: str | None


@dataclass(frozen=True)
class LinkInfo(_Value):
    """Another repo, or a paper, that the repo names."""

    kind: str
    """``base_model``, ``dataset``, ``model`` or ``arxiv``."""
    target: str
    relation: str | None


@dataclass(frozen=True)
class SnapshotInfo(_Value):
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
class EvaluationInfo(_Value):
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
class EventInfo(_Value):
    """Something that changed upstream, seen at a sync."""

    time: str
    what: str
    """``state``, ``gated``, ``license`` …"""
    before: str | None
    after: str | None
    detail: str | None


@dataclass(frozen=True)
class Relative(_Value):
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
class Lineage(_Value):
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
class CatalogStats(_Value):
    """What the catalog holds."""

    repos: dict[str, int]
    """Of each type: ``{"model": 3, …}``."""
    files: int
    """Present in the described snapshots, whatever repo they are of."""
    size: int
    """Of their content, each once."""
    schema: int


@dataclass(frozen=True)
class ScoreColumn(_Value):
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
class Leaderboard(_Value):
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
class SqlResult(_Value):
    """What a statement gave."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    """Bytes are given by their length: ``<1,024 bytes>``."""
    truncated: bool
    """Whether there were more rows."""


@dataclass(frozen=True)
class TableInfo(_Value):
    """A table or view that statements can ask."""

    name: str
    kind: str
    """``table`` or ``view``."""
    columns: tuple[str, ...]
    about: str
    """In a few words; empty where the documentation alone says it."""
