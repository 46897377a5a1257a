"""What somebody probably meant who misspelt something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: How alike two spellings are that may be one, from 0 to 1.
_ALIKE: Final = 0.72
_MOST: Final = 3


def nearest(field: str, value: str, values: Iterable[str]) -> tuple[str, ...]:
    """Give the values of a field that are spelt nearly as ``value``, the nearest first.

    Case, spaces, hyphens and underscores do not count. A code of a language is too short
    to be compared: whatever is two letters long is near to everything.
    """
    wanted = _plain(value)
    if len(wanted) < (4 if field == "language" else 3):
        return ()
    from difflib import get_close_matches

    spellings: dict[str, str] = {}
    for item in values:
        spellings.setdefault(_plain(item), item)
    if (same := spellings.get(wanted)) is not None:
        return (same,)
    found = get_close_matches(wanted, spellings, n=_MOST, cutoff=_ALIKE)
    return tuple(spellings[spelling] for spelling in found)


def _plain(value: str) -> str:
    return "".join(letter for letter in value.lower() if letter not in " -_")
