"""One repo of the store into its record: the only place here that opens files.

What it reads, it hands on as plain values; what they mean is decided in the modules
beside this one, which are pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from mirror.catalog.record.front_matter import MAX_CHARS, parse_yaml
from mirror.catalog.record.metadata import (
    Contents,
    Draft,
    RepoRecord,
    describe_draft,
    draft_of,
    find_dtypes,
    find_parameters,
)
from mirror.catalog.record.row_counts import fill_rows
from mirror.catalog.record.source import read_source
from mirror.catalog.record.weight_files import main_weights
from mirror.catalog.record.weights import Weights, read_weights
from mirror.catalog.values import as_mapping, clean_text
from mirror.errors import MirrorError
from mirror.names import RepoKey, RepoType
from mirror.store import Manifest, Store

#: Files of evaluation results that are read: one for each benchmark.
_MAX_EVALUATION_FILES: Final = 200
#: Labels of a classifier with 20,000 classes take about 1 MB.
_MAX_CONFIG_BYTES: Final = 4 << 20
_EVALUATIONS: Final = ".eval_results/"


def read_record(store: Store, key: RepoKey) -> RepoRecord | None:
    """Read all that the mirror has of one repo; ``None`` where nothing is published.

    Raises:
        MirrorError: the refs, or the manifest they point at, cannot be read.
    """
    source = read_source(store, key)
    if source is None:
        return None
    draft = draft_of(source)
    return describe_draft(draft, _read_contents(store, draft))


def _read_contents(store: Store, draft: Draft) -> Contents:
    manifest, problems = draft.source.manifest, list[str]()
    return Contents(
        subsets=fill_rows(store, draft.subsets, manifest.files),
        weights=_read_weights(store, draft),
        evaluations=tuple(_read_evaluations(store, manifest, problems)),
        config=_read_config(store, draft, "config.json"),
        adapter=_read_config(store, draft, "adapter_config.json"),
        problems=tuple(problems),
    )


def _read_config(store: Store, draft: Draft, path: str) -> Mapping[str, Any]:
    """Read a model's JSON file at the root, where upstream has not told what is in it."""
    manifest = draft.source.manifest
    if manifest.repo_type is not RepoType.MODEL or draft.raw.get("config"):
        return {}
    file = manifest.file(path)
    if file is None or not file.present or file.sha256 is None:
        return {}
    if file.size > _MAX_CONFIG_BYTES:
        return {}
    try:
        with store.blobs.open(file.sha256) as stream:
            return as_mapping(json.loads(stream.read(_MAX_CONFIG_BYTES)))
    except (MirrorError, OSError, ValueError, RecursionError):
        return {}


def _read_weights(store: Store, draft: Draft) -> Weights | None:
    """Read the heads of the main weights, where upstream has not counted them itself.

    ``None`` where a part of them is not in the mirror, or is not what it should be: half
    of a model's parameters are no number at all.
    """
    manifest = draft.source.manifest
    if manifest.repo_type is not RepoType.MODEL:
        return None
    if find_parameters(draft.raw) is not None and find_dtypes(draft.raw):
        return None
    files = {file.path: file for file in manifest.files}
    total: Weights | None = None
    for path in main_weights({path: file.size for path, file in files.items()}):
        file = files[path]
        if not file.present or file.sha256 is None:
            return None
        try:
            with store.blobs.open(file.sha256) as stream:
                found = read_weights(path, stream)
        except (MirrorError, OSError):
            return None
        if found is None:
            return None
        total = found if total is None else total + found
    return total


def _read_evaluations(store: Store, manifest: Manifest, problems: list[str]) -> list[object]:
    found: list[object] = []
    for file in manifest.present_files:
        if len(found) >= _MAX_EVALUATION_FILES:
            break
        is_one = file.path.startswith(_EVALUATIONS) and file.path.endswith((".yaml", ".yml"))
        if not is_one or file.sha256 is None:
            continue
        try:
            with store.blobs.open(file.sha256) as stream:
                text = stream.read(MAX_CHARS + 1).decode("utf-8", "replace")
        except (MirrorError, OSError):
            problems.append(f"{file.path} cannot be read from the mirror")
            continue
        value, problem = parse_yaml(clean_text(text), file.path)
        found.append(value)
        if problem is not None:
            problems.append(problem)
    return found
