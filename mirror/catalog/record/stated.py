"""What a repo states of itself, in its card data and in upstream's info, joined.

The card goes first in everything that its author states, upstream's computed tags add to
it. The same rules make the record of a repo in the mirror and of one that is only known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mirror.catalog.record.languages import Language, parse_language
from mirror.catalog.record.licenses import License, parse_license
from mirror.catalog.record.record import Link
from mirror.catalog.record.tags import TagMeaning, tag_meaning
from mirror.catalog.record.traits import modality, size_category
from mirror.catalog.record.vocabulary import task_name
from mirror.catalog.values import MAX_VALUES, as_mapping, as_mappings, as_text, as_texts
from mirror.names import RepoType

#: A longer text is no language, but a template that was not filled in.
_MAX_LANGUAGE: Final = 40
_NO_DATA: Final[Mapping[str, Any]] = {}


@dataclass
class Stated:
    """Collected in order, each thing once: the keys of the mappings are what counts."""

    tags: dict[str, None] = field(default_factory=dict)
    tasks: dict[str, None] = field(default_factory=dict)
    subtasks: dict[str, None] = field(default_factory=dict)
    languages: dict[tuple[str, str], Language] = field(default_factory=dict)
    licenses: dict[str, License] = field(default_factory=dict)
    libraries: dict[str, None] = field(default_factory=dict)
    base_models: dict[str, str | None] = field(default_factory=dict)
    """Id → relation."""
    datasets: dict[str, None] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    papers: dict[str, None] = field(default_factory=dict)
    values: dict[str, dict[str, None]] = field(default_factory=dict)
    """Field → its values."""

    def put(self, name: str, value: str) -> None:
        """Add a value of a field that has no place of its own here."""
        self.values.setdefault(name, {})[value] = None

    def links(self) -> tuple[Link, ...]:
        """Give the other repos and the papers."""
        if not (self.base_models or self.datasets or self.models or self.papers):
            return ()
        found = [Link("base_model", target, how) for target, how in self.base_models.items()]
        found += [Link("dataset", target) for target in self.datasets]
        found += [Link("model", target) for target in self.models]
        found += [Link("arxiv", target) for target in self.papers]
        return tuple(found[:MAX_VALUES])


def find_stated(kind: RepoType, raw: Mapping[str, Any], data: Mapping[str, Any]) -> Stated:
    """Join both.

    Args:
        kind: tags of models mean more than those of others.
        raw: upstream's info, or an item of its lists.
        data: the card data; empty where there is none.
    """
    found = Stated()
    _from_raw_fields(found, kind, raw)
    if data:
        _from_card(found, kind, data)
    _from_tags(found, kind, raw.get("tags"), data.get("tags") if data else None)
    _from_raw_links(found, raw)
    if data:
        _name_licenses(found, data)
    return found


def _from_raw_fields(found: Stated, kind: RepoType, raw: Mapping[str, Any]) -> None:
    if kind is not RepoType.DATASET:
        for text in _texts(raw.get("pipeline_tag")):
            found.tasks[task_name(text)] = None
    for text in _texts(raw.get("library_name")):
        found.libraries[text.lower()] = None


def _from_card(found: Stated, kind: RepoType, data: Mapping[str, Any]) -> None:
    is_dataset = kind is RepoType.DATASET
    for text in _texts(data.get("task_categories" if is_dataset else "pipeline_tag")):
        found.tasks[task_name(text)] = None
    for text in _texts(data.get("task_ids")):
        found.subtasks[task_name(text)] = None
    for text in _texts(data.get("language")):
        _add_languages(found, parse_language(text))
    for text in _texts(data.get("license")):
        _add_license(found, parse_license(text))
    for text in _texts(data.get("library_name")):
        found.libraries[text.lower()] = None
    relation = as_text(data.get("base_model_relation"))
    for text in _texts(data.get("base_model")):
        found.base_models.setdefault(text, relation)
    found.datasets.update(dict.fromkeys(_texts(data.get("datasets"))))
    found.models.update(dict.fromkeys(_texts(data.get("models"))))
    for text in _texts(data.get("modality")) + _texts(data.get("modalities")):
        found.put("modality", modality(text))
    for text in _texts(data.get("size_categories")):
        if (size := size_category(text)) is not None:
            found.put("size_category", size)


def _from_tags(found: Stated, kind: RepoType, *lists: object) -> None:
    bare_tasks: list[str] = []
    bare_libraries: list[str] = []
    tags = found.tags
    for value in (value for items in lists if items for value in _tags(items)):
        meaning = tag_meaning(kind, value)
        if meaning is None or meaning.tag in tags:
            continue
        if len(tags) >= MAX_VALUES:
            break
        tags[meaning.tag] = None
        if meaning.is_plain:
            continue
        _add_meaning(found, meaning)
        bare_tasks += meaning.bare_tasks
        bare_libraries += meaning.bare_libraries
    if bare_tasks and not found.tasks:
        found.tasks.update(dict.fromkeys(bare_tasks))
    if bare_libraries and not found.libraries:
        found.libraries.update(dict.fromkeys(bare_libraries))


def _add_meaning(found: Stated, meaning: TagMeaning) -> None:
    for name, text in meaning.values:
        found.put(name, text)
    if meaning.languages:
        _add_languages(found, meaning.languages)
    elif meaning.base_model is not None:
        target, relation = meaning.base_model
        if relation is not None or target not in found.base_models:
            found.base_models[target] = relation
    elif meaning.dataset is not None:
        found.datasets[meaning.dataset] = None
    elif meaning.paper is not None:
        found.papers[meaning.paper] = None
    for item in meaning.licenses:
        _add_license(found, item)
    for name in meaning.libraries:
        found.libraries[name] = None
    for task in meaning.tasks:
        found.tasks[task] = None
    for task in meaning.subtasks:
        found.subtasks[task] = None


def _from_raw_links(found: Stated, raw: Mapping[str, Any]) -> None:
    """What upstream gives as fields, where it is asked to expand them."""
    for name, target in (("datasets", found.datasets), ("models", found.models)):
        if (value := raw.get(name)) is not None:
            target.update(dict.fromkeys(as_texts(value)))
    if (bases := raw.get("baseModels")) is not None:
        relation = as_text(as_mapping(bases).get("relation"))
        for item in as_mappings(as_mapping(bases).get("models")):
            if (text := as_text(item.get("id"))) is not None:
                found.base_models[text] = found.base_models.get(text) or relation


def _name_licenses(found: Stated, data: Mapping[str, Any]) -> None:
    """The licence that is ``other`` has a name and a link of its own."""
    other, name = found.licenses.get("other"), as_text(data.get("license_name"))
    link = as_text(data.get("license_link"), 500)
    if other is not None:
        found.licenses["other"] = replace(other, name=name or other.name, link=link)
    elif not found.licenses and name:
        found.licenses["other"] = License("other", name, link)


def _add_languages(found: Stated, languages: Iterable[Language]) -> None:
    for language in languages:
        if len(language.code) <= _MAX_LANGUAGE:
            found.languages.setdefault((language.code, language.stated.lower()), language)


def _add_license(found: Stated, item: License) -> None:
    found.licenses.setdefault(item.license, item)


def _texts(value: object) -> tuple[str, ...]:
    return () if value is None else as_texts(value)


def _tags(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else as_texts(value)
