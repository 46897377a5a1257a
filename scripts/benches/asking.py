"""Queries as people ask them: a mix of filters and words that really occur.

Each is drawn from a repo of the catalog, as if somebody looked for it: one to three of the things
that it says of itself, and in every second one a word or two of its name or text, or a phrase.
Three in ten are about Korean repos.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

from mirror.catalog.record.metadata import RepoRecord
from scripts.benches.resample import Prototypes, resample, script_of

_LATIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{2,}")
_KOREAN: Final = re.compile(r"[가-힣]{2,6}")
_TWO: Final = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,}")
_PLAIN: Final = re.compile(r"[^\s,:+\"'|<>=()-][^\s,:+\"'|<>=()]*")

#: How often each is asked for, and its value in a repo.
_ASKED: Final[dict[str, tuple[int, Callable[[RepoRecord], tuple[str, ...]]]]] = {
    "task": (30, lambda record: record.tasks),
    "language": (20, lambda record: tuple(item.code for item in record.languages)),
    "license": (15, lambda record: tuple(item.license for item in record.licenses)),
    "library": (12, lambda record: record.libraries),
    "type": (10, lambda record: (record.key.repo_type.value,)),
    "format": (6, lambda record: tuple(record.values.get("format", ()))),
    "tag": (5, lambda record: record.tags[:6]),
    "author": (3, lambda record: (record.author,) if record.author else ()),
    "base_model": (
        3,
        lambda record: tuple(link.target for link in record.links if link.kind == "base_model"),
    ),
    "params": (5, lambda record: ("<1B", "1B..8B", ">=7B") if record.parameters else ()),
    "downloads": (4, lambda record: (">100", ">1000", ">10K")),
    "updated": (3, lambda record: (">2026-01", "2025..2026")),
}


#: Repos that queries are drawn from: the first of every catalog, whatever its size.
_REPOS: Final = 20_000


def mix(source: Prototypes, queries: int, seed: int) -> list[str]:
    """Give so many queries in the language of the search, each once; most find something."""
    chance = random.Random(seed)
    records = list(resample(source, _REPOS))
    korean = [record for record in records if _is_korean(record)]
    found: dict[str, None] = {}
    while len(found) < queries:
        record = chance.choice(korean if chance.random() < 0.3 else records)
        filters = _filters(record, chance)
        words = _words(record, chance) if len(found) % 2 else []
        if filters and (words or not len(found) % 2):
            found[" ".join([*filters, *words])] = None
    return list(found)


def _is_korean(record: RepoRecord) -> bool:
    return any(language.code == "ko" for language in record.languages)


def _filters(record: RepoRecord, chance: random.Random) -> list[str]:
    wanted = chance.choices((1, 2, 3), weights=(45, 38, 17))[0]
    stated = {
        name: (weight, values) for name, (weight, get) in _ASKED.items() if (values := get(record))
    }
    filters: dict[str, str] = {}
    for _ in range(6):
        name = chance.choices(list(stated), [weight for weight, _ in stated.values()])[0]
        value = chance.choice(stated[name][1])
        if name in {"params", "downloads", "updated"} or _PLAIN.fullmatch(value):
            filters.setdefault(name, value)
        elif '"' not in value:
            filters.setdefault(name, f'"{value}"')
        if len(filters) == wanted:
            break
    return [f"{name}:{value}" for name, value in filters.items()]


def _words(record: RepoRecord, chance: random.Random) -> list[str]:
    text = record.summary or record.description or ""
    if script_of(text) == "ko" and chance.random() < 0.8:
        pool = _KOREAN.findall(text)
    else:
        name = record.key.name.rpartition("-")[0]  # without what makes it unlike any other
        pool = _LATIN.findall(f"{name} {name} {text[:60]}")
    if text and chance.random() < 0.1 and (two := _TWO.search(text)):
        return [f'"{two[0]}"']
    count = min(len(pool), chance.choice((1, 1, 2)))
    return list(dict.fromkeys(chance.sample(pool, count)))
