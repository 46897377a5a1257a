"""What somebody probably meant who misspelt something."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Final

from mirror.catalog.record.languages import language_names

#: How alike two spellings are that may be one, from 0 to 1.
_ALIKE: Final = 0.72
_MOST: Final = 3
#: What is less alike than the nearest by so much is not named beside it.
_WORSE: Final = 0.08


def nearest(field: str, value: str, values: Iterable[str]) -> tuple[str, ...]:
    """Give the values of a field that are spelt nearly as ``value``, the nearest first.

    Case, spaces, hyphens and underscores do not count. A code of a language is too short
    to be compared: whatever is two letters long is near to everything.
    """
    wanted = _plain(value)
    if len(wanted) < (4 if field == "language" else 3):
        return ()
    spellings: dict[str, str] = {}
    for item in chain(values, language_names() if field == "language" else ()):
        spellings.setdefault(_plain(item), item)
    if (same := spellings.get(wanted)) is not None:
        return (same,)
    return tuple(spellings[spelling] for spelling in _closest(wanted, spellings))


def _closest(wanted: str, spellings: Iterable[str]) -> list[str]:
    from difflib import SequenceMatcher, get_close_matches

    found = get_close_matches(wanted, spellings, n=_MOST, cutoff=_ALIKE)
    # Beside text-classification, token-classification is no good guess.
    ratios = [SequenceMatcher(None, spelling, wanted).ratio() for spelling in found]
    return [item for item, ratio in zip(found, ratios, strict=True) if ratio > ratios[0] - _WORSE]


def _plain(value: str) -> str:
    return "".join(letter for letter in value.lower() if letter not in " -_")
