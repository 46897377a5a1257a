"""What is known of a repo into one record: a pure function.

Three sources are joined. What upstream computed (the raw info call) goes first where
only the Hub can know it: tags, ``pipeline_tag``, ``library_name``, counts. The card in
the mirror goes first in everything that its author states. Whatever has the wrong type
is as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from mirror.catalog.record.cards import CardText, read_card
from mirror.catalog.record.languages import Language, is_language_tag, parse_languages
from mirror.catalog.record.licenses import License, parse_license
from mirror.catalog.record.prose import MAX_SUMMARY, MAX_TITLE, find_summary, find_title, plain_line
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
from mirror.catalog.record.subsets import Subset, find_subsets
from mirror.catalog.record.vocabulary import LIBRARIES, TASKS, task_name
from mirror.catalog.values import (
    as_count,
    as_flag,
    as_mapping,
    as_text,
    as_texts,
    as_time,
    unique,
)
from mirror.names import RepoType

__all__ = [
    "KNOWN",
    "MIRRORED",
    "Evaluation",
    "Event",
    "Link",
    "Popularity",
    "RepoRecord",
    "describe",
]

#: A relation of a model to its base, as the Hub names it; a longer word is none.
_RELATION: Final = re.compile(r"[a-z_]{1,20}")


def describe(source: RepoSource) -> RepoRecord:
    """Make the record of a repo. Never raises for what a card or upstream may hold."""
    card = read_card(source.card) if source.card is not None else CardText({}, "")
    raw = as_mapping(source.manifest.upstream)
    data = _joined(card.data, as_mapping(raw.get("cardData")))
    tags = unique((*as_texts(raw.get("tags")), *as_texts(data.get("tags"))))
    state = source.history[-1] if source.history else None
    return RepoRecord(
        key=source.key,
        ref=source.ref,
        snapshot=next(s for s in source.snapshots if s.commit == source.manifest.commit),
        author=as_text(raw.get("author")) or source.key.namespace,
        title=_title(data, card),
        summary=_summary(raw, card),
        tasks=_tasks(source.key.repo_type, raw, data, tags),
        subtasks=_subtasks(data, tags),
        languages=_languages(source.key.repo_type, data, tags),
        licenses=_licenses(data, tags),
        libraries=_libraries(raw, data, tags),
        tags=tags,
        links=_links(raw, data, tags),
        popularity=_popularity(source, raw),
        created=as_time(raw.get("createdAt")),
        last_modified=as_time(raw.get("lastModified")),
        gated=_gated(source, raw),
        private=as_flag(raw.get("private")),
        upstream_state=state.state if state is not None else "ok",
        upstream_seen=as_time(state.time) if state is not None else None,
        upstream_detail=as_text(state.detail, 500) if state is not None else None,
        parameters=_parameters(raw),
        sdk=as_text(raw.get("sdk")) or as_text(data.get("sdk")),
        card=card,
        subsets=_subsets(source, data),
        files=source.manifest.files,
        refs=source.refs,
        snapshots=source.snapshots,
        problems=(*source.problems, *card.problems),
    )


def _joined(card: Mapping[str, Any], upstream: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card's values; where it has none (or is not mirrored), what upstream read in it."""
    return {**upstream, **{name: value for name, value in card.items() if value is not None}}


def _prefixed(tags: Iterable[str], prefix: str) -> tuple[str, ...]:
    """``ko`` of ``language:ko``."""
    return tuple(tag[len(prefix) :] for tag in tags if tag.startswith(prefix) and tag != prefix)


def _title(data: Mapping[str, Any], card: CardText) -> str | None:
    stated = as_text(data.get("pretty_name")) or as_text(data.get("title"))
    return plain_line(stated, MAX_TITLE) if stated else find_title(card.body)


def _summary(raw: Mapping[str, Any], card: CardText) -> str | None:
    found = find_summary(card.body)
    stated = as_text(raw.get("description"), 4 * MAX_SUMMARY)
    return found or (plain_line(stated, MAX_SUMMARY) if stated else None)


def _tasks(
    kind: RepoType, raw: Mapping[str, Any], data: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[str, ...]:
    if kind is RepoType.DATASET:
        stated = (*as_texts(data.get("task_categories")), *_prefixed(tags, "task_categories:"))
    else:
        stated = (*as_texts(raw.get("pipeline_tag")), *as_texts(data.get("pipeline_tag")))
        if not stated and kind is RepoType.MODEL:
            stated = tuple(tag for tag in tags if tag in TASKS)
    return unique(map(task_name, stated))


def _subtasks(data: Mapping[str, Any], tags: tuple[str, ...]) -> tuple[str, ...]:
    stated = (*as_texts(data.get("task_ids")), *_prefixed(tags, "task_ids:"))
    return unique(map(task_name, stated))


def _languages(
    kind: RepoType, data: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[Language, ...]:
    stated = (*as_texts(data.get("language")), *_prefixed(tags, "language:"))
    if kind is RepoType.MODEL:
        # The Hub puts a model's languages among its tags without a prefix.
        stated += tuple(tag for tag in tags if is_language_tag(tag))
    return parse_languages(stated)


def _licenses(data: Mapping[str, Any], tags: tuple[str, ...]) -> tuple[License, ...]:
    stated = (*as_texts(data.get("license")), *_prefixed(tags, "license:"))
    found: dict[str, License] = {}
    for item in map(parse_license, stated):
        found.setdefault(item.license, item)
    other, name = found.get("other"), as_text(data.get("license_name"))
    link = as_text(data.get("license_link"), 500)
    if other is not None:
        found["other"] = replace(other, name=name or other.name, link=link)
    elif not found and name:
        found["other"] = License("other", name, link)
    return tuple(found.values())


def _libraries(
    raw: Mapping[str, Any], data: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[str, ...]:
    stated = (*as_texts(raw.get("library_name")), *as_texts(data.get("library_name")))
    stated += _prefixed(tags, "library:")
    stated = stated or tuple(tag for tag in tags if tag in LIBRARIES)
    return unique(name.lower() for name in stated)


def _links(
    raw: Mapping[str, Any], data: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[Link, ...]:
    relations = _base_models(data, tags)
    found = [Link("base_model", target, relation) for target, relation in relations.items()]
    datasets = (
        *as_texts(data.get("datasets")),
        *as_texts(raw.get("datasets")),
        *_prefixed(tags, "dataset:"),
    )
    found += [Link("dataset", target) for target in unique(datasets)]
    models = (*as_texts(data.get("models")), *as_texts(raw.get("models")))
    found += [Link("model", target) for target in unique(models)]
    found += [Link("arxiv", target) for target in unique(_prefixed(tags, "arxiv:"))]
    return tuple(found)


def _base_models(data: Mapping[str, Any], tags: tuple[str, ...]) -> dict[str, str | None]:
    """Base models with their relation: the card says one for all, tags one for each."""
    relation = as_text(data.get("base_model_relation"))
    found: dict[str, str | None] = dict.fromkeys(as_texts(data.get("base_model")), relation)
    for text in _prefixed(tags, "base_model:"):
        head, colon, target = text.partition(":")
        if colon and target and _RELATION.fullmatch(head):
            found[target] = head
        elif not colon:
            found.setdefault(text, None)
    return found


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


def _gated(source: RepoSource, raw: Mapping[str, Any]) -> str | None:
    value: object = raw.get("gated")
    for observation in source.history:
        value = observation.gated if observation.gated is not None else value
    if value is True:
        return "auto"
    text = as_text(value)
    return text if text in {"auto", "manual"} else None


def _parameters(raw: Mapping[str, Any]) -> int | None:
    for name in ("safetensors", "gguf"):
        if (total := as_count(as_mapping(raw.get(name)).get("total"))) is not None:
            return total
    return None


def _subsets(source: RepoSource, data: Mapping[str, Any]) -> tuple[Subset, ...]:
    if source.key.repo_type is not RepoType.DATASET:
        return ()
    return find_subsets(data, source.infos, [file.path for file in source.manifest.files])
