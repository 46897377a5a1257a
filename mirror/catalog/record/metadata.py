"""What is known of a repo into one record: pure functions.

Three sources are joined. What upstream computed (the raw info call) goes first where
only the Hub can know it: tags, ``pipeline_tag``, ``library_name``, counts. The card in
the mirror goes first in everything that its author states. Whatever has the wrong type
is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mirror.catalog.record.cards import CardText, read_card
from mirror.catalog.record.evaluations import find_evaluations
from mirror.catalog.record.events import find_events, gated_of
from mirror.catalog.record.found_values import Seen, find_values
from mirror.catalog.record.inferred import base_of_adapter, library_of_files, task_of_config
from mirror.catalog.record.prose import (
    MAX_DESCRIPTION,
    MAX_SUMMARY,
    MAX_TITLE,
    find_papers,
    find_summary,
    find_title,
    plain_line,
)
from mirror.catalog.record.record import (
    KNOWN,
    MIRRORED,
    Evaluation,
    Event,
    Link,
    Popularity,
    RepoRecord,
)
from mirror.catalog.record.source import RepoSource
from mirror.catalog.record.stated import Stated, find_stated
from mirror.catalog.record.subsets import Subset, find_subsets
from mirror.catalog.record.traits import bits_of_config
from mirror.catalog.record.weights import Weights
from mirror.catalog.values import (
    as_count,
    as_flag,
    as_mapping,
    as_text,
    as_time,
)
from mirror.names import RepoType

__all__ = [
    "KNOWN",
    "MIRRORED",
    "Contents",
    "Draft",
    "Evaluation",
    "Event",
    "Link",
    "Popularity",
    "RepoRecord",
    "describe",
    "describe_draft",
    "draft_of",
    "find_dtypes",
    "find_parameters",
]

_MAX_DTYPES: Final = 100


@dataclass(frozen=True)
class Draft:
    """A repo whose card is read: enough to know which of its files tell more."""

    source: RepoSource
    card: CardText
    data: Mapping[str, Any]
    """The card's front matter; where it has nothing, what upstream read in it."""
    subsets: tuple[Subset, ...]
    """As they are stated, or told by names of files."""

    @property
    def raw(self) -> Mapping[str, Any]:
        """Upstream's answer."""
        return as_mapping(self.source.manifest.upstream)


@dataclass(frozen=True)
class Contents:
    """What else is known from the content of files. Nothing of it must be there."""

    subsets: tuple[Subset, ...] | None = None
    """Those of the draft, with rows and columns that were counted."""
    weights: Weights | None = None
    evaluations: tuple[object, ...] = ()
    """The YAML of each file below ``.eval_results``."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """``config.json`` of a model, where upstream has not told of it."""
    adapter: Mapping[str, Any] = field(default_factory=dict)
    """``adapter_config.json``."""
    problems: tuple[str, ...] = ()


def describe(source: RepoSource) -> RepoRecord:
    """Make the record of a repo. Never raises for what a card or upstream may hold."""
    return describe_draft(draft_of(source), Contents())


def draft_of(source: RepoSource) -> Draft:
    """Read the card. Never raises."""
    card = read_card(source.card) if source.card is not None else CardText({}, "")
    data = _joined(card.data, as_mapping(as_mapping(source.manifest.upstream).get("cardData")))
    return Draft(source, card, data, _subsets(source, data))


def describe_draft(draft: Draft, contents: Contents) -> RepoRecord:
    """Make the record of a repo with what its files hold. Never raises."""
    source, card, data, raw = draft.source, draft.card, draft.data, draft.raw
    key, files = source.key, source.manifest.files
    subsets = draft.subsets if contents.subsets is None else contents.subsets
    stated = find_stated(key.repo_type, raw, data)
    if key.repo_type is RepoType.MODEL:
        _infer(stated, draft, contents)
    if "tags" not in raw:
        stated.papers.update(dict.fromkeys(find_papers(card.body)))
    state = source.history[-1] if source.history else None
    dtypes = find_dtypes(raw) or dict(contents.weights.dtypes if contents.weights else {})
    rows = _rows(subsets)
    evaluations = find_evaluations(data, raw, contents.evaluations)
    seen = Seen(
        paths=[file.path for file in files],
        config=raw.get("config") or contents.config,
        dtypes=dtypes,
        quantization=contents.weights.quantization if contents.weights else None,
        subsets=subsets,
        rows=rows,
        evaluations=evaluations,
    )
    values = find_values(key, stated, seen)
    return RepoRecord(
        key=key,
        ref=source.ref,
        snapshot=next(s for s in source.snapshots if s.commit == source.manifest.commit),
        author=as_text(raw.get("author")) or key.namespace,
        title=_title(data, card),
        summary=_summary(raw, card),
        tasks=tuple(stated.tasks),
        subtasks=tuple(stated.subtasks),
        languages=tuple(stated.languages.values()),
        licenses=tuple(stated.licenses.values()),
        libraries=tuple(stated.libraries),
        tags=tuple(stated.tags),
        links=stated.links(),
        popularity=_popularity(source, raw),
        created=as_time(raw.get("createdAt")),
        last_modified=as_time(raw.get("lastModified")),
        gated=gated_of(raw.get("gated"), source.history),
        private=as_flag(raw.get("private")),
        upstream_state=state.state if state is not None else "ok",
        upstream_seen=as_time(state.time) if state is not None else None,
        upstream_detail=as_text(state.detail, 500) if state is not None else None,
        parameters=find_parameters(raw) or _counted(contents.weights, seen.config),
        sdk=as_text(raw.get("sdk")) or as_text(data.get("sdk")),
        card=card,
        subsets=subsets,
        files=files,
        refs=source.refs,
        snapshots=source.snapshots,
        problems=(*source.problems, *card.problems, *contents.problems),
        state=MIRRORED,
        description=None if card.body else _description(raw),
        disk_size=sum({f.sha256: f.size for f in source.manifest.present_files}.values()),
        rows=rows,
        values=values,
        dtypes=dtypes,
        evaluations=evaluations,
        events=find_events(source.history),
    )


def _counted(weights: Weights | None, config: object) -> int | None:
    return weights.parameters(bits_of_config(config)) or None if weights is not None else None


def _infer(stated: Stated, draft: Draft, contents: Contents) -> None:
    """Add what upstream would have told of a model that is here without its word.

    Where upstream was asked and named no task, there is none.
    """
    raw = draft.raw
    config = raw.get("config") or contents.config
    if not stated.tasks and "pipeline_tag" not in raw and (task := task_of_config(config)):
        stated.tasks[task] = None
    if not stated.libraries and "library_name" not in raw:
        paths = [file.path for file in draft.source.manifest.files]
        if (library := library_of_files(paths, config)) is not None:
            stated.libraries[library] = None
    if not stated.base_models and (base := base_of_adapter(contents.adapter)) is not None:
        stated.base_models[base] = "adapter"


def _joined(card: Mapping[str, Any], upstream: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card's values; where it has none (or is not mirrored), what upstream read in it."""
    return {**upstream, **{name: value for name, value in card.items() if value is not None}}


def _title(data: Mapping[str, Any], card: CardText) -> str | None:
    stated = as_text(data.get("pretty_name")) or as_text(data.get("title"))
    return plain_line(stated, MAX_TITLE) if stated else find_title(card.body)


def _summary(raw: Mapping[str, Any], card: CardText) -> str | None:
    found = find_summary(card.body)
    stated = as_text(raw.get("description"), 4 * MAX_SUMMARY)
    return found or (plain_line(stated, MAX_SUMMARY) if stated else None)


def _description(raw: Mapping[str, Any]) -> str | None:
    stated = as_text(raw.get("description"), MAX_DESCRIPTION)
    return plain_line(stated, MAX_DESCRIPTION) if stated else None


def _popularity(source: RepoSource, raw: Mapping[str, Any]) -> Popularity:
    """The newest counts: observations are made at every sync, the manifest once."""
    downloads, likes = as_count(raw.get("downloads")), as_count(raw.get("likes"))
    seen = as_time(source.manifest.created) if (downloads, likes) != (None, None) else None
    for observation in source.history:
        counts = as_count(observation.downloads), as_count(observation.likes)
        if counts != (None, None) and (seen is None or (as_time(observation.time) or "") >= seen):
            downloads, likes = counts
            seen = as_time(observation.time)
    return Popularity(downloads, as_count(raw.get("downloadsAllTime")), likes, seen)


def find_parameters(raw: Mapping[str, Any]) -> int | None:
    """Give the number of parameters that upstream counted."""
    for name in ("safetensors", "gguf"):
        value = raw.get(name)
        if value is not None and (total := as_count(as_mapping(value).get("total"))) is not None:
            return total
    return None


def find_dtypes(raw: Mapping[str, Any]) -> dict[str, int]:
    """Give the parameters by type that upstream counted: ``{"BF16": 7_000_000}``."""
    if (value := raw.get("safetensors")) is None:
        return {}
    counted = as_mapping(as_mapping(value).get("parameters"))
    found = {as_text(name, 32): as_count(n) for name, n in list(counted.items())[:_MAX_DTYPES]}
    return {name: n for name, n in sorted(found.items()) if name and n is not None}


def _rows(subsets: tuple[Subset, ...]) -> int | None:
    """All rows, where those of every split are known; what SQLite cannot hold is nothing."""
    rows = [split.rows for subset in subsets for split in subset.splits]
    if not rows or any(count is None for count in rows):
        return None
    return as_count(sum(count for count in rows if count is not None))


def _subsets(source: RepoSource, data: Mapping[str, Any]) -> tuple[Subset, ...]:
    if source.key.repo_type is not RepoType.DATASET:
        return ()
    return find_subsets(data, source.infos, [file.path for file in source.manifest.files])
