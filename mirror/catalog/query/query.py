"""What somebody looks for, as a value; and its words as an FTS5 query.

A :class:`Query` is checked when it is made. Its text is words, not a language: whatever
a person types finds something or nothing, and never is a syntax error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mirror.catalog.cjk import query_words
from mirror.catalog.record.languages import parse_language
from mirror.catalog.record.licenses import license_id
from mirror.catalog.record.vocabulary import task_name
from mirror.catalog.values import clean_text
from mirror.errors import UsageError
from mirror.names import RepoType

#: How hits can be ordered. ``relevance`` needs words; the others begin with the most or
#: the newest, ``name`` with a.
SORTS: Final = ("relevance", "downloads", "likes", "modified", "created", "size", "name")

MAX_TEXT: Final = 1_000
MAX_WORDS: Final = 32
MAX_VALUES: Final = 100
MAX_LIMIT: Final = 10_000

_FILTERS: Final = ("task", "language", "license", "library", "author", "tags")


@dataclass(frozen=True)
class Query:
    """A search. Several values of one filter are alternatives, of ``tags`` all must match.

    Raises:
        UsageError: too long, an unknown order, or a limit out of range.
    """

    text: str = ""
    """Words, all of which must be in the id, title, tags or card."""
    task: tuple[str, ...] = ()
    """``text-classification``: a model's pipeline tag, a data set's category or task id."""
    language: tuple[str, ...] = ()
    """``ko``, ``Korean``; ``zh-Hant`` finds only what is written so."""
    license: tuple[str, ...] = ()
    """``mit``; a licence's own name; ``unknown`` for repos that state none."""
    library: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    """The namespace."""
    repo_type: RepoType | None = None
    tags: tuple[str, ...] = ()
    """The Hub's tags, exactly, all of them."""
    sort: str | None = None
    """One of :data:`SORTS`; by relevance where there are words, else by downloads."""
    limit: int = 20
    offset: int = 0

    def __post_init__(self) -> None:
        # What Python makes of bytes on a command line may be no text that SQLite takes.
        object.__setattr__(self, "text", clean_text(self.text))
        for name in _FILTERS:
            object.__setattr__(self, name, tuple(map(clean_text, getattr(self, name))))
        self._check()

    def _check(self) -> None:
        if len(self.text) > MAX_TEXT or len(query_words(self.text)) > MAX_WORDS:
            raise UsageError(
                f"the search has more than {MAX_WORDS} words or {MAX_TEXT} characters",
                hint="look for the few words that matter",
            )
        for name in _FILTERS:
            values = getattr(self, name)
            if len(values) > MAX_VALUES or any(len(value) > MAX_TEXT for value in values):
                raise UsageError(f"{name}: more than {MAX_VALUES} values, or one is too long")
        if self.sort is not None and self.sort not in SORTS:
            raise UsageError(
                f"{self.sort!r} is not an order", hint=f"use one of {', '.join(SORTS)}"
            )
        if not 0 <= self.limit <= MAX_LIMIT or not 0 <= self.offset < 2**63:
            raise UsageError(f"limit is a number up to {MAX_LIMIT}, offset is not below 0")

    @property
    def words(self) -> tuple[str, ...]:
        """The FTS5 expressions of the words that can be looked for; all must match."""
        return query_words(self.text)

    @property
    def order(self) -> str:
        """The order that is meant: without words there is no relevance."""
        if self.sort in {None, "relevance"}:
            return "relevance" if self.words else "downloads"
        return self.sort or "downloads"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The Hub's names of the tasks."""
        return tuple(map(task_name, self.task))

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes, for languages that are meant whatever the script or country."""
        plain = [text for text in self.language if not _is_exact(text)]
        return tuple(language.code for text in plain for language in parse_language(text))

    @property
    def exact_languages(self) -> tuple[str, ...]:
        """Languages with a script or country, in lower case: ``zh-hant``."""
        return tuple(_hyphened(text) for text in self.language if _is_exact(text))

    @property
    def licenses(self) -> tuple[str, ...]:
        """The Hub's ids, or names in lower case where they are none."""
        return tuple(license_id(text) or text.strip().lower() for text in self.license)


def _hyphened(text: str) -> str:
    return text.strip().lower().replace("_", "-")


def _is_exact(text: str) -> bool:
    head, hyphen, _ = _hyphened(text).partition("-")
    return bool(hyphen) and len(head) <= 3
