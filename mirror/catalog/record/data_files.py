"""Which files belong to which split of a data set, as the ``datasets`` library decides it.

Only names are looked at. The patterns come from cards, so matching is linear in the
pattern and the path, and the number of comparisons is bounded.

What it leaves out of the library's rules: patterns that name other places (URLs,
``hf://…``), and metadata files beside images.
"""

from __future__ import annotations

import fnmatch
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

#: Comparisons of one pattern with one path, for one repo.
MAX_COMPARISONS: Final = 500_000

_KEYWORDS: Final = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
}  # fmt: skip
_KEYWORD: Final = re.compile(rf"(?<![^-._ 0-9/])({'|'.join(_KEYWORDS)})(?![^-._ 0-9/])")
_SHARD: Final = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}(?:[-.].*)?")
_MAGIC: Final = re.compile(r"[*?\[]")
_PACKED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4")

#: File name extensions that ``datasets`` has a loader for, by loader.
_LOADERS: Final = {
    "csv": "csv tsv",
    "json": "json jsonl ndjson",
    "parquet": "parquet geoparquet gpq",
    "arrow": "arrow",
    "text": "txt",
    "xml": "xml",
    "webdataset": "tar",
    "imagefolder": "jpg jpeg png gif bmp tif tiff webp jp2",
    "audiofolder": "wav mp3 flac ogg opus aiff m4a",
    "videofolder": "mp4 mkv avi mov webm",
    "pdffolder": "pdf",
}
_LOADER: Final = {
    extension: loader for loader, names in _LOADERS.items() for extension in names.split()
}
#: Not data, whatever they end in.
_NEVER: Final = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json",
                           "state.json", "config.json", "metadata.csv", "metadata.jsonl",
                           "requirements.txt", "license.txt", "readme.txt"})  # fmt: skip


class Matcher:
    """Finds the paths of one repo that match a pattern."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = sorted(paths)
        self._left = MAX_COMPARISONS

    @property
    def exhausted(self) -> bool:
        """Whether the bound was reached: what was found is not all."""
        return self._left <= 0

    def find(self, pattern: str) -> list[str]:
        """Give the paths that match, sorted; ``*`` stays within a folder, ``**`` does not."""
        pattern = pattern.removeprefix("./").lstrip("/")
        magic = _MAGIC.search(pattern)
        prefix = pattern if magic is None else pattern[: magic.start()]
        parts = pattern.split("/")
        found = []
        for index in range(bisect_left(self._paths, prefix), len(self._paths)):
            path = self._paths[index]
            if not path.startswith(prefix) or self.exhausted:
                break
            self._left -= 1
            if path == pattern or (magic is not None and _matches(path.split("/"), parts)):
                found.append(path)
        return found

    def below(self, folder: str) -> list[str]:
        """Give the paths below ``folder``; all of them for an empty one."""
        prefix = folder.removeprefix("./").strip("/")
        if prefix in {"", "."}:
            return self._paths
        return [path for path in self._paths if path.startswith(prefix + "/")]


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Match folder by folder; ``**`` stands for any number of folders, none too."""
    # Which prefixes of `names` are matched by the parts so far: no backtracking.
    reached = {0}
    for part in parts:
        if part == "**":
            reached = set(range(min(reached), len(names) + 1))
        else:
            reached = {
                place + 1
                for place in reached
                if place < len(names) and fnmatch.fnmatchcase(names[place], part)
            }
        if not reached:
            return False
    # A pattern that ends in ** matches files, so at least one name must be left for it.
    return len(names) in reached


def infer_splits(paths: Sequence[str]) -> Mapping[str, list[str]]:
    """Sort data files into splits by their names, where no card says how.

    ``data/train-00000-of-00003.parquet`` names any split; else keywords in names of files
    and folders decide (``dev.csv``); where there are none, everything is ``train``.
    """
    data = _data_files(paths)
    shards = [(match[1], path) for path in data if (match := _SHARD.fullmatch(path))]
    if shards:
        return _grouped(shards)
    named = [
        (_KEYWORDS[found[-1]], path) for path in data if (found := _KEYWORD.findall(path.lower()))
    ]
    return _grouped(named) if named else _grouped(("train", path) for path in data)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, path in pairs:
        groups.setdefault(name, []).append(path)
    order = {"train": 0, "validation": 1, "test": 2}
    return dict(sorted(groups.items(), key=lambda item: (order.get(item[0], 3), item[0])))


def _data_files(paths: Sequence[str]) -> list[str]:
    """Those of the loader that most files are for: a data set has one format."""
    loaders = {path: loader for path in paths if (loader := loader_of(path))}
    if not loaders:
        return []
    counts = Counter(loaders.values())
    best = max(counts, key=lambda name: (counts[name], name))
    return [path for path, loader in loaders.items() if loader == best]


def loader_of(path: str) -> str | None:
    """Give the loader for a data file, by its name; ``None`` for what is no data."""
    *folders, name = path.lower().split("/")
    if name in _NEVER or any(part.startswith((".", "__")) for part in [*folders, name]):
        return None
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return _LOADER.get(name.rpartition(".")[2]) if "." in name else None
