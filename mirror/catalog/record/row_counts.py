"""How many rows a split has, and which columns, from its files, where nobody stated it.

Only what is exact and cheap: the footer of Parquet files, and the lines of JSON Lines
files up to :data:`MAX_LINES_BYTES`. A CSV has as many rows as its reader finds, so it
has none here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from mirror.catalog.record.subsets import MAX_FEATURES, Feature, Split, Subset, read_features
from mirror.catalog.values import as_mapping
from mirror.errors import MirrorError
from mirror.store import ManifestFile, Store

MAX_FILES: Final = 2_000
MAX_LINES_BYTES: Final = 64 << 20
#: The footer has the statistics of every row group; the largest seen have a few MB.
MAX_FOOTER_BYTES: Final = 32 << 20

#: A column takes about 100 bytes in the note of the ``datasets`` library.
MAX_NOTE_BYTES: Final = 1 << 20

_MAGIC: Final = b"PAR1"
_SUFFIXES: Final = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True)
class Footer:
    """What the end of a Parquet file says."""

    rows: int
    features: tuple[Feature, ...]


class RowCounter:
    """Counts rows in the files of one repo; each file once, and not without end."""

    def __init__(self, store: Store, files: tuple[ManifestFile, ...]) -> None:
        self._store = store
        self._files = {file.path: file for file in files if file.present}
        self._footers: dict[str, Footer | None] = {}
        self._lines: dict[str, int | None] = {}
        self._lines_left = MAX_LINES_BYTES

    def fill(self, subset: Subset) -> Subset:
        """Give the subset with the rows of those splits, and the columns, that nobody stated."""
        splits = tuple(self._filled(split) for split in subset.splits)
        return replace(subset, splits=splits, features=subset.features or self._features(subset))

    def _filled(self, split: Split) -> Split:
        formats = {_format(path) for path in split.paths}
        if split.rows is not None or len(formats) != 1 or None in formats:
            return split
        total = 0
        for path in split.paths:
            if (rows := self._rows(path)) is None:
                return split
            total += rows
        return replace(split, rows=total, rows_from=formats.pop())

    def _features(self, subset: Subset) -> tuple[Feature, ...]:
        """The columns of its first Parquet file: all of them have the same."""
        paths = (path for split in subset.splits for path in split.paths)
        first = next((path for path in paths if _format(path) == "parquet"), None)
        footer = self._footer(first) if first is not None else None
        return footer.features if footer is not None else ()

    def _rows(self, path: str) -> int | None:
        if _format(path) == "parquet":
            footer = self._footer(path)
            return footer.rows if footer is not None else None
        if path not in self._lines:
            self._lines[path] = self._count_lines(path)
        return self._lines[path]

    def _footer(self, path: str) -> Footer | None:
        if path not in self._footers:
            if len(self._footers) >= MAX_FILES:
                return None
            self._footers[path] = self._read_footer(path)
        return self._footers[path]

    def _read_footer(self, path: str) -> Footer | None:
        file = self._files.get(path)
        if file is None or file.sha256 is None:
            return None
        try:
            with self._store.blobs.open(file.sha256) as stream:
                return read_footer(stream, file.size)
        except (MirrorError, OSError):
            return None

    def _count_lines(self, path: str) -> int | None:
        file = self._files.get(path)
        if file is None or file.sha256 is None:
            return None
        self._lines_left -= file.size
        if self._lines_left < 0 or len(self._lines) >= MAX_FILES:
            return None
        try:
            with self._store.blobs.open(file.sha256) as stream:
                return count_lines(stream)
        except (MirrorError, OSError):
            return None


def read_footer(stream: BinaryIO, size: int) -> Footer | None:
    """Read the end of a Parquet file of ``size`` bytes; ``None`` if it has no good one."""
    if size < 12:
        return None
    stream.seek(size - 8)
    tail = stream.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or footer > min(MAX_FOOTER_BYTES, size - 12):
        return None
    # Here, not above: it takes a fifth of a second, and most mirrors state their rows.
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(stream)
        rows: int = metadata.num_rows
        schema = metadata.schema.to_arrow_schema()
        noted = (schema.metadata or {}).get(b"huggingface", b"")
        columns = {field.name: str(field.type) for field in list(schema)[:MAX_FEATURES]}
    except (pyarrow.ArrowException, OSError, ValueError):
        return None
    return Footer(rows, _noted(noted) or read_features(columns)) if rows >= 0 else None


def _noted(data: bytes) -> tuple[Feature, ...]:
    """The columns as the ``datasets`` library notes them: it knows an image from a struct."""
    try:
        noted = json.loads(data[:MAX_NOTE_BYTES] or b"{}")
    except (ValueError, RecursionError):
        return ()
    return read_features(as_mapping(as_mapping(noted).get("info")).get("features"))


def count_lines(stream: BinaryIO) -> int:
    """Count the lines that are not blank: each is one row."""
    return sum(1 for line in stream if line.strip())


def _format(path: str) -> str | None:
    return next((name for suffix, name in _SUFFIXES.items() if path.endswith(suffix)), None)


def fill_rows(
    store: Store, subsets: tuple[Subset, ...], files: tuple[ManifestFile, ...]
) -> tuple[Subset, ...]:
    """Give the subsets with every row count that can be had."""
    counter = RowCounter(store, files)
    return tuple(counter.fill(subset) for subset in subsets)
