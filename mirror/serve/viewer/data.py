"""What a data set is made of, for the viewer: subsets, splits, files, and the rows in them.

The catalog's own reading of a data set says which file belongs to what. Rows are read from
the files of the mirror, from the beginning up to the page that is asked for; every read has
a bound, and what is beyond one is refused with a reason, not answered in part.

Blocks: call it in a thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import Any, Final

from mirror.catalog.record.metadata import draft_of
from mirror.catalog.record.row_counts import fill_rows
from mirror.catalog.record.source import read_source
from mirror.catalog.record.subsets import Split, Subset
from mirror.errors import MirrorError
from mirror.names import RepoKey
from mirror.serve.errors import HubError
from mirror.serve.shelf import Kept, Shelf
from mirror.serve.viewer.card import Features, stated_features, with_stated
from mirror.serve.viewer.files import Reading, Row, Walk, columns_of, format_of, rows_of
from mirror.serve.viewer.folders import (
    Folder,
    Metadata,
    file_rows,
    find_folders,
    find_metadata,
    folder_features,
    noted_row,
)
from mirror.serve.viewer.memory import Remembered
from mirror.store import Manifest, ManifestFile

#: Rows of a page, as on the public server.
MAX_ROWS: Final = 100
#: Data sets whose parts are kept: some kilobytes each.
_KEPT: Final = 200

#: Files of a split that are asked for their columns.
_ASKED: Final = 20

NO_ROWS: Final = "RowsUnavailable"


@dataclass(frozen=True)
class Part:
    """A split of a subset, with its files."""

    subset: str
    split: Split
    files: tuple[ManifestFile, ...]
    """In the order of their rows."""
    folder: Folder | None = None
    """Where it is one of images or sounds."""
    stated: Features = field(default_factory=dict)
    """What the card says of columns that a file cannot say."""

    @cached_property
    def problem(self) -> str | None:
        """Why its rows cannot be read here; ``None`` where they can."""
        if not self.files:
            return "no file of this mirror is known to hold it"
        needed = self.files if self.folder is None else self.folder.needed
        if absent := next((file for file in needed if not file.present), None):
            return f"{absent.path} is not in this mirror"
        if self.folder is not None:
            return None
        if odd := next((file for file in self.files if format_of(file.path) is None), None):
            return f"{odd.path} is of a format that this mirror does not read rows from"
        return None

    @property
    def is_parquet(self) -> bool:
        """Whether all of it is there, as Parquet."""
        if self.problem is not None or self.folder is not None:
            return False
        return all(file.path.endswith(".parquet") for file in self.files)

    @cached_property
    def identity(self) -> str:
        """What its rows and columns come from, as a hash: names and bytes of its files."""
        said = [self.subset, self.split.name, self.stated, self.folder and self.folder.labels]
        used = [*self.files, *(self.folder.metadata if self.folder is not None else ())]
        files = [(file.path, file.sha256, file.present) for file in used]
        return hashlib.sha256(json.dumps([said, files]).encode()).hexdigest()

    @property
    def rows(self) -> int | None:
        """How many rows it has, where that is known."""
        if self.folder is not None and not self.folder.metadata:
            return len(self.folder.files)
        return self.split.rows


@dataclass(frozen=True)
class DataSet:
    """A data set as its viewer sees it."""

    manifest: Manifest
    subsets: tuple[Subset, ...]
    stated: Mapping[str, Features] = field(default_factory=dict)
    """By subset, what the card says of columns."""

    @cached_property
    def _all(self) -> tuple[Part, ...]:
        known = {file.path: file for file in self.manifest.files}
        metadata = find_metadata(known)
        return tuple(
            part for subset in self.subsets for part in self._parts(subset, known, metadata)
        )

    def _parts(
        self, subset: Subset, known: Mapping[str, ManifestFile], metadata: Metadata
    ) -> Iterator[Part]:
        files = [
            tuple(known[path] for path in split.paths if path in known) for split in subset.splits
        ]
        folders = find_folders(files, known, metadata)
        for split, own, folder in zip(subset.splits, files, folders, strict=True):
            yield Part(subset.name, split, own, folder, self.stated.get(subset.name, {}))

    def parts(self, subset: str | None = None, split: str | None = None) -> tuple[Part, ...]:
        """Give its splits; those of one name."""
        return tuple(
            part
            for part in self._all
            if subset in (None, part.subset) and split in (None, part.split.name)
        )


class DataSets:
    """The data sets of a shelf, each read once for every version of its refs."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.remembered = Remembered()
        """Figures, which take long to make."""
        self._kept: Kept[DataSet | None] = Kept(_KEPT)

    def get(self, key: RepoKey) -> DataSet | None:
        """Give a data set that is here, by its canonical key.

        Raises:
            HubError: 500, its record is damaged.
        """
        return self._kept.get(str(self.shelf.store.layout.refs(key)), lambda: self._read(key))

    def _read(self, key: RepoKey) -> DataSet | None:
        store = self.shelf.store
        try:
            source = read_source(store, key)
            if source is None:
                return None
            draft = draft_of(source)
            subsets = fill_rows(store, draft.subsets, source.manifest.files)
            stated = stated_features(draft.data, source.infos)
            return DataSet(source.manifest, subsets, stated)
        except MirrorError as error:
            raise HubError(500, "DamagedError", "The record of this data set is damaged") from error

    def columns(self, part: Part) -> dict[str, Any]:
        """Give the columns of a part as features, by name.

        Raises:
            HubError: they cannot be read.
        """
        return self.remembered.get(f"columns {part.identity}", lambda: self._columns(part))

    def _columns(self, part: Part) -> dict[str, Any]:
        """Those of all files, for CSV files of one split may differ; Parquet files do not."""
        readings = self.readings(part)
        found, walk = columns_of(readings[0]) if readings else {}, Walk()
        for file in [] if part.is_parquet else readings[1:_ASKED]:
            if walk.is_late:
                break
            with suppress(HubError):  # its rows are refused when somebody asks for them
                found = {**found, **{k: v for k, v in columns_of(file).items() if k not in found}}
        if part.folder is not None:
            return folder_features(part.folder, found)
        return with_stated(found, part.stated)

    def rows(self, part: Part, offset: int, length: int) -> Iterator[Row]:
        """Give rows from ``offset``, at most ``length`` and :data:`MAX_ROWS`, one by one.

        Raises:
            HubError: they cannot be read, or lie too deep in a file.
        """
        return islice(self.walk(part, Walk(offset)), min(length, MAX_ROWS))

    def walk(self, part: Part, walk: Walk) -> Iterator[Row]:
        """Go through the rows; reads as far as they are taken.

        Raises: as :meth:`rows`.
        """
        readings, folder = self.readings(part), part.folder
        if folder is None:
            return chain.from_iterable(rows_of(file, walk) for file in readings)
        if not folder.metadata:
            return file_rows(folder, walk)
        return (
            noted_row(folder, file.path, row) for file in readings for row in rows_of(file, walk)
        )

    def readings(self, part: Part) -> list[Reading]:
        """Give the files that its rows are read from: of a folder, its metadata.

        Raises:
            HubError: 404, one is not here.
        """
        if (problem := part.problem) is not None:
            raise HubError(404, NO_ROWS, f"The rows cannot be read: {problem}")
        if part.folder is None:
            return [self.reading(file) for file in part.files]
        return [self.reading(file) for file in part.folder.metadata]

    def reading(self, file: ManifestFile) -> Reading:
        """Give where the bytes of a file are."""
        return Reading(self.shelf.store.blobs.path(str(file.sha256)), file.path)
