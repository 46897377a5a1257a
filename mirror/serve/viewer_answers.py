"""The viewer's answers, each a function of a question; shapes as the public server has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from mirror.catalog.record.subsets import Subset
from mirror.serve.errors import HubError
from mirror.serve.reply import number
from mirror.serve.shelf import Shelf
from mirror.serve.viewer_data import MAX_ROWS, DataSet, DataSets, Part
from mirror.serve.viewer_features import Cells, as_list
from mirror.serve.viewer_files import Row, Walk, format_of
from mirror.serve.viewer_where import parse_where

#: Where the Hub keeps its conversion of a data set.
PARQUET_REF: Final = "refs/convert/parquet"
_BUILDERS: Final = {"parquet": "parquet", "lines": "json", "json": "json", "csv": "csv"}
_VERSION: Final = {"version_str": "0.0.0", "major": 0, "minor": 0, "patch": 0}
#: Characters of what is searched for, and how deep in a row it is looked for.
_MAX_QUERY: Final = 300
_MAX_DEPTH: Final = 32


@dataclass(frozen=True)
class Question:
    """A request for a data set that is here."""

    dataset: str
    """Its id, as it is now."""
    fields: Mapping[str, Sequence[str]]
    base: str
    """Where the Hub itself is: ``http://hub.lab``."""
    shelf: Shelf
    data_sets: DataSets
    data_set: DataSet

    @property
    def parts(self) -> tuple[Part, ...]:
        """The splits it asks for.

        Raises:
            HubError: 404, there is no such subset.
        """
        subset = self.fields.get("config", (None,))[-1]
        found = self.data_set.parts(subset)
        if subset is not None and not found:
            raise HubError(404, "ConfigNotFoundError", "The dataset has no such config here")
        return found

    def part(self) -> Part:
        """Give the one split it asks for.

        Raises:
            HubError: 422, it does not say which; 404, there is none.
        """
        subset, split = needed(self.fields, "config"), needed(self.fields, "split")
        found = self.data_set.parts(subset, split)
        if not found:
            raise HubError(404, "SplitNotFoundError", "The config or the split does not exist here")
        return found[0]

    def named(self, part: Part) -> dict[str, Any]:
        """Give what every item about a split begins with."""
        return {"dataset": self.dataset, "config": part.subset, "split": part.split.name}


def needed(fields: Mapping[str, Sequence[str]], name: str) -> str:
    """Give a parameter that must be there.

    Raises:
        HubError: 422, it is missing.
    """
    text = fields.get(name, ("",))[-1]
    if not text:
        raise HubError(422, "MissingRequiredParameterError", f"Parameter '{name}' is required")
    return text


def _is_valid(asked: Question) -> dict[str, bool]:
    can = any(part.problem is None for part in asked.data_set.parts())
    return {"preview": can, "viewer": can, "search": can, "filter": can, "statistics": False}


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
    rows = [part.split.rows for part in parts]
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
            {**asked.named(part), "error": {"error": part.problem or "it is not Parquet"}}
            for part in parts
            if not part.is_parquet
        ]
    return {"parquet_files": found, "partial": False, **_done(failed)}


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


# --- rows -------------------------------------------------------------------------


def _first_rows(asked: Question) -> dict[str, Any]:
    part = asked.part()
    rows = Cells().rows(enumerate(asked.data_sets.rows(part, 0, MAX_ROWS)))
    return {
        **asked.named(part),
        "features": as_list(asked.data_sets.columns(part)),
        "rows": rows,
        "truncated": len(rows) == MAX_ROWS and part.split.rows != MAX_ROWS,
    }


def _rows(asked: Question) -> dict[str, Any]:
    part, (offset, length) = asked.part(), _page(asked)
    rows = asked.data_sets.rows(part, offset, length)
    return {
        "features": as_list(asked.data_sets.columns(part)),
        "rows": Cells().rows(enumerate(rows, offset)),
        "num_rows_total": part.split.rows,
        "num_rows_per_page": MAX_ROWS,
        "partial": False,
    }


def _search(asked: Question) -> dict[str, Any]:
    """Rows with all words somewhere in their text."""
    part = asked.part()
    words = needed(asked.fields, "query")[:_MAX_QUERY].casefold().split()

    def fits(row: Mapping[str, Any]) -> bool:
        text = " ".join(_texts(row)).casefold()
        return all(word in text for word in words)

    return _found(asked, part, fits)


def _filter(asked: Question) -> dict[str, Any]:
    """Rows of which a condition is true."""
    part, condition = asked.part(), parse_where(needed(asked.fields, "where"))
    if "orderby" in asked.fields:
        message = "Parameter 'orderby' is not known to a mirror: rows are in their own order"
        raise HubError(422, "InvalidParameterError", message)
    return _found(asked, part, lambda row: condition(row) is True)


def _found(asked: Question, part: Part, fits: Callable[[Row], bool]) -> dict[str, Any]:
    """Read rows until the time is up; those that fit and are on the page are told."""
    offset, length = _page(asked)
    walk, cells, found, total, late = Walk(), Cells(), list[dict[str, Any]](), 0, False
    for index, row in enumerate(asked.data_sets.walk(part, walk)):
        if fits(row):
            total += 1
            if offset < total <= offset + length:
                found.append(cells.row(index, row))
        if late := walk.is_late:
            break
    return {
        "features": as_list(asked.data_sets.columns(part)),
        "rows": found,
        "num_rows_total": total,
        "num_rows_per_page": MAX_ROWS,
        "partial": late,
    }


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list) and depth < _MAX_DEPTH:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item, depth + 1)


def _page(asked: Question) -> tuple[int, int]:
    offset = number(asked.fields, "offset", 0)
    length = number(asked.fields, "length", MAX_ROWS)
    if length > MAX_ROWS:
        message = f"Parameter 'length' must not be greater than {MAX_ROWS}"
        raise HubError(422, "InvalidParameterError", message)
    return offset, length


#: Question → what answers it.
ANSWERS: Final[Mapping[str, Callable[[Question], dict[str, Any]]]] = {
    "is-valid": _is_valid,
    "splits": _splits,
    "info": _info,
    "size": _size,
    "parquet": _parquet,
    "first-rows": _first_rows,
    "rows": _rows,
    "search": _search,
    "filter": _filter,
}
