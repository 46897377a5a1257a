"""As many repos as one wants, made from the real records and cards of the test corpus.

Every repo is a real one (a *prototype*) with another id, author, title, text and other
numbers. Its tags, task, languages and licence stay together as somebody stated them, so
that they are as frequent and go together as on the Hub; authors follow Zipf's law; titles
and text are put together from those of other repos in the same script. The same seed gives
the same repos. Nothing but the prototypes is held in memory.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from mirror.catalog.record.cards import CardText
from mirror.catalog.record.known import describe_known
from mirror.catalog.record.metadata import Popularity, RepoRecord, describe
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType
from tests import corpus
from tests.catalog.test_metadata import source_of

#: Of a hundred repos, so many are made from each group of prototypes: about the Hub's mix.
_WEIGHTS: Final = {"old": 33, "new": 37, "korean": 4, "datasets": 16, "spaces": 10}
_SDKS: Final = ("gradio", "gradio", "gradio", "docker", "static", "streamlit")
#: A piece of text: a paragraph of a card, not code and not a table.
_PIECE: Final = re.compile(r"^[^\s#|`<>\-*{\[!].{40,400}", re.MULTILINE)
_SCRIPTS: Final = {"ko": "[가-힣]{2}", "ja": "[ぁ-ヿ]{2}", "zh": "[一-鿿]{2}"}
_WORD: Final = re.compile(r"[^\W_]+")
_SEEN: Final = "2026-09-01T00:00:00Z"
_ENDINGS: Final = {"pytorch": "bin"}
_END: Final = datetime(2026, 9, 1, tzinfo=UTC)
_DAYS: Final = 1_600


@dataclass(frozen=True)
class Prototypes:
    """What the repos are made from."""

    groups: dict[str, list[RepoRecord]]
    authors: list[str]
    names: list[str]
    """The part of an id after the author."""
    pieces: dict[str, list[str]]
    """Paragraphs of cards by script: ``ko``, ``ja``, ``zh``, and ``""`` for any other."""

    @property
    def records(self) -> list[RepoRecord]:
        """Every prototype."""
        return [record for group in self.groups.values() for record in group]


def prototypes() -> Prototypes:
    """Read the corpus: 25,000 repos, a quarter of a minute."""
    groups: dict[str, list[RepoRecord]] = {name: [] for name in _WEIGHTS}
    for group, key, card, raw in _sources():
        groups[group].append(_prototype(key, card, raw))
    groups["spaces"] = [_space(record) for record in groups["old"][::7]]
    everything = [record for group in groups.values() for record in group]
    pieces: dict[str, list[str]] = {"": [], **{script: [] for script in _SCRIPTS}}
    for record in everything:
        for text in _PIECE.findall(record.card.body or record.description or "")[:6]:
            pieces[script_of(text)].append(text)
    authors = sorted({record.author for record in everything if record.author})
    random.Random(0).shuffle(authors)
    return Prototypes(
        groups,
        authors,
        sorted({record.key.name for record in everything}),
        pieces,
    )


def script_of(text: str) -> str:
    """Tell Korean, Japanese and Chinese text from any other."""
    return next((name for name, found in _SCRIPTS.items() if re.search(found, text)), "")


def described_a_second() -> float:
    """How many records of upstream's lists ``describe_known`` reads in a second."""
    items = [(key, raw) for _, key, _, raw in _sources()]
    started = time.perf_counter()
    for key, raw in items:
        describe_known(key, raw, _SEEN)
    return len(items) / (time.perf_counter() - started)


def _sources() -> Iterator[tuple[str, RepoKey, bytes | None, dict[str, Any]]]:
    cards = {card.repo_id: card.data for card in corpus.cards("models-2022-02")}
    for record in corpus.records("models-2022-02"):
        if (key := _key(RepoType.MODEL, record["modelId"])) is not None:
            yield "old", key, cards.get(record["modelId"]), record
    for record in corpus.records("models-2026-08"):
        if (key := _key(RepoType.MODEL, record["id"])) is not None:
            yield "new", key, None, _as_upstream(record)
    for record in corpus.records("datasets-ko-2025-10-12"):
        if (key := _key(RepoType.DATASET, record["id"])) is not None:
            yield "korean", key, None, _as_upstream(record)
    for card in corpus.cards("datasets-2.5.2"):
        if (key := _key(RepoType.DATASET, card.repo_id)) is not None:
            yield "datasets", key, card.data, {}


def _key(kind: RepoType, repo_id: str) -> RepoKey | None:
    try:
        return RepoKey(kind, repo_id)
    except BadNameError:
        return None


def _as_upstream(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the corpus as the Hub would have given it."""
    parameters, size = record.get("parameters"), record.get("storage_bytes")
    return {
        **{name: record.get(name) for name in ("id", "author", "tags", "likes", "description")},
        "pipeline_tag": record.get("pipeline_tag"),
        "library_name": record.get("library"),
        "downloads": record.get("downloads_30d", record.get("downloads")),
        "createdAt": record["created_at"],
        "lastModified": record.get("updated_at") or record.get("last_modified"),
        "gated": record.get("gated", False),
        **({"safetensors": {"total": parameters}} if parameters else {}),
        **({"usedStorage": size} if size else {}),
        "siblings": [
            {"rfilename": f"model.{_ENDINGS.get(name, name)}"}
            for name in record.get("formats") or ()
        ],
        "cardData": {"license": record.get("license"), "language": record.get("languages")},
    }


def _prototype(key: RepoKey, card: bytes | None, raw: dict[str, Any]) -> RepoRecord:
    """Describe a repo of which no file is in the mirror, though its card was read."""
    known = describe_known(key, raw, _SEEN)
    if card is None:
        return known
    described = describe(source_of(key, card, raw))
    return replace(
        described,
        snapshot=known.snapshot,
        snapshots=(),
        files=(),
        refs={},
        problems=(),
        state=known.state,
        disk_size=known.disk_size,
        values={**described.values, **known.values},
        dtypes=known.dtypes,
    )


def _space(record: RepoRecord) -> RepoRecord:
    """A space, of which the corpus has none: a model without what only models have."""
    return replace(
        record,
        key=RepoKey(RepoType.SPACE, record.key.repo_id),
        tasks=(),
        libraries=(),
        languages=(),
        parameters=None,
        disk_size=0,
        links=tuple(replace(link, kind="model") for link in record.links[:1]),
        values={},
        sdk="gradio",
    )


def resample(source: Prototypes, repos: int, seed: int = 1) -> Iterator[RepoRecord]:
    """Make ``repos`` records, each with an id of its own."""
    chance = random.Random(seed)
    names, groups = list(_WEIGHTS), source.groups
    bounds = list(accumulate(_WEIGHTS[name] for name in names))
    for number in range(repos):
        (group,) = chance.choices(names, cum_weights=bounds)
        yield _resampled(source, chance.choice(groups[group]), number, chance)


def changed(record: RepoRecord, seed: int = 2) -> RepoRecord:
    """Give a repo as it is after somebody worked on it: other counts, tags and text."""
    chance = random.Random(f"{seed} {record.key}")
    body = f"{record.card.body}\n\nUpdated in round {chance.randrange(1000)}."
    return replace(
        record,
        popularity=replace(record.popularity, downloads=chance.randrange(100_000)),
        last_modified="2026-09-02T00:00:00Z",
        tags=(*record.tags, f"round-{chance.randrange(20)}"),
        card=CardText(record.card.data, body),
    )


def _resampled(
    source: Prototypes, prototype: RepoRecord, number: int, chance: random.Random
) -> RepoRecord:
    # An author's rank: the first has 0.2 % of all repos, and most have one or two.
    rank = int(200 * chance.paretovariate(0.4)) - 200
    again, place = divmod(min(rank, 10**9), len(source.authors))
    author = source.authors[place] + (f"-{again}" if again else "")
    pieces = source.pieces[_script(prototype)]
    body = "\n\n".join(chance.choices(pieces, k=chance.choice((0, 0, 1, 1, 2, 3))))
    jitter = chance.lognormvariate(0, 1)
    made = _END - timedelta(days=_DAYS * chance.random() ** 2)
    worked = made + (_END - made) * (chance.random() ** 3)
    return replace(
        prototype,
        key=RepoKey(
            prototype.key.repo_type, f"{author}/{_name(source, prototype, number, chance)}"
        ),
        author=author,
        title=_recombined(prototype.title, chance.choice(source.names), chance),
        summary=chance.choice(pieces)[:280] if prototype.summary else None,
        card=CardText({}, body),
        popularity=Popularity(
            _times(prototype.popularity.downloads, jitter),
            None,
            _times(prototype.popularity.likes, jitter),
            _SEEN,
        ),
        created=made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        last_modified=worked.strftime("%Y-%m-%dT%H:%M:%SZ"),
        parameters=_times(prototype.parameters, chance.uniform(0.98, 1.02)),
        disk_size=_times(prototype.disk_size, jitter) or 0,
        sdk=chance.choice(_SDKS) if prototype.sdk else None,
    )


def _script(prototype: RepoRecord) -> str:
    """The script of its text: of the one language that it has, else what is seen."""
    languages = {language.code for language in prototype.languages} - {"en"}
    if len(languages) == 1 and (code := languages.pop()) in _SCRIPTS:
        return code
    return script_of(prototype.summary or prototype.description or "")


def _name(source: Prototypes, prototype: RepoRecord, number: int, chance: random.Random) -> str:
    """The prototype's words, one of another repo's, and what makes it unlike any other."""
    words = _WORD.findall(prototype.key.name)[:5]
    others = _WORD.findall(chance.choice(source.names))
    if others and chance.random() < 0.5:
        words.insert(chance.randint(0, len(words)), chance.choice(others))
    return "-".join([*(word[:12] for word in words), f"{number:x}"])[-60:].strip("-.")


def _recombined(title: str | None, other: str, chance: random.Random) -> str | None:
    if title is None:
        return None
    words = title.split()[:8]
    return " ".join([*words, chance.choice(_WORD.findall(other) or [""])]).strip()


def _times(number: int | None, factor: float) -> int | None:
    return None if number is None else int(number * factor)
