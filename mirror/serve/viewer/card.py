"""What the author of a data set says of its columns, where the files cannot say it.

A file has a number; the card (or ``dataset_infos.json``) says that it is a label, and the
names of the labels. Only that is taken, and only where it fits what the file has: labels
for whole numbers, images and sounds for their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from mirror.catalog.values import as_mapping, as_mappings, as_text

Features = Mapping[str, Any]
#: More names than the largest list of classes that we have seen (21,841).
_MAX_NAMES: Final = 50_000
_MAX_COLUMNS: Final = 2_000
_MEDIA: Final = {"image": "Image", "audio": "Audio"}


def stated_features(card: Mapping[str, Any], infos: Mapping[str, Any]) -> dict[str, Features]:
    """Give the labels, images and sounds among the columns, by subset and column.

    Args:
        card: the front matter; what it says goes before ``infos``.
        infos: the content of ``dataset_infos.json``.
    """
    found = {name: _of_info(info) for name, info in _items(infos)}
    for info in as_mappings(card.get("dataset_info")):
        found[as_text(info.get("config_name")) or "default"] = _of_info(info)
    return found


def with_stated(features: Features, stated: Features) -> dict[str, Any]:
    """Give the features of a file with what was stated of them, where that fits."""
    return {name: _fitted(kind, stated.get(name)) for name, kind in features.items()}


def _items(infos: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, as_mapping(info)) for name, info in infos.items() if isinstance(name, str)]


def _of_info(info: Mapping[str, Any]) -> Features:
    value = info.get("features")
    if isinstance(value, Mapping):
        pairs = list(islice(value.items(), _MAX_COLUMNS))
    else:
        pairs = [(item.get("name"), item) for item in as_mappings(value)[:_MAX_COLUMNS]]
    found = {name: _feature(item) for name, item in pairs if isinstance(name, str)}
    return {name: feature for name, feature in found.items() if feature is not None}


def _feature(item: object) -> dict[str, Any] | None:
    """Read one column, as the library notes it or as a card writes it."""
    if not isinstance(item, Mapping):
        return None
    kind, dtype = item.get("_type"), item.get("dtype")
    if kind in _MEDIA.values():
        return {"_type": kind}
    if isinstance(dtype, str) and dtype in _MEDIA and kind is None:
        return {"_type": _MEDIA[dtype]}
    if kind == "ClassLabel":
        return _labels(item.get("names"))
    return _labels(as_mapping(as_mapping(dtype).get("class_label")).get("names"))


def _labels(names: object) -> dict[str, Any] | None:
    """Names in a list, or by their number: ``{'0': no, '1': yes}``."""
    if isinstance(names, Mapping):
        numbers = {str(number): name for number, name in islice(names.items(), _MAX_NAMES)}
        names = [numbers.get(str(number)) for number in range(len(numbers))]
    if not isinstance(names, list) or not names or len(names) > _MAX_NAMES:
        return None
    if not all(isinstance(name, str | int | float) for name in names):
        return None
    return {"names": [str(name) for name in names], "_type": "ClassLabel"}


def _fitted(kind: Any, stated: Mapping[str, Any] | None) -> Any:
    if stated is None or not isinstance(kind, Mapping):
        return kind
    if stated["_type"] == "ClassLabel":
        fits = kind.get("_type") == "Value" and "int" in str(kind.get("dtype"))
    else:
        fits = set(kind) == {"bytes", "path"} or kind.get("dtype") == "binary"
    return dict(stated) if fits else kind
