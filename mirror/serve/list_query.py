"""What a list of the Hub is asked, as a value: its parameters, made a catalog query.

Pure: no catalog, no request. A filter that a mirror cannot answer is refused, because a
list that silently ignores one is a wrong list; parameters that are no filter at all are
ignored, as the Hub does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mirror.catalog.query.query import MAX_VALUES, MAX_WORDS, Between, OneOf, Query
from mirror.names import RepoType
from mirror.serve.errors import HubError
from mirror.serve.reply import number

Fields = Mapping[str, Sequence[str]]

#: Repos of a page, as on the Hub.
PAGE: Final = 1_000
#: The same where each comes with its files, card or config: those are read one by one.
FULL_PAGE: Final = 200

#: The Hub's orders → the catalog's. Nobody counts trends offline: likes stand in for them.
_SORTS: Final = {
    "trendingScore": "likes",
    "trending_score": "likes",
    "lastModified": "updated",
    "last_modified": "updated",
    "createdAt": "created",
    "created_at": "created",
    "downloads": "downloads",
    "likes": "likes",
    "num_parameters": "parameters",
}
_UNANSWERED: Final = {
    "apps": "which apps run a model",
    "inference": "which models are served",
    "inference_provider": "who serves a model",
    "models": "which spaces use a model",
    "benchmark": "which data sets are benchmarks",
}
_BOUND: Final = re.compile(r"(min|max):(\d{1,15})(?:\.(\d{1,6}))?([KMBT]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_MAX_WORD: Final = 200


@dataclass(frozen=True)
class ListRequest:
    """One page of a list."""

    query: Query
    """Filters, sort and page; only of what is mirrored."""
    id_parts: tuple[str, ...]
    """What the id must have, in any case: the words of ``search``."""
    shape: Shape


@dataclass(frozen=True)
class Shape:
    """What is told of each repo."""

    full: bool = False
    config: bool = False
    card: bool = False
    expand: tuple[str, ...] = ()
    """If any: exactly these properties, with ``_id`` and ``id``."""

    @property
    def is_large(self) -> bool:
        """Whether items come with files, card or config."""
        return self.full or self.config or self.card or bool({*self.expand} & _LARGE)


_LARGE: Final = frozenset({"siblings", "cardData", "config", "model-index", "widgetData"})


def read_list(kind: RepoType, fields: Fields) -> ListRequest:
    """Read the parameters of ``/api/{models,datasets,spaces}``.

    Raises:
        HubError: 400, says which parameter and why.
    """
    for name, what in _UNANSWERED.items():
        if name in fields:
            raise HubError(400, None, f"{name}: a mirror does not know {what}")
    shape = _shape(fields)
    most = FULL_PAGE if shape.is_large else PAGE
    query = Query(
        filters=(
            OneOf("type", (kind.value,)),
            OneOf("state", ("mirrored",)),
            *_filters(fields),
        ),
        sort=_sort(fields),
        ascending=fields.get("direction", ("-1",))[-1] == "1",
        limit=min(max(1, number(fields, "limit", most)), most),
        offset=number(fields, "cursor", 0),
    )
    words = tuple(word for text in fields.get("search", ()) for word in text.split())
    if len(words) > MAX_WORDS or any(len(word) > _MAX_WORD for word in words):
        raise HubError(400, None, f"search: more than {MAX_WORDS} words, or a longer one")
    return ListRequest(query, words, shape)


def _shape(fields: Fields) -> Shape:
    expand = tuple(
        dict.fromkeys(name for text in fields.get("expand", ()) for name in text.split(",") if name)
    )
    shape = Shape(
        _is_on(fields, "full"), _is_on(fields, "config"), _is_on(fields, "cardData"), expand
    )
    if expand and (shape.full or shape.config or shape.card):
        raise HubError(400, None, "expand cannot be combined with full, config or cardData")
    return shape


def _is_on(fields: Fields, name: str) -> bool:
    return fields.get(name, ("false",))[-1].lower() not in {"false", "0"}


def _sort(fields: Fields) -> str:
    text = fields.get("sort", ("trendingScore",))[-1]
    if text not in _SORTS:
        raise HubError(400, None, f"Invalid sort parameter: one of {', '.join(_SORTS)}")
    return _SORTS[text]


def _filters(fields: Fields) -> Iterator[OneOf | Between]:
    tags = [tag.strip() for text in fields.get("filter", ()) for tag in text.split(",")]
    if len(tags) > MAX_VALUES:
        raise HubError(400, None, f"filter: more than {MAX_VALUES} tags")
    yield from (OneOf("tag", (tag,)) for tag in dict.fromkeys(tags) if tag)
    for parameter, field in (("author", "author"), ("pipeline_tag", "task")):
        for text in fields.get(parameter, ())[:1]:
            yield OneOf(field, (text,))
    for text in fields.get("datasets", ())[:MAX_VALUES]:
        yield OneOf("dataset", (text,))
    for text in fields.get("gated", ())[-1:]:
        yield OneOf("gated", ("auto", "manual") if text.lower() in {"true", "1"} else ("no",))
    for text in fields.get("num_parameters", ())[-1:]:
        yield _parameters(text)


def _parameters(text: str) -> Between:
    """Read ``min:1B,max:7B``, either of them, both bounds inside."""
    bounds: dict[str, int] = {}
    for part in text.split(","):
        found = _BOUND.fullmatch(part.strip())
        if found is None:
            raise HubError(400, None, "num_parameters: write for example min:1B,max:7B")
        value = Decimal(f"{found[2]}.{found[3] or 0}") * _UNITS[found[4].upper()]
        bounds[found[1].lower()] = int(value)
    high = bounds.get("max")
    return Between("params", bounds.get("min"), None if high is None else high + 1)
