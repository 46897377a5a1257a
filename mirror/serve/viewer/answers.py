"""The viewer's answers, each a function of a question; shapes as the public server has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from mirror.catalog.record.subsets import Subset
from mirror.serve.viewer.data import Part
from mirror.serve.viewer.files import format_of
from mirror.serve.viewer.question import Question
from mirror.serve.viewer.rows import asset, filtered, first_rows, rows, search, statistics
from mirror.serve.viewer.sources import Asset

#: Where the Hub keeps its conversion of a data set.
PARQUET_REF: Final = "refs/convert/parquet"
_BUILDERS: Final = {"parquet": "parquet", "lines": "json", "json": "json", "csv": "csv"}
_VERSION: Final = {"version_str": "0.0.0", "major": 0, "minor": 0, "patch": 0}


def _is_valid(asked: Question) -> dict[str, bool]:
    can = any(part.problem is None for part in asked.data_set.parts())
    return dict.fromkeys(("preview", "viewer", "search", "filter", "statistics"), can)


def _splits(asked: Question) -> dict[str, Any]:
    return {"splits": [asked.named(part) for part in asked.parts], **_done()}


def _done(failed: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    return {"pending": [], "failed": list(failed)}


def _failed(asked: Question, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Say of which splits nothing can be told, and why."""
    return [
        {**asked.named(part), "error": {"error": part.problem}} for part in parts if part.problem
    ]


# --- info, size, parquet ----------------------------------------------------------


def _info(asked: Question) -> dict[str, Any]:
    parts = asked.parts
    infos = {
        subset.name: _info_of(asked, subset)
        for subset in asked.data_set.subsets
        if any(part.subset == subset.name for part in parts)
    }
    found: Any = infos
    if "config" in asked.fields:
        (found,) = infos.values()
    return {"dataset_info": found, "partial": False, **_done(_failed(asked, parts))}


def _info_of(asked: Question, subset: Subset) -> dict[str, Any]:
    """What ``datasets`` will hold a subset to: so nothing that is not known exactly.

    Columns only of Parquet (its schema is what the library takes), rows only where those
    of all splits are known.
    """
    parts = asked.data_set.parts(subset.name)
    first = next((part for part in parts if part.problem is None), None)
    found: dict[str, Any] = {
        "description": subset.description or "",
        "citation": "",
        "homepage": "",
        "license": "",
        "builder_name": _builder(first),
        "dataset_name": asked.dataset.rpartition("/")[2],
        "config_name": subset.name,
        "version": _VERSION,
        "download_size": sum(_file_bytes(part) for part in parts),
    }
    if first is not None and first.is_parquet:
        found["features"] = asked.data_sets.columns(first)
    if parts and all(part.split.rows is not None for part in parts):
        found["splits"] = {
            part.split.name: {
                "name": part.split.name,
                "num_bytes": _memory_bytes(part),
                "num_examples": part.split.rows,
                "dataset_name": found["dataset_name"],
            }
            for part in parts
        }
        found["dataset_size"] = sum(_memory_bytes(part) for part in parts)
    return found


def _builder(part: Part | None) -> str | None:
    if part is not None and part.folder is not None:
        return f"{part.folder.column}folder"
    kind = None if part is None else format_of(part.files[0].path)
    return None if kind is None else _BUILDERS[kind]


def _file_bytes(part: Part) -> int:
    return sum(file.size for file in part.files)


def _memory_bytes(part: Part) -> int:
    """As stated; else of the files: nobody prepares them here to find out."""
    stated = part.split.num_bytes
    return _file_bytes(part) if stated is None else stated


def _size(asked: Question) -> dict[str, Any]:
    parts = asked.parts
    splits = [
        {**asked.named(part), **_sizes([part]), "num_columns": _column_count(asked, part)}
        for part in parts
    ]
    subsets = [
        {
            "dataset": asked.dataset,
            "config": name,
            **_sizes([part for part in parts if part.subset == name]),
            "num_columns": next(one["num_columns"] for one in splits if one["config"] == name),
        }
        for name in dict.fromkeys(part.subset for part in parts)
    ]
    whole = {"dataset": asked.dataset, **_sizes(parts)}
    size: dict[str, Any] = {"dataset": whole, "configs": subsets, "splits": splits}
    if "config" in asked.fields:
        size = {"config": subsets[0], "splits": splits}
    return {"size": size, "partial": False, **_done(_failed(asked, parts))}


def _sizes(parts: Sequence[Part]) -> dict[str, Any]:
    """Add up; the number of rows is unknown where one of them is."""
    rows = [part.rows for part in parts]
    return {
        "num_bytes_original_files": sum(map(_file_bytes, parts)),
        "num_bytes_parquet_files": sum(_file_bytes(part) for part in parts if part.is_parquet),
        "num_bytes_memory": sum(map(_memory_bytes, parts)),
        "num_rows": None if None in rows else sum(row for row in rows if row is not None),
    }


def _column_count(asked: Question, part: Part) -> int | None:
    subset = next(one for one in asked.data_set.subsets if one.name == part.subset)
    return len(subset.features) or None


def _parquet(asked: Question) -> dict[str, Any]:
    subset = asked.fields.get("config", (None,))[-1]
    parts = asked.parts
    found = [item for item in _converted(asked) if subset in (None, item["config"])]
    failed: list[dict[str, Any]] = []
    if not found:
        found = list(_own_parquet(asked, parts))
        failed = [
            {**asked.named(part), "error": {"error": part.problem or _other(part)}}
            for part in parts
            if not part.is_parquet
        ]
    return {"parquet_files": found, "partial": False, **_done(failed)}


def _other(part: Part) -> str:
    """Say which file of it, that could be read, is no Parquet."""
    path = next(file.path for file in part.files if not file.path.endswith(".parquet"))
    return f"{path} is not Parquet, and {PARQUET_REF} is not in this mirror"


def _converted(asked: Question) -> Iterator[dict[str, Any]]:
    """The Hub's own conversion, where it is mirrored: ``<config>/<split>/0000.parquet``."""
    key = asked.data_set.manifest.key
    if PARQUET_REF not in asked.shelf.refs(key):
        return
    for file in asked.shelf.snapshot(key, PARQUET_REF).present:
        parts = file.path.split("/")
        if len(parts) == 3 and file.path.endswith(".parquet"):
            named = {"dataset": asked.dataset, "config": parts[0], "split": parts[1]}
            yield {**named, **_located(asked, PARQUET_REF, file.path, file.size)}


def _own_parquet(asked: Question, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    revision = asked.data_set.manifest.commit
    for part in parts:
        for file in part.files if part.is_parquet else ():
            yield {**asked.named(part), **_located(asked, revision, file.path, file.size)}


def _located(asked: Question, revision: str, path: str, size: int) -> dict[str, Any]:
    where = f"{asked.base}/datasets/{quote(asked.dataset)}/resolve/{quote(revision, safe='')}"
    name = path.rpartition("/")[2]
    return {"url": f"{where}/{quote(path)}", "filename": name, "size": size}


#: Question → what answers it.
ANSWERS: Final[Mapping[str, Callable[[Question], dict[str, Any] | Asset]]] = {
    "is-valid": _is_valid,
    "splits": _splits,
    "info": _info,
    "size": _size,
    "parquet": _parquet,
    "first-rows": first_rows,
    "rows": rows,
    "search": search,
    "filter": filtered,
    "statistics": statistics,
    "assets": asset,
}
