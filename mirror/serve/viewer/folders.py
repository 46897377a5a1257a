"""Rows of data sets that are folders of images or of sounds, as ``datasets`` makes them.

Where there are ``metadata`` files, their rows are the rows, and ``file_name`` says which
file belongs to each. Without one every file is a row, and the names of the folders are
its label, if all files lie equally deep and there is more than one name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from mirror.catalog.record.data_files import loader_of
from mirror.serve.errors import HubError
from mirror.serve.viewer.files import Row, Walk
from mirror.store import ManifestFile

#: Loader → the column of the file, and its feature.
_KINDS: Final = {"imagefolder": ("image", "Image"), "audiofolder": ("audio", "Audio")}
_METADATA: Final = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
_NAMING: Final = "file_name"


@dataclass(frozen=True)
class Folder:
    """The files of a split that is a folder."""

    column: str
    """``image`` or ``audio``."""
    feature: str
    """``Image`` or ``Audio``."""
    files: tuple[ManifestFile, ...]
    """One of each row, where there is no metadata."""
    known: Mapping[str, ManifestFile] = field(repr=False)
    """All files of the commit by path: metadata names them."""
    metadata: tuple[ManifestFile, ...] = ()
    labels: tuple[str, ...] = ()
    """Sorted; empty where rows have none."""

    @property
    def needed(self) -> tuple[ManifestFile, ...]:
        """The files without which there are no rows."""
        return self.metadata or self.files


@dataclass(frozen=True)
class RepoFile:
    """The cell of a row that is a file of the repo."""

    file: ManifestFile


Metadata = Mapping[str, Sequence[ManifestFile]]


def find_metadata(known: Mapping[str, ManifestFile]) -> Metadata:
    """Give the metadata files of a commit by their folder."""
    found: dict[str, list[ManifestFile]] = {}
    for path, file in known.items():
        if _is_metadata(path):
            found.setdefault(_place(path), []).append(file)
    return found


def find_folders(
    splits: Sequence[Sequence[ManifestFile]],
    known: Mapping[str, ManifestFile],
    metadata: Metadata,
) -> list[Folder | None]:
    """Say of each split of a subset whether it is a folder, and of what.

    Args:
        splits: the files of each.
        known: all files of the commit by path.
        metadata: those of :func:`find_metadata`.
    """
    kinds = [_kind(files) for files in splits]
    if not any(kinds):
        return [None] * len(splits)
    media = [_media(files, kind) for files, kind in zip(splits, kinds, strict=True)]
    noted = _noted(splits, media, metadata)
    labels = () if any(noted) else _labels([file for files in media for file in files])
    return [
        Folder(*_KINDS[kind], files, known, notes, labels) if kind is not None else None
        for kind, files, notes in zip(kinds, media, noted, strict=True)
    ]


def _kind(files: Sequence[ManifestFile]) -> str | None:
    """The loader of most of its data files, if that is one of folders."""
    counts: dict[str, int] = {}
    for file in files:
        if (loader := loader_of(file.path)) is not None:
            counts[loader] = counts.get(loader, 0) + 1
    best = max(counts, key=lambda name: counts[name], default=None)
    return best if best in _KINDS else None


def _media(files: Sequence[ManifestFile], kind: str | None) -> tuple[ManifestFile, ...]:
    return tuple(file for file in files if kind is not None and loader_of(file.path) == kind)


def _is_metadata(path: str) -> bool:
    return path.rpartition("/")[2] in _METADATA


def _noted(
    splits: Sequence[Sequence[ManifestFile]],
    media: Sequence[Sequence[ManifestFile]],
    metadata: Metadata,
) -> list[tuple[ManifestFile, ...]]:
    """The metadata of each: that the card lists, else that in folders of this split alone."""
    folders = [_folders(files) for files in media]
    shared = Counter(folder for some in folders for folder in some)
    found = []
    for files, own in zip(splits, folders, strict=True):
        listed = tuple(file for file in files if _is_metadata(file.path))
        places = sorted(folder for folder in own if shared[folder] == 1)
        found.append(listed or tuple(file for p in places for file in metadata.get(p, ())))
    return found


def _folders(files: Iterable[ManifestFile]) -> set[str]:
    """The folders that files lie in, at every depth, each with its slash."""
    found = {_place(file.path) for file in files}
    for folder in tuple(found):
        while folder and (folder := _place(folder[:-1])) not in found:
            found.add(folder)
    return found


def _place(path: str) -> str:
    """The folder of a path, with its slash; empty for the root."""
    folder, slash, _ = path.rpartition("/")
    return folder + slash


def _labels(files: Iterable[ManifestFile]) -> tuple[str, ...]:
    names, depths = set[str](), set[int]()
    for file in files:
        names.add(_label(file.path))
        depths.add(file.path.count("/"))
    return tuple(sorted(names)) if len(names) > 1 and len(depths) == 1 else ()


def _label(path: str) -> str:
    return _place(path)[:-1].rpartition("/")[2]


# --- rows -------------------------------------------------------------------------


def folder_features(folder: Folder, noted: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns; ``noted`` are those of its metadata."""
    media = {"_type": folder.feature}
    if folder.metadata:
        return {
            _column(folder, name): media if _names_file(name) else kind
            for name, kind in noted.items()
        }
    label = {"names": list(folder.labels), "_type": "ClassLabel"}
    return {folder.column: media, **({"label": label} if folder.labels else {})}


def file_rows(folder: Folder, walk: Walk) -> Iterator[Row]:
    """Go through the files of a folder without metadata, without the first ``walk.left``."""
    numbers = {name: number for number, name in enumerate(folder.labels)}
    start, walk.left = walk.left, max(0, walk.left - len(folder.files))
    for file in islice(folder.files, start, None):
        row: Row = {folder.column: RepoFile(file)}
        yield {**row, "label": numbers[_label(file.path)]} if numbers else row


def noted_row(folder: Folder, metadata: str, row: Row) -> Row:
    """Give a row of ``metadata`` with the files that it names in place of their names.

    Raises:
        HubError: 404, a file that it names is not here.
    """
    found: Row = {}
    for name, value in row.items():
        if _names_file(name) and value is not None:
            found[_column(folder, name)] = _named(metadata, folder.known, value)
        else:
            found[_column(folder, name)] = value
    return found


def _named(metadata: str, files: Mapping[str, ManifestFile], value: object) -> RepoFile:
    path = _place(metadata) + str(value).removeprefix("./")
    if (file := files.get(path)) is None or not file.present:
        message = f"The rows cannot be read: {path}, which {metadata} names, is not in this mirror"
        raise HubError(404, "RowsUnavailable", message)
    return RepoFile(file)


def _names_file(column: str) -> bool:
    return column == _NAMING or column.endswith(f"_{_NAMING}")


def _column(folder: Folder, name: str) -> str:
    """``file_name`` becomes ``image``, ``mask_file_name`` becomes ``mask``."""
    if not _names_file(name):
        return name
    return name.removesuffix(_NAMING).removesuffix("_") or folder.column
