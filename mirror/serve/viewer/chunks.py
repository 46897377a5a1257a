"""The rows of a split by column, chunk by chunk, for who needs all of them.

A chunk is some rows at most, and some megabytes: less where rows are large. Parquet and CSV
are never made rows; of JSON, and of folders, the rows are turned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mirror.serve.viewer.data import DataSets, Part
from mirror.serve.viewer.files import (
    Reading,
    Row,
    Walk,
    csv_batches,
    format_of,
    parquet_batches,
    parquet_file,
    refusing,
    rows_of,
)
from mirror.serve.viewer.folders import RepoFile

#: Rows of a chunk of JSON.
_ROWS: Final = 1_000
#: Of Parquet, where a text that is written once may stand in every row. A million rows take
#: 1.1 seconds so, and 0.4 in chunks of 1,000.
_PARQUET_ROWS: Final = 100
#: Bytes of a chunk of Parquet, by its footer, and of one of JSON, as text.
_MAX_CHUNK: Final = 64 << 20
_MAX_TEXT: Final = 4 << 20


@dataclass(frozen=True)
class Chunk:
    """Some rows, by column: Arrow arrays, and lists of what Arrow has no type for."""

    rows: int
    columns: Mapping[str, Any]


def chunks_of(data_sets: DataSets, part: Part, walk: Walk) -> Iterator[Chunk]:
    """Go through a split; reads as far as chunks are taken.

    Raises:
        HubError: 404, 500 or 501, its rows cannot be read.
    """
    if part.folder is not None:
        yield from _of_rows(data_sets.walk(part, walk), walk)
        return
    for file in data_sets.readings(part):
        with refusing(file):
            kind = format_of(file.path)
            if kind == "parquet":
                yield _empty(file)
                yield from map(_of_batch, parquet_batches(file, walk, _chunk_rows(file)))
            elif kind == "csv":
                yield from map(_of_batch, csv_batches(file))
            else:
                yield from _of_rows(rows_of(file, walk), walk)


def _empty(file: Reading) -> Chunk:
    """No row: the types of the columns, which a file without rows has too."""
    with parquet_file(file) as opened:
        table = opened.schema_arrow.empty_table()
    names = zip(table.column_names, table.columns, strict=True)
    return Chunk(0, {name: column.combine_chunks() for name, column in names})


def _chunk_rows(file: Reading) -> int:
    """Rows of a chunk: fewer where they are large."""
    with parquet_file(file) as opened:
        footer = opened.metadata
        groups = range(footer.num_row_groups)
        most = max((_row_bytes(footer.row_group(number)) for number in groups), default=1)
    return max(1, min(_PARQUET_ROWS, _MAX_CHUNK // most))


def _row_bytes(group: Any) -> int:
    return max(1, int(group.total_byte_size) // max(1, int(group.num_rows)))


def _of_batch(batch: Any) -> Chunk:
    # Columns of one name: the last counts, as in a row.
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return Chunk(batch.num_rows, dict(columns))


def _of_rows(rows: Iterator[Row], walk: Walk) -> Iterator[Chunk]:
    while some := _some(rows, walk):
        names = dict.fromkeys(name for row in some for name in row)
        yield Chunk(len(some), {name: _array([row.get(name) for row in some]) for name in names})


def _some(rows: Iterator[Row], walk: Walk) -> list[Row]:
    found: list[Row] = []
    end = walk.read + _MAX_TEXT
    while len(found) < _ROWS and walk.read < end and (row := next(rows, None)) is not None:
        found.append(row)
    return found


def _array(values: list[Any]) -> Any | None:
    """``None`` where values are of several types; files of the repo stay a list."""
    import pyarrow  # type: ignore[import-untyped]

    if any(isinstance(value, RepoFile) for value in values):
        return values
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError, TypeError, ValueError):
        return None
