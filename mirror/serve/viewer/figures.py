"""The figures of one column, from Arrow arrays: what ``/statistics`` says of numbers and texts.

Definitions are those of the public server: edges of whole numbers are whole and there are
at most ten bins, all but the last open on the right; the deviation is that of a sample;
figures have five decimals. A text counts as one of a few labels, or by its length.
Nulls, NaN and infinities count as missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

Figures = dict[str, Any]

_BINS: Final = 10
_DECIMALS: Final = 5
#: Texts are labels up to so many different ones, if they are at most this part of the rows.
_MAX_LABELS: Final = 1_000
_MAX_PART: Final = 0.2
#: Characters of all labels of a column: an answer is no place for a thousand novels.
_MAX_LABELS_TEXT: Final = 1_000_000

#: Kinds of columns: the ``column_type`` of the answer, but for texts.
INT, FLOAT, BOOL, STRING, LIST, DATETIME = "int", "float", "bool", "string", "list", "datetime"
#: What has no figures, or values of several kinds.
ODD: Final = "odd"


@dataclass
class Tally:
    """What has been read of a column so far: its numbers, and its labels while they are few."""

    kind: str | None = None
    """``None`` until there is a value."""
    numbers: list[Any] = field(default_factory=list)
    """Of texts and lists the lengths, of points in time the seconds."""
    labels: dict[Any, int] | None = field(default_factory=dict)
    """``None`` where there are too many."""
    zone: str | None = None
    size: int = 0
    """Numbers that are held."""

    def add(self, array: Any) -> None:
        """Take a chunk of the column."""
        kind = kind_of(array.type)
        if kind is None or self.kind == ODD:
            return
        self._become(kind)
        if self.kind == ODD:
            return
        if kind in {BOOL, STRING}:
            self._count(array)
        numbers = _numbers(kind, array)
        if kind == DATETIME:
            self.zone = getattr(array.type, "tz", None)
        if kind == INT and str(numbers.type) == "double":
            self._become(FLOAT)
        self.numbers.append(numbers)
        self.size += len(numbers)

    def fail(self) -> None:
        """Give the column up: it has values that have no figure."""
        self._become(ODD)

    def _become(self, kind: str) -> None:
        if self.kind in {None, kind}:
            self.kind = kind
        elif {self.kind, kind} == {INT, FLOAT}:
            self.kind = FLOAT
        else:
            self.kind = ODD
        if self.kind == ODD:
            self.numbers, self.labels, self.size = [], None, 0

    def _count(self, array: Any) -> None:
        if self.labels is None:
            return
        import pyarrow.compute as pc  # type: ignore[import-untyped]

        for item in pc.value_counts(array.drop_null()):
            value = item["values"].as_py()
            self.labels[value] = self.labels.get(value, 0) + item["counts"].as_py()
            if len(self.labels) > _MAX_LABELS:
                self.labels = None
                return
        if sum(len(str(value)) for value in self.labels) > _MAX_LABELS_TEXT:
            self.labels = None


def kind_of(kind: Any) -> str | None:
    """Give the kind of an Arrow type; ``None`` for a column without any value."""
    import pyarrow

    types = pyarrow.types
    if types.is_null(kind):
        return None
    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    tests = {
        BOOL: (types.is_boolean,),
        INT: (types.is_integer,),
        FLOAT: (types.is_floating,),
        STRING: (types.is_string, types.is_large_string, types.is_string_view),
        LIST: (types.is_list, types.is_large_list, types.is_fixed_size_list),
        DATETIME: (types.is_timestamp, types.is_date),
    }
    return next((name for name, some in tests.items() if any(test(kind) for test in some)), ODD)


def _numbers(kind: str, array: Any) -> Any:
    """Give the values that are there as whole or floating numbers."""
    import pyarrow
    import pyarrow.compute as pc

    array = array.drop_null()
    if pyarrow.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind == STRING:
        return pc.utf8_length(array).cast("int64")
    if kind == LIST:
        return pc.list_value_length(array).cast("int64")
    if kind == DATETIME:
        zone = getattr(array.type, "tz", None)
        return array.cast(pyarrow.timestamp("s", zone), safe=False).cast("int64")
    if kind == FLOAT:
        array = array.cast("float64")
        return array.filter(pc.is_finite(array))
    return array.cast("int64", safe=False) if kind == BOOL else _whole(array)


def _whole(array: Any) -> Any:
    import pyarrow

    try:
        return array.cast("int64")
    except pyarrow.ArrowInvalid:  # beyond 2**63
        return array.cast("float64", safe=False)


# --- what is answered -------------------------------------------------------------


def figures_of(tally: Tally, rows: int, names: list[str] | None) -> tuple[str, Figures] | None:
    """Give type and statistics of a column of ``rows`` rows; ``None`` where it has none.

    Args:
        tally: all of it.
        rows: how many were read.
        names: of the labels that its numbers stand for.
    """
    missing = {**_share("nan", rows - sum(map(len, tally.numbers)), rows)}
    if names is not None and tally.kind in {INT, None}:
        found = _class_label(tally, names)
        if found is not None:
            none = _share("no_label", found.pop("none"), rows)
            return "class_label", {**missing, **none, **found}
    if tally.kind == BOOL:
        counts = {str(name): count for name, count in sorted((tally.labels or {}).items())}
        return BOOL, {**missing, "frequencies": counts}
    if tally.kind == STRING:
        return _text(tally, rows, missing)
    if tally.kind == DATETIME:
        return _times(tally, missing)
    if tally.kind in {INT, FLOAT, LIST}:
        return tally.kind, {**missing, **_spread(tally.numbers, whole=tally.kind != FLOAT)}
    return None


def _share(name: str, count: int, rows: int) -> Figures:
    share = round(count / rows, _DECIMALS) if rows else 0.0
    return {f"{name}_count": count, f"{name}_proportion": share}


def _text(tally: Tally, rows: int, missing: Figures) -> tuple[str, Figures]:
    """A null is one more label for the decision, as on the public server, though not counted."""
    if (labels := tally.labels) is not None:
        different = len(labels) + (missing["nan_count"] > 0)
        if different <= _BINS or (different <= _MAX_LABELS and different <= _MAX_PART * rows):
            none = _share("no_label", 0, rows)
            counted = {"n_unique": len(labels), "frequencies": labels}
            return "string_label", {**missing, **none, **counted}
    return "string_text", {**missing, **_spread(tally.numbers, whole=True)}


def _class_label(tally: Tally, names: list[str]) -> Figures | None:
    """``None`` where there are numbers that no label has. -1 is: not labelled."""
    import pyarrow.compute as pc

    counts: dict[int, int] = {}
    for array in tally.numbers:
        for item in pc.value_counts(array):
            number = item["values"].as_py()
            counts[number] = counts.get(number, 0) + item["counts"].as_py()
    none = counts.pop(-1, 0)
    if any(not 0 <= number < len(names) for number in counts):
        return None
    found = {name: counts.get(number, 0) for number, name in enumerate(names)}
    return {"none": none, "n_unique": len(names), "frequencies": found}


def _spread(arrays: list[Any], *, whole: bool) -> Figures:
    """Give how numbers are spread; every figure is ``None`` where there are none."""
    import pyarrow
    import pyarrow.compute as pc

    numbers = pyarrow.chunked_array(
        [array if whole else array.cast("float64", safe=False) for array in arrays],
        "int64" if whole else "float64",
    )
    names = ("min", "max", "mean", "median", "std")
    if len(numbers) == 0:
        return {**dict.fromkeys(names), "histogram": None}
    least, most = (value.as_py() for value in pc.min_max(numbers).values())
    floats = numbers.cast("float64", safe=False)
    middle = [
        pc.mean(floats).as_py(),
        pc.quantile(floats, 0.5)[0].as_py(),
        pc.stddev(floats, ddof=1).as_py(),
    ]
    edges = _whole_edges(least, most) if whole else _edges(least, most)
    histogram = {"hist": _histogram(numbers, edges), "bin_edges": [_short(one) for one in edges]}
    figures = [_short(one) for one in (least, most, *middle)]
    return {**dict(zip(names, figures, strict=True)), "histogram": histogram}


def _short(value: float | None) -> float | None:
    if isinstance(value, int) or value is None:
        return value
    return round(value, _DECIMALS) if math.isfinite(value) else None


def _whole_edges(least: int, most: int) -> list[int]:
    step = -(-(most - least + 1) // _BINS)
    return [*range(least, most + 1, step), most]


def _edges(least: float, most: float) -> list[float]:
    if least == most:
        return [least, most]
    step = most / _BINS - least / _BINS
    return [*(least + number * step for number in range(_BINS)), most]


def _histogram(numbers: Any, edges: list[Any]) -> list[int]:
    """Count by bin: how many are from an edge on, less those from the next one on."""
    import pyarrow
    import pyarrow.compute as pc

    above = [
        pc.sum(pc.greater_equal(numbers, pyarrow.scalar(edge, numbers.type))).as_py()
        for edge in edges[1:-1]
    ]
    counts = [len(numbers), *above, 0]
    return [first - then for first, then in pairwise(counts)]


def _times(tally: Tally, missing: Figures) -> tuple[str, Figures] | None:
    """Points in time: the figures of their seconds, said as dates."""
    found = _spread(tally.numbers, whole=True)
    if found["histogram"] is None:
        return DATETIME, {**missing, **found}
    zone = _zone(tally.zone)
    try:
        for name in ("min", "max", "mean", "median"):
            found[name] = _moment(found[name], zone)
        if found["std"] is not None:
            found["std"] = str(timedelta(seconds=found["std"]))
        edges = found["histogram"]["bin_edges"]
        found["histogram"]["bin_edges"] = [_moment(edge, zone) for edge in edges]
    except (OverflowError, ValueError, OSError):  # before the year 1, after 9999
        return None
    return DATETIME, {**missing, **found}


def _moment(seconds: float, zone: tzinfo | None) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    moment = moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S%z")


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # of a file, so it may be anything
        return UTC
