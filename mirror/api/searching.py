"""From what a person or a program writes to an answer of the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mirror.catalog import Catalog, Facet, SearchResult, parse_query
from mirror.catalog.query.errors import UnknownValueError

#: Seconds after which a search is given up.
TIMEOUT: Final = 10.0


def search_catalog(
    path: Path,
    text: str = "",
    *,
    facets: Sequence[str] = (),
    facet_limit: int = 10,
    timeout: float = TIMEOUT,
    **asked: Any,
) -> SearchResult:
    """Search a catalog.db on its own: the arguments of :meth:`mirror.api.Mirror.search`.

    Raises:
        CatalogError: missing, damaged, or of another schema.
        UsageError: the query cannot be understood.
        QueryTimeoutError: it took too long.
    """
    query = parse_query(text, **asked)
    with Catalog.open(path) as catalog, pointing(text, asked):
        return catalog.search(query, facets, facet_limit, timeout)


def count_facets(
    path: Path,
    text: str = "",
    *,
    fields: Sequence[str] | None = None,
    limit: int = 20,
    timeout: float = TIMEOUT,
    **filters: Any,
) -> tuple[Facet, ...]:
    """Count in a catalog.db on its own: the arguments of :meth:`mirror.api.Mirror.facets`.

    Raises: as :func:`search_catalog`.
    """
    query = parse_query(text, **filters)
    with Catalog.open(path) as catalog, pointing(text, filters):
        return catalog.facets(query, fields, limit, timeout)


@contextmanager
def pointing(text: str, filters: dict[str, Any]) -> Iterator[None]:
    """Show where a value stands that turns out to be unknown."""
    try:
        yield
    except UnknownValueError as error:
        from mirror.catalog.query.pointing import pointed

        raise pointed(error, text, filters) from None
