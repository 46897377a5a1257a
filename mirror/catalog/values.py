"""Reading values that somebody else wrote: of cards, and of upstream's JSON.

Nothing here raises. A value of the wrong type is no value; a text is cleaned of what
SQLite or a terminal cannot take (NUL, lone surrogates, control characters), and
everything has a limit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

#: The longest text that is one value (an id, a tag, a licence), in characters.
MAX_VALUE: Final = 256
#: The longest list of values. A data set of Bible translations has about 1,600 languages.
MAX_VALUES: Final = 5_000

#: All but tab and line ends.
_CONTROL: Final = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

#: A word of ASCII, which needs no cleaning.
_PLAIN: Final = re.compile(r"[!-~]+").fullmatch

_MAX_INTEGER: Final = 2**63 - 1


def clean_text(text: str) -> str:
    """Remove what cannot be stored (NUL, surrogates) or would steer a terminal (controls)."""
    text = _CONTROL.sub(" ", text.replace("\0", ""))
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def as_text(value: object, limit: int = MAX_VALUE) -> str | None:
    """Read one line of text; a number is its digits. ``None`` where there is nothing."""
    if type(value) is str and len(value) <= limit and _PLAIN(value):
        return value  # an id, a tag: nearly all of a million of them
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # Long texts are cut before they are split, not after.
    text = " ".join(clean_text(str(value)[: 4 * limit]).split())[:limit].strip()
    return text or None


def as_texts(value: object) -> tuple[str, ...]:
    """Read a list of texts, or one text as a list of one; each once, in order.

    Mappings count as their keys: ``datasets: [{FOSD: https://…}]`` names FOSD.
    """
    if type(value) is str:
        return () if (text := as_text(value)) is None else (text,)
    items: Iterable[object] = value if isinstance(value, list | tuple) else (value,)
    found: dict[str, None] = {}
    for item in items:
        parts: Iterable[object] = item if isinstance(item, Mapping) else (item,)
        for part in parts:
            if len(found) >= MAX_VALUES:
                return tuple(found)
            if (text := as_text(part)) is not None:
                found[text] = None
    return tuple(found)


def as_count(value: object) -> int | None:
    """Read a number of things: a whole number that SQLite can hold, not below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        return None
    return int(value) if 0 <= value <= _MAX_INTEGER else None


def as_flag(value: object) -> bool:
    """Read a yes: only ``true`` is one."""
    return value is True


def as_mapping(value: object) -> Mapping[str, Any]:
    """Read a JSON object; anything else is an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    """Read a list of JSON objects, or one object as a list of one."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(item for item in items[:MAX_VALUES] if isinstance(item, Mapping))


def as_time(value: object) -> str | None:
    """Read a time as the Hub writes it; give it in UTC with seconds, so that texts sort."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is None:
            return None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Give each value once, in order, at most :data:`MAX_VALUES`."""
    return tuple(dict.fromkeys(values))[:MAX_VALUES]
