"""Columns in the words of the ``datasets`` library, and cells as JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sized
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final

#: Characters of one cell; of bytes, as base64.
MAX_CELL: Final = 100_000
#: Characters of all cells of an answer; when they are used up, cells are cut to a glimpse.
MAX_CELLS: Final = 8_000_000
_GLIMPSE: Final = 100
_MAX_DEPTH: Final = 32
_MAX_NOTE: Final = 4 << 20

#: Arrow's names that ``datasets`` writes otherwise.
_NAMES: Final = {
    "float": "float32",
    "double": "float64",
    "halffloat": "float16",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}


def feature_of(kind: Any) -> Any:
    """Give the feature of an Arrow type: ``{"dtype": "int64", "_type": "Value"}``."""
    import pyarrow  # type: ignore[import-untyped]

    types = pyarrow.types
    if types.is_struct(kind):
        return {item.name: feature_of(item.type) for item in kind}
    if types.is_fixed_size_list(kind):
        inner = feature_of(kind.value_type)
        return {"feature": inner, "length": kind.list_size, "_type": "List"}
    if types.is_list(kind):
        return {"feature": feature_of(kind.value_type), "_type": "List"}
    if types.is_large_list(kind):
        return {"feature": feature_of(kind.value_type), "_type": "LargeList"}
    if types.is_dictionary(kind):
        return feature_of(kind.value_type)
    return {"dtype": _NAMES.get(str(kind), str(kind)), "_type": "Value"}


def noted_features(note: bytes | None) -> dict[str, Any]:
    """Read the features that ``datasets`` wrote into a Parquet file; empty where it did not."""
    if note is None or len(note) > _MAX_NOTE:
        return {}
    try:
        found = json.loads(note)["info"]["features"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def as_list(features: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give features as the viewer lists them."""
    return [
        {"feature_idx": number, "name": name, "type": kind}
        for number, (name, kind) in enumerate(features.items())
    ]


class Cells:
    """Makes the rows of one answer JSON, and keeps it from growing without end."""

    def __init__(self) -> None:
        self._left = MAX_CELLS
        self._cut = False

    def rows(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """Give rows (number, row) as the viewer does, each with the cells that were cut."""
        return [self.row(number, row) for number, row in rows]

    def row(self, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give one row."""
        shown: dict[str, Any] = {}
        cut: list[str] = []
        for name, value in row.items():
            if self._is_full(shown):
                break
            self._cut = False
            shown[name] = self._plain(value, 0)
            if self._cut:
                cut.append(name)
            self._left -= len(name)
        return {"row_idx": number, "row": shown, "truncated_cells": cut}

    def _plain(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            self._cut = True
            return None
        if isinstance(value, str):
            return self._short(value)
        if isinstance(value, bytes):
            short = value[: MAX_CELL * 3 // 4]
            self._cut = self._cut or len(short) < len(value)
            return self._short(base64.b64encode(short).decode())
        if isinstance(value, Mapping):
            return self._struct(value, depth)
        if isinstance(value, list | tuple):
            return self._list(value, depth)
        return self._scalar(value)

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        found: list[Any] = []
        for item in value:
            if self._is_full(found):
                self._cut = True
                break
            found.append(self._plain(item, depth + 1))
        return found

    def _struct(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in value.items():
            if self._is_full(found):
                self._cut = True
                break
            self._left -= len(name)
            found[name] = self._plain(item, depth + 1)
        return found

    def _is_full(self, found: Sized) -> bool:
        """Whether something has as much as it may have when nothing is left for it."""
        return self._left <= 0 and len(found) >= _GLIMPSE

    def _scalar(self, value: Any) -> Any:
        self._left -= 8
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, datetime | date | clock_time):
            return value.isoformat()
        return value.total_seconds() if isinstance(value, timedelta) else self._short(str(value))

    def _short(self, text: str) -> str:
        most = MAX_CELL if self._left > 0 else _GLIMPSE
        self._left -= min(len(text), most)
        if len(text) > most:
            self._cut = True
            return text[:most]
        return text
