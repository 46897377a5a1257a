"""The subsets and splits of a data set, from its card, its infos and its file names.

A subset is what ``load_dataset`` calls a config. Where they are told, in this order:
the card's ``configs`` and ``dataset_info``, ``dataset_infos.json`` of older repos, the
names of the files. Sizes and row counts are those that somebody stated; counting rows
in files is ``row_counts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mirror.catalog.record.data_files import Matcher, infer_splits
from mirror.catalog.values import as_count, as_flag, as_mapping, as_mappings, as_text, as_texts

DEFAULT: Final = "default"
MAX_SUBSETS: Final = 2_000
MAX_SPLITS: Final = 1_000
MAX_FEATURES: Final = 300


@dataclass(frozen=True)
class Split:
    """A part of a subset: ``train``, ``test`` …"""

    name: str
    rows: int | None = None
    rows_from: str | None = None
    """Who says how many rows: ``card``, ``dataset_infos.json``, ``parquet`` or ``jsonl``."""
    num_bytes: int | None = None
    """Of the prepared Arrow data, as stated."""
    paths: tuple[str, ...] = ()
    """The files it is read from, as far as their names tell."""


@dataclass(frozen=True)
class Feature:
    """A column."""

    name: str
    dtype: str


@dataclass(frozen=True)
class Subset:
    """A configuration of a data set."""

    name: str
    splits: tuple[Split, ...] = ()
    is_default: bool = False
    """Whether ``load_dataset`` takes it where no name is given."""
    description: str | None = None
    num_bytes: int | None = None
    """Of the prepared Arrow data, all splits, as stated."""
    download_bytes: int | None = None
    features: tuple[Feature, ...] = ()


def find_subsets(
    card: Mapping[str, Any], infos: Mapping[str, Any], paths: list[str]
) -> tuple[Subset, ...]:
    """Put together what is known.

    Args:
        card: the card data: ``configs``, ``dataset_info``.
        infos: the content of ``dataset_infos.json``, by config name.
        paths: every file of the commit.
    """
    stated = {**_stated(as_mapping(infos), "dataset_infos.json"), **_by_name(card)}
    configs = _configs(card)
    matcher = Matcher(paths)
    if configs:
        found = [
            _merged(_from_config(name, config, matcher), stated.get(name))
            for name, config in list(configs.items())[:MAX_SUBSETS]
        ]
    elif stated:
        found = [_with_files(subset, paths, len(stated)) for subset in stated.values()]
    else:
        splits = infer_splits(paths)
        found = [Subset(DEFAULT, _splits_of(splits))] if splits else []
    return _marked_default(found[:MAX_SUBSETS])


def _marked_default(found: list[Subset]) -> tuple[Subset, ...]:
    """The one that says so is the default, else the one of that name, else the only one."""
    chosen = next((subset for subset in found if subset.is_default), None)
    chosen = chosen or next((subset for subset in found if subset.name == DEFAULT), None)
    chosen = chosen or (found[0] if len(found) == 1 else None)
    return tuple(replace(subset, is_default=subset is chosen) for subset in found)


# --- the card's configs: names and files -----------------------------------------


def _configs(card: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By name. Cards of before 2023 list bare names, of which nothing else is known."""
    value = card.get("configs")
    items = value if isinstance(value, list) else [value]
    found: dict[str, Mapping[str, Any]] = {}
    for item in items[:MAX_SUBSETS]:
        if isinstance(item, Mapping):
            found.setdefault(as_text(item.get("config_name")) or DEFAULT, item)
        elif (name := as_text(item)) is not None:
            found.setdefault(name, {})
    return found


def _from_config(name: str, config: Mapping[str, Any], matcher: Matcher) -> Subset:
    if config.get("data_files") is not None:
        splits = _splits_of(_listed_files(config["data_files"], matcher))
    elif "data_dir" in config:
        splits = _splits_of(infer_splits(matcher.below(as_text(config["data_dir"]) or "")))
    else:
        splits = ()
    return Subset(
        name,
        splits,
        is_default=as_flag(config.get("default")),
        description=as_text(config.get("description"), 2_000),
    )


def _listed_files(data_files: object, matcher: Matcher) -> Mapping[str, list[str]]:
    """``data_files`` in all its forms: a pattern, a list, ``{split: pattern}``, a list of those."""
    found: dict[str, list[str]] = {}
    items = data_files if isinstance(data_files, list) else [data_files]
    for item in items[:MAX_SPLITS]:
        if isinstance(item, Mapping) and "path" in item:
            entries = {as_text(item.get("split")) or "train": item["path"]}
        elif isinstance(item, Mapping):
            entries = {as_text(name) or "train": value for name, value in item.items()}
        else:
            entries = {"train": item}
        for name, patterns in list(entries.items())[:MAX_SPLITS]:
            paths = found.setdefault(name, [])
            for pattern in as_texts(patterns):
                paths += matcher.find(pattern)
    # A list that was cut off would give a wrong size: better none.
    return {name: [] for name in found} if matcher.exhausted else found


def _splits_of(files: Mapping[str, list[str]]) -> tuple[Split, ...]:
    return tuple(
        Split(name, paths=tuple(dict.fromkeys(paths)))
        for name, paths in list(files.items())[:MAX_SPLITS]
    )


# --- stated sizes: dataset_info, dataset_infos.json --------------------------------


def _by_name(card: Mapping[str, Any]) -> dict[str, Subset]:
    infos = {
        as_text(info.get("config_name")) or DEFAULT: info
        for info in as_mappings(card.get("dataset_info"))
    }
    return _stated(infos, "card")


def _stated(infos: Mapping[str, Any], source: str) -> dict[str, Subset]:
    found: dict[str, Subset] = {}
    for name, info in list(infos.items())[:MAX_SUBSETS]:
        if isinstance(info, Mapping) and (text := as_text(name)) is not None:
            found[text] = Subset(
                text,
                _stated_splits(info.get("splits"), source),
                description=as_text(info.get("description"), 2_000),
                num_bytes=as_count(info.get("dataset_size")),
                download_bytes=as_count(info.get("download_size")),
                features=read_features(info.get("features")),
            )
    return found


def _stated_splits(value: object, source: str) -> tuple[Split, ...]:
    """A list of ``{name, num_examples, num_bytes}``, or these by name."""
    if isinstance(value, Mapping):
        value = [{"name": name, **as_mapping(split)} for name, split in value.items()]
    splits: dict[str, Split] = {}
    for item in as_mappings(value)[:MAX_SPLITS]:
        name, rows = as_text(item.get("name")), as_count(item.get("num_examples"))
        if name is not None:
            stated = source if rows is not None else None
            splits[name] = Split(name, rows, stated, as_count(item.get("num_bytes")))
    return tuple(splits.values())


def read_features(value: object) -> tuple[Feature, ...]:
    """Read columns as cards and the ``datasets`` library write them: by name, or a list."""
    if isinstance(value, Mapping):
        pairs = [(name, dtype) for name, dtype in value.items()]
    else:
        pairs = [(item.get("name"), item) for item in as_mappings(value)]
    named = ((as_text(name), dtype) for name, dtype in pairs[:MAX_FEATURES])
    return tuple(Feature(name, _dtype(dtype)) for name, dtype in named if name is not None)


def _dtype(value: object) -> str:
    """One word for a type: ``string``, ``class_label``, ``image``, ``list``, ``struct``."""
    if isinstance(value, list):
        return "list"
    if not isinstance(value, Mapping):
        return _plain_type(as_text(value) or "unknown")
    inner = value.get("dtype")
    if isinstance(inner, str):
        return as_text(inner) or "unknown"
    if isinstance(inner, Mapping):
        return as_text(next(iter(inner), None)) or "struct"
    if (kind := as_text(value.get("_type"))) is not None:
        return "class_label" if kind == "ClassLabel" else kind.lower()
    return next((name for name in ("list", "sequence", "struct") if name in value), "struct")


def _plain_type(text: str) -> str:
    """``list`` of Arrow's ``list<element: string>``, ``struct`` of ``struct<a: int64>``."""
    return text.partition("<")[0].replace("large_list", "list") or "unknown"


# --- joining both -------------------------------------------------------------------


def _merged(config: Subset, stated: Subset | None) -> Subset:
    """The config's files with the stated sizes; the config decides what there is."""
    if stated is None:
        return config
    sizes = {split.name: split for split in stated.splits}
    splits = tuple(_with_size(split, sizes.get(split.name)) for split in config.splits)
    return replace(
        stated,
        splits=splits or stated.splits,
        is_default=config.is_default,
        description=config.description or stated.description,
    )


def _with_size(split: Split, stated: Split | None) -> Split:
    return split if stated is None else replace(stated, paths=split.paths)


def _with_files(subset: Subset, paths: list[str], subsets: int) -> Subset:
    """Files by their names, where there is only one subset that they can belong to."""
    if subsets > 1:
        return subset
    inferred = {split.name: split for split in _splits_of(infer_splits(paths))}
    splits = tuple(
        replace(split, paths=inferred[split.name].paths) if split.name in inferred else split
        for split in subset.splits
    )
    return replace(subset, splits=splits or tuple(inferred.values()))
