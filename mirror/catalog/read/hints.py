"""What to tell somebody who asked for a value that no repo here has.

A value that is nowhere, not even among the Hub's own, and looks like one that is, is a
slip of the keyboard: an error for a field with a vocabulary, a hint for any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from mirror.catalog.fields import FIELDS
from mirror.catalog.query.errors import UnknownValueError
from mirror.catalog.query.nearest import nearest
from mirror.catalog.read.sets import Sets
from mirror.catalog.record.languages import is_language_tag
from mirror.catalog.record.licenses import LICENSES
from mirror.catalog.record.vocabulary import (
    DATA_FORMATS,
    KINDS,
    LIBRARIES,
    MODALITIES,
    MODEL_FORMATS,
    QUANTIZATIONS,
    RELATIONS,
    SIZE_CATEGORIES,
    TASKS,
)

#: Values that a slip is compared with, the most frequent first.
_COMPARED: Final = 2_000
_SHOWN: Final = 3

#: What the Hub itself has, whether or not a repo here has it.
_HUB: Final = {
    "task": TASKS,
    "library": LIBRARIES,
    "license": LICENSES,
    "type": frozenset({"model", "dataset", "space"}),
    "gated": frozenset({"no", "auto", "manual"}),
    "partial": frozenset({"yes", "no"}),
    "state": frozenset({"mirrored", "known"}),
    "format": MODEL_FORMATS | DATA_FORMATS,
    "quantization": QUANTIZATIONS,
    "modality": MODALITIES,
    "size_category": frozenset(SIZE_CATEGORIES),
    "relation": frozenset(RELATIONS),
    "kind": frozenset(KINDS),
}


def hints_for(unknown: Iterable[tuple[str, str]], sets: Sets, *, empty: bool) -> tuple[str, ...]:
    """Give hints for values (field, value) that no repo has; ``empty``: nothing was found.

    Raises:
        UnknownValueError: a value is nowhere, and there is one that is spelt nearly so.
    """
    found = []
    for field, value in dict.fromkeys(unknown):
        near = _near(sets, field, value)
        meant = f": did you mean {' or '.join(near[:_SHOWN])}?" if near else ""
        if near and FIELDS[field].known:
            raise UnknownValueError(field, value, near[:_SHOWN])
        if meant or empty:
            found.append(f"no repo here has {field}:{value}{meant}")
    return tuple(found)


def _near(sets: Sets, field: str, value: str) -> tuple[str, ...]:
    """Give values that are spelt nearly so; none for a value that the Hub has."""
    vocabulary = _HUB.get(field, frozenset())
    if value in vocabulary or (field == "language" and is_language_tag(value)):
        return ()
    here = [name for _, name, _ in islice(sets.shown(field), _COMPARED)]
    return nearest(field, value, [*here, *sorted(vocabulary - set(here))])
