"""Records that Hypothesis makes: few values, so that repos share them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from mirror.catalog.query.query import Between, OneOf, Query, Words
from mirror.catalog.record.cards import CardText
from mirror.catalog.record.languages import Language
from mirror.catalog.record.licenses import License
from mirror.catalog.record.metadata import describe
from mirror.catalog.record.record import Link, Popularity, RepoRecord
from mirror.names import RepoKey, RepoType
from tests.catalog.test_metadata import source_of

_BASE = describe(source_of(RepoKey(RepoType.MODEL, "x/x"), b"", {}))

TASKS = ("fill-mask", "text-classification", "translation")
LICENSES = ("mit", "apache-2.0", "other")
LANGUAGES = ("ko", "en", "zh")
TAGS = ("a", "b", "c", "B", "pytorch")
FORMATS = ("gguf", "safetensors")
WORDS = (
    *("bert", "roberta", "base", "roberta-base", "large", "café", "기계독해", "독해", "감정 분석"),
    *("감정분석", "감정", "법", "BERT모델", "rare", "日本語", "x.y"),
)
NUMBERS = (
    st.none() | st.sampled_from([0, 7, 9, 10, 999, 1_000, 1_500, 2_000, 2**53]) | st.integers(0, 99)
)
TIMES = st.none() | st.sampled_from(
    ["2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2025-01-15T12:00:00Z", "2026-08-01T00:00:00Z"]
)


def _some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=3).map(tuple)


_TEXT = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@st.composite
def records(draw: st.DrawFn) -> list[RepoRecord]:
    """Some repos, each of its own id."""
    names = st.sampled_from(["bert", "roberta-base", "base", "KLUE", "x", "large-base", "m1", "m2"])
    authors = st.sampled_from(["klue", "KLUE", "acme", "org"])
    keys = draw(
        st.lists(st.tuples(st.sampled_from(RepoType), authors, names), unique=True, max_size=14)
    )
    return [draw(_record(RepoKey(kind, f"{author}/{name}"))) for kind, author, name in keys]


@st.composite
def _record(draw: st.DrawFn, key: RepoKey) -> RepoRecord:
    stated = {"ko": "Korean", "en": "en", "zh": "zh-Hant"}
    licenses = draw(_some(LICENSES))
    base = draw(st.none() | st.sampled_from(["org/base", "klue/bert"]))
    return replace(
        _BASE,
        key=key,
        author=key.namespace,
        title=draw(st.none() | _TEXT),
        summary=draw(st.none() | _TEXT),
        tasks=draw(_some(TASKS)),
        licenses=tuple(License(n, "House 1" if n == "other" else None) for n in licenses),
        languages=tuple(Language(code, stated[code]) for code in draw(_some(LANGUAGES))),
        libraries=draw(_some(("transformers", "peft"))),
        tags=draw(_some(TAGS)),
        links=() if base is None else (Link("base_model", base, "finetune"),),
        popularity=Popularity(draw(NUMBERS), None, draw(NUMBERS)),
        parameters=draw(NUMBERS),
        created=draw(TIMES),
        last_modified=draw(TIMES),
        disk_size=draw(st.integers(0, 2_000)),
        rows=draw(NUMBERS),
        gated=draw(st.none() | st.just("auto")),
        values={"format": draw(_some(FORMATS))},
        card=CardText({}, draw(_TEXT)),
    )


def _one_of(field: str, values: tuple[str, ...]) -> st.SearchStrategy[OneOf]:
    several = st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)
    return st.builds(OneOf, st.just(field), several, st.booleans())


def _between(field: str, bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Between]:
    return st.builds(Between, st.just(field), bounds, bounds, st.booleans())


_BOUNDS = st.none() | st.integers(0, 3_000) | st.sampled_from([-1, 2**53, 2**53 + 1, 10**40])
_DATES = st.none() | st.sampled_from(
    ["2025", "2025-01", "2025-01-01T00:00:00Z", "2025-01-15T00:00:00Z", "2026-08-01T00:00:00Z"]
)
FILTERS = st.one_of(
    _one_of("task", TASKS),
    _one_of("license", (*LICENSES, "unknown", "house 1")),
    _one_of("language", (*LANGUAGES, "zh-hant")),
    _one_of("type", ("model", "dataset", "space")),
    _one_of("tag", TAGS),
    _one_of("format", FORMATS),
    _one_of("base_model", ("org/base", "klue/bert")),
    _one_of("gated", ("no", "auto")),
    *(_between(field, _BOUNDS) for field in ("params", "size", "rows", "downloads", "likes")),
    *(_between(field, _DATES) for field in ("created", "updated")),
)
_NAMES = st.sampled_from(["klue/BERT", "roberta-base", "org/base", "bert"])
QUERIES = st.builds(
    Query,
    st.builds(Words, _NAMES).map(lambda words: (words,))
    | st.lists(
        st.builds(Words, st.sampled_from((*WORDS, "!", "none")), st.booleans(),
                  st.sampled_from([False, False, True])),
        max_size=3,
    ).map(tuple),
    st.lists(FILTERS, max_size=3).map(tuple),
    st.sampled_from(["relevance", "downloads", "likes", "updated", "created", "size", "parameters",
                     "name"]),
    st.sampled_from([None, None, True, False]),
    st.sampled_from([20, 3, 0]),
    st.sampled_from([0, 0, 2]),
)  # fmt: skip
