"""The answers of a search: values with a JSON form, and nothing else (``details``: the others).

Times are ISO 8601 in UTC, sizes bytes. There is no path in them: the mirror may be
mounted anywhere, so where a file is, is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mirror.names import RepoKey


class Value:
    """Gives the JSON form of a dataclass."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form: every field, a key as ``repo_type`` and ``repo_id``."""
        form: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, RepoKey):
                form |= {"repo_type": value.repo_type.value, "repo_id": value.repo_id}
            else:
                form[name] = _plain(value)
        return form


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.as_json()
    if isinstance(value, RepoKey):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, dict) else value


@dataclass(frozen=True)
class RepoSummary(Value):
    """A repo in short."""

    key: RepoKey
    commit: str
    """The snapshot that is described."""
    ref: str
    """What points at it: ``main``, else the newest ref."""
    title: str | None
    summary: str | None
    """A paragraph of the card."""
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    licenses: tuple[str, ...]
    """Ids; an ``other`` with a name is given by its name. Empty: none is stated."""
    libraries: tuple[str, ...]
    downloads: int | None
    """Of 30 days, as the Hub counted when it was last asked."""
    likes: int | None
    counts_seen: str | None
    """When the two were seen."""
    created: str | None
    last_modified: str | None
    files: int
    """In the mirror."""
    size: int
    """Of those files."""
    partial: bool
    """Whether the selection left files out."""
    gated: str | None
    """``auto`` or ``manual``: whoever loads it upstream must ask first."""
    upstream_state: str
    """``ok``, or why upstream gave it no more: ``gone``, ``unauthorized``, ``gated`` …"""
    parameters: int | None
    state: str
    """``mirrored``, or ``known``: only its metadata is here."""
    disk_size: int
    """Bytes in the mirror; of what is only known, bytes upstream."""
    rows: int | None
    """Of a data set, where all its splits are counted."""


@dataclass(frozen=True)
class Hit(RepoSummary):
    """A repo that was found."""

    snippet: str | None = None
    """The text of the card around the words that were looked for; of the first 500 of a page."""
    highlights: tuple[tuple[int, int], ...] = ()
    """Where the words are in ``snippet``: from and to, in characters."""


@dataclass(frozen=True)
class FacetValue(Value):
    """A value of a field, counted."""

    value: str
    repos: int
    """How many hits have it, as if nothing were asked of this field."""
    selected: bool = False
    """Whether the query asks for it."""


@dataclass(frozen=True)
class Facet(Value):
    """The values of a field among the hits, the most frequent first."""

    field: str
    values: tuple[FacetValue, ...]
    truncated: bool
    """Whether there are more values than these."""


@dataclass(frozen=True)
class SearchResult(Value):
    """A page of hits; ``for hit in result`` goes through them."""

    hits: tuple[Hit, ...]
    total: int
    """How many there are in all."""
    facets: tuple[Facet, ...] = ()
    """Those that were asked for."""
    hints: tuple[str, ...] = ()
    """Why there may be nothing: values that no repo has, and what is spelt nearly so."""

    def __iter__(self) -> Iterator[Hit]:
        """Go through the hits of this page."""
        return iter(self.hits)
