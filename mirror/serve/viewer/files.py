"""Rows and columns of one data file: Parquet, JSON Lines, JSON, CSV, TSV; packed or not.

Reads forward only, in small batches, until a deadline: nobody's page makes the server hold
a file in memory. Every error of a file becomes one :class:`HubError`.
"""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import lzma
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from mirror.serve.errors import HubError
from mirror.serve.viewer.features import feature_of, noted_features

_log: Final = logging.getLogger("mirror.serve")

#: Seconds that one request may read.
SECONDS: Final = 10.0
#: Seconds after that in which a reader may still stop by itself, with what it has.
GRACE: Final = 2.0
#: One row as JSON; a longer one is no row of text.
MAX_LINE: Final = 16 << 20
#: A JSON file that is one array must be held in memory.
MAX_ARRAY: Final = 32 << 20
#: A row group is decoded column by column: so much, uncompressed, may be in memory.
MAX_ROW_GROUP: Final = 512 << 20
#: Bytes of 100 rows of it: 100 photographs.
MAX_BATCH: Final = 256 << 20
_MAX_FOOTER: Final = 32 << 20
_BATCH: Final = 100
#: Rows that tell the columns of a file without a schema.
_SAMPLED: Final = 100

_FORMATS: Final = {
    "parquet": "parquet",
    "jsonl": "lines",
    "ndjson": "lines",
    "json": "json",
    "csv": "csv",
    "tsv": "csv",
}
_PACKED: Final[dict[str, Callable[[Path], IO[bytes]]]] = {
    ".gz": gzip.open,  # type: ignore[dict-item]
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """A file of the store."""

    blob: Path
    path: str
    """In its repo: the name tells the format."""


@dataclass
class Walk:
    """How far a request has come."""

    left: int = 0
    """Rows to pass over before the first that is wanted."""
    columns: tuple[str, ...] | None = None
    """Those that are needed; a file of rows gives all of them even so."""
    read: int = 0
    """Bytes of the lines of JSON that were rows."""
    end: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.end

    def check(self) -> None:
        """Raise :class:`HubError` when the time is long up: who can stop by itself has stopped."""
        if time.monotonic() > self.end + GRACE:
            raise HubError(
                501, "TooBigContentError", "The rows lie too deep in a file to be read in time"
            )


def format_of(path: str) -> str | None:
    """Give how rows are read from a file of that name; ``None`` where they are not."""
    _, dot, extension = _unpacked(path).rpartition(".")
    return _FORMATS.get(extension) if dot else None


def rows_of(file: Reading, walk: Walk) -> Iterator[Row]:
    """Go through the rows, without the first ``walk.left``.

    Raises:
        HubError: 501, out of bounds; 500, they cannot be read.
    """
    read = {"parquet": _parquet, "lines": _lines, "json": _json, "csv": _csv}
    with refusing(file):
        yield from read[format_of(file.path) or "lines"](file, walk)


def columns_of(file: Reading) -> dict[str, Any]:
    """Give the columns of a file as the features of the ``datasets`` library, by name.

    Raises: as :func:`rows_of`.
    """
    with refusing(file):
        import pyarrow  # type: ignore[import-untyped]

        kind = format_of(file.path)
        if kind in {"parquet", "csv"}:
            schema = parquet_file(file).schema_arrow if kind == "parquet" else _schema(file)
            noted = noted_features((schema.metadata or {}).get(b"huggingface"))
            return noted or {column.name: feature_of(column.type) for column in schema}
        rows = list(islice(rows_of(file, Walk()), _SAMPLED))
        found = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            try:
                found[name] = feature_of(pyarrow.array([row.get(name) for row in rows]).type)
            except (pyarrow.ArrowException, OverflowError):  # of several types
                found[name] = {"dtype": "string", "_type": "Value"}
        return found


@contextmanager
def refusing(file: Reading) -> Iterator[None]:
    """Give every fault of a file one form, which does not say where it lies on our disk."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:  # of several parsers, fed with anybody's bytes
        _log.warning("the rows of %s (%s) cannot be read: %s", file.path, file.blob, error)
        message = f"The rows of {file.path} cannot be read"
        raise HubError(500, "StreamingRowsError", message) from error


# --- Parquet ----------------------------------------------------------------------


def parquet_file(file: Reading) -> Any:
    """Open a Parquet file; its footer has a bound."""
    from pyarrow import parquet

    return parquet.ParquetFile(
        file.blob, thrift_string_size_limit=_MAX_FOOTER, thrift_container_size_limit=1 << 20
    )


def _parquet(file: Reading, walk: Walk) -> Iterator[Row]:
    yield from _of_batches(parquet_batches(file, walk), walk)


def parquet_batches(file: Reading, walk: Walk, most: int = _BATCH) -> Iterator[Any]:
    """Give record batches of up to ``most`` rows, without row groups that are passed over.

    Raises:
        HubError: 501, a row group is too large to be decoded.
    """
    with parquet_file(file) as opened:
        for number in range(opened.metadata.num_row_groups):
            group = opened.metadata.row_group(number)
            if walk.left >= group.num_rows:
                walk.left -= group.num_rows
                continue
            if group.total_byte_size > MAX_ROW_GROUP:
                raise HubError(501, "TooBigContentError", "A row group is too large to be read")
            yield from opened.iter_batches(
                most, row_groups=[number], columns=walk.columns, use_threads=False
            )


def _of_batches(batches: Any, walk: Walk) -> Iterator[Row]:
    for batch in batches:
        walk.check()
        if walk.left >= batch.num_rows:
            walk.left -= batch.num_rows
            continue
        start, walk.left = walk.left, 0
        for first in range(start, batch.num_rows, _BATCH):
            some = batch.slice(first, _BATCH)
            if some.nbytes > MAX_BATCH:
                raise HubError(501, "TooBigContentError", "The rows are too large to be read")
            yield from some.to_pylist()


# --- JSON -------------------------------------------------------------------------


def _lines(file: Reading, walk: Walk) -> Iterator[Row]:
    with _opened(file) as stream:
        while line := stream.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise HubError(501, "TooBigContentError", "A row is too large to be read")
            walk.check()  # of blank lines too: a packed file may have billions
            if not line.strip():
                continue
            if walk.left:
                walk.left -= 1
            else:
                walk.read += len(line)
                yield _row(json.loads(line))


def _json(file: Reading, walk: Walk) -> Iterator[Row]:
    """One array of rows, or lines under the name of a JSON file."""
    with _opened(file) as stream:
        if not stream.read(1_024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            yield from _lines(file, walk)
            return
        stream.seek(0)
        text = stream.read(MAX_ARRAY + 1)
    if len(text) > MAX_ARRAY:
        raise HubError(501, "TooBigContentError", "A JSON file is too large to be read")
    rows = json.loads(text)
    start, walk.left = walk.left, max(0, walk.left - len(rows))
    yield from map(_row, rows[start:])


def _row(value: object) -> Row:
    if not isinstance(value, dict):
        raise ValueError("a row is no object")
    return value


# --- CSV --------------------------------------------------------------------------


def _csv(file: Reading, walk: Walk) -> Iterator[Row]:
    yield from _of_batches(csv_batches(file), walk)


def csv_batches(file: Reading) -> Iterator[Any]:
    """Give record batches of a CSV, each of about a megabyte of text."""
    with _opened(file) as stream, _csv_reader(file, stream, _schema(file)) as reader:
        yield from reader


def _schema(file: Reading) -> Any:
    """The columns that the first block tells; dates stay the text that they are."""
    import pyarrow

    with _opened(file) as stream, _csv_reader(file, stream) as reader:
        schema = reader.schema
    for number, column in enumerate(schema):
        if pyarrow.types.is_temporal(column.type):
            schema = schema.set(number, pyarrow.field(column.name, pyarrow.string()))
    return schema


def _csv_reader(file: Reading, stream: IO[bytes], schema: Any = None) -> Any:
    from pyarrow import csv

    types = {column.name: column.type for column in schema} if schema is not None else None
    return csv.open_csv(
        stream,
        csv.ReadOptions(use_threads=False, block_size=1 << 20),
        csv.ParseOptions(
            delimiter="\t" if _unpacked(file.path).endswith(".tsv") else ",",
            newlines_in_values=True,
        ),
        csv.ConvertOptions(column_types=types),
    )


def _unpacked(path: str) -> str:
    path = path.lower()
    return next((path.removesuffix(end) for end in _PACKED if path.endswith(end)), path)


def _opened(file: Reading) -> IO[bytes]:
    end = "." + file.path.lower().rpartition(".")[2]
    return _PACKED[end](file.blob) if end in _PACKED else file.blob.open("rb")
