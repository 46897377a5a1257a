"""Cells of images and sounds: where their bytes can be fetched, and how large they are.

A file of the repo is fetched from ``resolve``; bytes inside a Parquet file from ``/assets``,
which finds them again by the place of the cell.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urlencode

from mirror.serve.errors import HubError
from mirror.serve.viewer.data import DataSets, Part
from mirror.serve.viewer.files import Row, Walk, refusing
from mirror.serve.viewer.folders import RepoFile
from mirror.serve.viewer.media import HEAD, image_size, media_type

_MAX_DEPTH: Final = 8
_KINDS: Final = frozenset({"Image", "Audio"})
#: What is not understood, but stands in a column of that kind.
_UNKNOWN: Final = {"Image": "application/octet-stream", "Audio": "audio/mpeg"}

Place = tuple[str, ...]


@dataclass(frozen=True)
class Asset:
    """Bytes out of a cell, of a type that a browser shows."""

    data: bytes
    content_type: str


@dataclass(frozen=True)
class Sources:
    """Makes the cells of one split."""

    base: str
    dataset: str
    commit: str
    data_sets: DataSets
    part: Part
    features: Mapping[str, Any]

    def shown(self, number: int, row: Row) -> Row:
        """Give a row with sources in place of the bytes of its images and sounds.

        Raises:
            HubError: 500, a file cannot be read.
        """
        return {
            name: self._cell(self.features.get(name), value, number, (name,))
            for name, value in row.items()
        }

    def _cell(self, feature: Any, value: Any, number: int, place: Place) -> Any:
        if value is None or len(place) > _MAX_DEPTH or not isinstance(feature, Mapping | list):
            return value
        if isinstance(feature, list):
            feature = {"_type": "List", "feature": feature[0]} if feature else {}
        kind = feature.get("_type")
        if kind in _KINDS:
            return self._source(kind, value, number, place)
        if isinstance(value, list):
            inner = feature.get("feature")
            return [
                self._cell(inner, item, number, (*place, str(at))) for at, item in enumerate(value)
            ]
        if isinstance(value, Mapping) and kind is None:
            return {
                name: self._cell(feature.get(name), item, number, (*place, name))
                for name, item in value.items()
            }
        return value

    def _source(self, kind: str, value: Any, number: int, place: Place) -> Any:
        if isinstance(value, RepoFile):
            return self._of_file(kind, value)
        data = _bytes_of(value)
        if data is None:
            return value
        asked = [("dataset", self.dataset), ("config", self.part.subset)]
        asked += [("split", self.part.split.name), ("revision", self.commit), ("row", str(number))]
        asked += [("cell", name) for name in place]
        address = f"{self.base}/datasets-server/assets?{urlencode(asked, quote_via=quote)}"
        return _told(kind, address, io.BytesIO(data))

    def _of_file(self, kind: str, value: RepoFile) -> Any:
        where = f"{self.base}/datasets/{quote(self.dataset)}/resolve/{self.commit}"
        reading = self.data_sets.reading(value.file)
        with refusing(reading), reading.blob.open("rb") as stream:
            return _told(kind, f"{where}/{quote(value.file.path)}", stream)


def _told(kind: str, address: str, stream: BinaryIO) -> Any:
    if kind == "Audio":
        return [{"src": address, "type": media_type(stream.read(HEAD)) or _UNKNOWN[kind]}]
    width, height = image_size(stream) or (None, None)
    return {"src": address, "height": height, "width": width}


def _bytes_of(value: Any) -> bytes | None:
    data = value.get("bytes") if isinstance(value, Mapping) else value
    return data if isinstance(data, bytes) else None


def find_asset(data_sets: DataSets, part: Part, row: int, place: Place) -> Asset:
    """Give the bytes of a cell.

    Args:
        data_sets: where the files are.
        part: the split.
        row: its number in the split.
        place: its column; inside lists and structs, the way from there.

    Raises:
        HubError: 404, there are none, or they are no image or sound.
    """
    column = None if not place or "." in place[0] else (place[0],)
    value: Any = next(data_sets.walk(part, Walk(row, column)), None)
    for name in place:
        value = _inside(value, name)
    data = None if isinstance(value, RepoFile) else _bytes_of(value)
    kind = None if data is None else media_type(data[:HEAD])
    if data is None or kind is None:
        raise HubError(404, "AssetNotFoundError", "No image or sound is known in that cell")
    return Asset(data, kind)


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list) and name.isdecimal() and name.isascii() and len(name) < 10:
        return value[int(name)] if int(name) < len(value) else None
    return None
