"""``/statistics``: figures of every column of a split, from all rows that time allows.

Files are read column by column, chunk by chunk; of each chunk only numbers are kept, so a
split of any size needs bounded memory. What was not read in time, or did not fit, makes
the answer ``partial``: its figures are those of the first rows. Columns of structs, bytes
and decimals have no figures, as on the public server.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from mirror.serve.viewer.chunks import Chunk, chunks_of
from mirror.serve.viewer.data import DataSets, Part
from mirror.serve.viewer.figures import Tally, figures_of
from mirror.serve.viewer.files import Reading, Walk, refusing
from mirror.serve.viewer.folders import RepoFile
from mirror.serve.viewer.media import audio_seconds, image_size

#: Numbers of all columns of one answer, of 8 bytes each.
MAX_NUMBERS: Final = 8_000_000
_KINDS: Final = frozenset({"Image", "Audio"})

Answer = dict[str, Any]


def describe(data_sets: DataSets, part: Part) -> Answer:
    """Read a split and give its figures.

    Raises:
        HubError: 404, 500 or 501, its rows cannot be read.
    """
    features = data_sets.columns(part)
    tallies = {name: Tally() for name in features}
    walk, rows, is_partial = Walk(), 0, False
    with refusing(Reading(Path(), f"{part.subset}/{part.split.name}")):
        for chunk in chunks_of(data_sets, part, walk):
            if is_partial := walk.is_late or sum(t.size for t in tallies.values()) > MAX_NUMBERS:
                break
            _count(tallies, chunk, features, data_sets)
            rows += chunk.rows
        found = [
            _item(name, tally, rows, features.get(name, {})) for name, tally in tallies.items()
        ]
    return {
        "num_examples": rows,
        "statistics": [item for item in found if item is not None],
        "partial": is_partial,
    }


def _count(
    tallies: dict[str, Tally], chunk: Chunk, features: Mapping[str, Any], data_sets: DataSets
) -> None:
    for name, values in chunk.columns.items():
        tally = tallies.setdefault(name, Tally())
        kind = _media_kind(features.get(name))
        array = values if kind is None else _measured(kind, values, data_sets)
        if array is None:
            tally.fail()
        else:
            tally.add(array)


def _item(name: str, tally: Tally, rows: int, feature: Any) -> Answer | None:
    names = feature.get("names") if isinstance(feature, Mapping) else None
    found = figures_of(tally, rows, names if _kind(feature) == "ClassLabel" else None)
    if found is None:
        return None
    kind = _media_kind(feature)
    shown = found[0] if kind is None else kind.lower()
    return {"column_name": name, "column_type": shown, "column_statistics": found[1]}


def _kind(feature: Any) -> Any:
    return feature.get("_type") if isinstance(feature, Mapping) else None


def _media_kind(feature: Any) -> str | None:
    kind = _kind(feature)
    return kind if kind in _KINDS else None


# --- widths and durations ---------------------------------------------------------


def _measured(kind: str, values: Any, data_sets: DataSets) -> Any | None:
    """Give widths, or seconds; ``None`` where one cannot be told: a part would mislead."""
    import pyarrow  # type: ignore[import-untyped]

    found: list[float | None] = []
    for value in values:
        value = value if isinstance(value, RepoFile) or value is None else value.as_py()
        if value is not None and (value := _measure(kind, value, data_sets)) is None:
            return None
        found.append(value)
    return pyarrow.array(found, "int64" if kind == "Image" else "float64")


def _measure(kind: str, value: Any, data_sets: DataSets) -> float | None:
    if isinstance(value, RepoFile):
        with data_sets.reading(value.file).blob.open("rb") as stream:
            return _told(kind, stream)
    data = value.get("bytes") if isinstance(value, Mapping) else value
    return _told(kind, io.BytesIO(data)) if isinstance(data, bytes) else None


def _told(kind: str, stream: BinaryIO) -> float | None:
    if kind == "Audio":
        return audio_seconds(stream)
    size = image_size(stream)
    return None if size is None else size[0]
