"""What somebody looks for, as a value.

Whether it was written in the language (``parse``), as options of a command or as
arguments in Python: it is the same :class:`Query`, and the search sees nothing else.
Normalised when it is made: ``Korean`` is ``ko``, ``Apache License 2.0`` is ``apache-2.0``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Bounds of what one search may ask.
MAX_TEXT: Final = 1_000
MAX_WORDS: Final = 32
MAX_VALUES: Final = 100
MAX_LIMIT: Final = 10_000


@dataclass(frozen=True)
class Words:
    """Text that must be somewhere in a repo's id, title, tags or card."""

    text: str
    """One word, or what stood between quotes."""
    phrase: bool = False
    """Whether it was quoted: its words next to each other, in this order."""
    excluded: bool = False


@dataclass(frozen=True)
class OneOf:
    """A set field must have one of these values."""

    field: str
    values: tuple[str, ...]
    """As the catalog has them: ``ko``, ``apache-2.0``; ``zh-hant`` where a script is meant."""
    excluded: bool = False


@dataclass(frozen=True)
class Between:
    """A number or date must lie in a range; a repo without the number is not in it."""

    field: str
    low: int | str | None = None
    """The least that fits; a date as ISO 8601 (``2026-08-01T00:00:00Z``)."""
    high: int | str | None = None
    """The first that fits no more."""
    excluded: bool = False


@dataclass(frozen=True)
class Query:
    """A search. Everything in it must fit: the parts are joined by AND.

    Made by :func:`mirror.catalog.query.parse.parse_query`.
    """

    words: tuple[Words, ...] = ()
    filters: tuple[OneOf | Between, ...] = ()
    sort: str = "relevance"
    """``relevance`` (by downloads where there are no words), or one of ``fields.SORTS``."""
    ascending: bool | None = None
    """The least, oldest or last first; ``None`` for what the sort begins with by itself."""
    limit: int = 20
    offset: int = 0

    def __str__(self) -> str:
        """The filters and words in the query language; ``parse_query`` reads it back."""
        from mirror.catalog.query.text import query_text

        return query_text(self)
