"""The values of a repo's fields that come from tags, files and numbers together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mirror.catalog.record.evaluations import evaluated_on
from mirror.catalog.record.record import Evaluation
from mirror.catalog.record.stated import Stated
from mirror.catalog.record.subsets import Subset
from mirror.catalog.record.traits import (
    data_format,
    data_modalities,
    kinds_of_name,
    model_format,
    quantization_of_path,
    quantizations_of_config,
    relation_of,
    size_category_of,
    task_modalities,
)
from mirror.catalog.record.vocabulary import FINE_TUNED
from mirror.catalog.values import MAX_VALUES
from mirror.names import RepoKey, RepoType

_MODEL_FORMAT: Final = lru_cache(maxsize=1 << 14)(model_format)
_MODALITIES: Final = lru_cache(maxsize=1 << 10)(task_modalities)


@dataclass(frozen=True)
class Seen:
    """What the files of a repo tell."""

    paths: Sequence[str] = ()
    dtypes: Mapping[str, int] = field(default_factory=dict)
    quantization: str | None = None
    subsets: tuple[Subset, ...] = ()
    rows: int | None = None
    config: object = None
    """``config.json`` of a model, or what upstream tells of it."""
    evaluations: tuple[Evaluation, ...] = ()


def find_values(key: RepoKey, stated: Stated, seen: Seen) -> dict[str, tuple[str, ...]]:
    """Give the values by field; also the relation of bases that ``stated`` lacks.

    ``stated`` is filled further.
    """
    if key.repo_type is RepoType.MODEL:
        _of_model(key, stated, seen)
    elif key.repo_type is RepoType.DATASET:
        _of_dataset(stated, seen)
    for name in evaluated_on(seen.evaluations):
        stated.put("evaluated_on", name)
    return {name: tuple(values)[:MAX_VALUES] for name, values in stated.values.items()}


def _of_model(key: RepoKey, stated: Stated, seen: Seen) -> None:
    for path in seen.paths:
        # Few of a repo's names are its own: config.json is looked at once for all repos.
        if (name := _MODEL_FORMAT(path.rpartition("/")[2])) is not None:
            stated.put("format", name)
            if name == "gguf" and (quantization := quantization_of_path(path)) is not None:
                stated.put("quantization", quantization)
    if seen.quantization is not None:
        stated.put("quantization", seen.quantization)
    for name in quantizations_of_config(seen.config):
        stated.put("quantization", name)
    for dtype in seen.dtypes:
        stated.put("dtype", dtype)
    for kind in kinds_of_name(key.name):
        stated.put("kind", kind)
    for task in stated.tasks:
        for name in _MODALITIES(task):
            stated.put("modality", name)
    _relate(stated)


def _relate(stated: Stated) -> None:
    """Fill in how the model was made from bases that are only named, as the Hub does."""
    if not stated.base_models:
        return
    if None in stated.base_models.values():
        relation = relation_of(stated.tags, stated.libraries, stated.values.get("format", {}))
        for target, known in stated.base_models.items():
            stated.base_models[target] = known or relation
    if "finetune" in stated.base_models.values():
        stated.put("kind", FINE_TUNED)


def _of_dataset(stated: Stated, seen: Seen) -> None:
    formats = stated.values.get("format")
    if not formats:
        counts = Counter(name for path in seen.paths if (name := data_format(path)) is not None)
        for name, _ in counts.most_common(1):  # a data set has one format
            stated.put("format", name)
    if "modality" not in stated.values:
        dtypes = {f.dtype for subset in seen.subsets for f in subset.features}
        for name in data_modalities(sorted(dtypes), stated.values.get("format", {})):
            stated.put("modality", name)
        if "modality" not in stated.values:
            for task in stated.tasks:
                for name in _MODALITIES(task):
                    stated.put("modality", name)
    if "size_category" not in stated.values and seen.rows is not None:
        stated.put("size_category", size_category_of(seen.rows))
