"""What each tag of a repo means: a pure function of one tag, whose answers are kept.

Upstream computes tags from everything it knows (``license:mit``, ``base_model:finetune:a/b``,
``region:us``, a model's bare ``ko``), and the same few thousand stand in every repo. So a
tag is understood once, and describing a repo is a walk over what is already known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mirror.catalog.record.languages import Language, is_language_tag, parse_languages
from mirror.catalog.record.licenses import License, parse_license
from mirror.catalog.record.traits import (
    format_tag,
    kind_tag,
    modality,
    quantization_tag,
    size_category,
)
from mirror.catalog.record.vocabulary import LIBRARIES, TASKS, task_name
from mirror.catalog.values import as_text
from mirror.names import RepoType

#: Kept answers: about 200 bytes each. The Hub has some 300,000 tags, most of them of one repo.
_KEPT: Final = 1 << 16
#: A longer tag is cut anyway, and is not worth keeping.
_MAX_KEPT: Final = 120

#: A relation of a model to its base, as the Hub names it; a longer word is none.
_RELATION: Final = re.compile(r"[a-z_]{1,20}")


@dataclass(frozen=True, slots=True)
class TagMeaning:
    """What one tag says; nearly always one thing, or nothing."""

    tag: str
    """The tag itself, cleaned."""
    tasks: tuple[str, ...] = ()
    subtasks: tuple[str, ...] = ()
    bare_tasks: tuple[str, ...] = ()
    """A task only where nobody names one in its own place."""
    languages: tuple[Language, ...] = ()
    licenses: tuple[License, ...] = ()
    libraries: tuple[str, ...] = ()
    bare_libraries: tuple[str, ...] = ()
    base_model: tuple[str, str | None] | None = None
    """Id and relation."""
    dataset: str | None = None
    paper: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    """``("format", "gguf")``: fields that only tags and files have."""
    is_plain: bool = True
    """Whether it says nothing but itself."""


def tag_meaning(kind: RepoType, value: object) -> TagMeaning | None:
    """Understand a tag of a repo of that type; ``None`` for what is no text at all."""
    if type(value) is str and len(value) <= _MAX_KEPT:
        return _kept(kind, value)
    tag = as_text(value)
    return None if tag is None else _understood(kind, tag)


@lru_cache(maxsize=_KEPT)
def _kept(kind: RepoType, text: str) -> TagMeaning | None:
    tag = as_text(text)
    return None if tag is None else _understood(kind, tag)


def _understood(kind: RepoType, tag: str) -> TagMeaning:
    prefix, colon, rest = tag.partition(":")
    if colon and rest:
        return _prefixed(tag, prefix, rest) or TagMeaning(tag)
    if kind is RepoType.MODEL and not colon:
        return _bare(tag)
    return TagMeaning(tag)


def _prefixed(tag: str, prefix: str, rest: str) -> TagMeaning | None:
    match prefix:
        case "task_categories":
            return TagMeaning(tag, tasks=(task_name(rest),), is_plain=False)
        case "task_ids":
            return TagMeaning(tag, subtasks=(task_name(rest),), is_plain=False)
        case "language":
            return TagMeaning(tag, languages=parse_languages((rest,)), is_plain=False)
        case "license":
            return TagMeaning(tag, licenses=(parse_license(rest),), is_plain=False)
        case "library":
            return TagMeaning(tag, libraries=(rest.lower(),), is_plain=False)
        case "base_model":
            return TagMeaning(tag, base_model=_base_model(rest), is_plain=False)
        case "dataset":
            return TagMeaning(tag, dataset=rest, is_plain=False)
        case "arxiv":
            return TagMeaning(tag, paper=rest, is_plain=False)
        case "format":
            return _valued(tag, "format", rest.lower())
        case "modality":
            return _valued(tag, "modality", modality(rest))
        case "size_categories":
            return _valued(tag, "size_category", size_category(rest))
    return None


def _base_model(text: str) -> tuple[str, str | None] | None:
    head, colon, target = text.partition(":")
    if not colon:
        return text, None
    return (target, head) if target and _RELATION.fullmatch(head) else None


def _bare(tag: str) -> TagMeaning:
    """A model's tags without a prefix: its task, library and languages are among them."""
    values = (
        ("format", format_tag(tag)),
        ("quantization", quantization_tag(tag)),
        ("kind", kind_tag(tag)),
    )
    found = TagMeaning(
        tag,
        bare_tasks=(tag,) if tag in TASKS else (),
        bare_libraries=(tag,) if tag in LIBRARIES else (),
        languages=parse_languages((tag,)) if is_language_tag(tag) else (),
        values=tuple((field, value) for field, value in values if value is not None),
        is_plain=False,
    )
    says = found.bare_tasks or found.bare_libraries or found.languages or found.values
    return found if says else TagMeaning(tag)


def _valued(tag: str, field: str, value: str | None) -> TagMeaning:
    if value is None:
        return TagMeaning(tag)
    return TagMeaning(tag, values=((field, value),), is_plain=False)
