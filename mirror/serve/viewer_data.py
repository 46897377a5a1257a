"""What a data set is made of, for the viewer: subsets, splits, files, and the rows in them.

The catalog's own reading of a data set says which file belongs to what. Rows are read from
the files of the mirror, from the beginning up to the page that is asked for; every read has
a bound, and what is beyond one is refused with a reason, not answered in part.

Blocks: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from mirror.serve.viewer_files import Reading, Walk, columns_of, format_of, rows_of
from mirror.store import Manifest, ManifestFile

#: Rows of a page, as on the public server.
MAX_ROWS: Final = 100
#: Data sets whose parts are kept: some kilobytes each.
_KEPT: Final = 200

NO_ROWS: Final = "RowsUnavailable"


@dataclass(frozen=True)
class Part:
    """A split of a subset, with its files."""

    subset: str
    split: Split
    files: tuple[ManifestFile, ...]
    """In the order of their rows."""

    @property
    def problem(self) -> str | None:
        """Why its rows cannot be read here; ``None`` where they can."""
        if not self.files:
            return "no file of this mirror is known to hold it"
        if absent := next((file for file in self.files if not file.present), None):
            return f"{absent.path} is not in this mirror"
        if odd := next((file for file in self.files if format_of(file.path) is None), None):
            return f"{odd.path} is of a format that this mirror does not read rows from"
        return None

    @property
    def is_parquet(self) -> bool:
        """Whether all of it is there, as Parquet."""
        return self.problem is None and all(f.path.endswith(".parquet") for f in self.files)


@dataclass(frozen=True)
class DataSet:
    """A data set as its viewer sees it."""

    manifest: Manifest
    subsets: tuple[Subset, ...]

    def parts(self, subset: str | None = None, split: str | None = None) -> tuple[Part, ...]:
        """Give its splits; those of one name."""
        files = {file.path: file for file in self.manifest.files}
        return tuple(
            Part(one.name, part, tuple(files[path] for path in part.paths if path in files))
            for one in self.subsets
            if subset in (None, one.name)
            for part in one.splits
            if split in (None, part.name)
        )


class DataSets:
    """The data sets of a shelf, each read once for every version of its refs."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
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
            subsets = draft_of(source).subsets
            return DataSet(source.manifest, fill_rows(store, subsets, source.manifest.files))
        except MirrorError as error:
            raise HubError(500, "DamagedError", "The record of this data set is damaged") from error

    def columns(self, part: Part) -> dict[str, Any]:
        """Give the columns of a part as features, by name.

        Raises:
            HubError: they cannot be read.
        """
        return columns_of(self._readings(part)[0])

    def rows(self, part: Part, offset: int, length: int) -> Iterator[dict[str, Any]]:
        """Give rows from ``offset``, at most ``length`` and :data:`MAX_ROWS`, one by one.

        Raises:
            HubError: they cannot be read, or lie too deep in a file.
        """
        return islice(self.walk(part, Walk(offset)), min(length, MAX_ROWS))

    def walk(self, part: Part, walk: Walk) -> Iterator[dict[str, Any]]:
        """Go through the rows; reads as far as they are taken.

        Raises: as :meth:`rows`.
        """
        return chain.from_iterable(rows_of(file, walk) for file in self._readings(part))

    def _readings(self, part: Part) -> list[Reading]:
        if (problem := part.problem) is not None:
            raise HubError(404, NO_ROWS, f"The rows cannot be read: {problem}")
        blobs = self.shelf.store.blobs
        return [Reading(blobs.path(str(file.sha256)), file.path) for file in part.files]
