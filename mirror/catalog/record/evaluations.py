"""Evaluation results: what a card states in its ``model-index``, and ``.eval_results/*.yaml``.

Both are claims of whoever wrote them. The values are kept as they were written: one card
says 0.87 where another says 87, and which of them is a share of 100 is not ours to guess.
``verified`` is what the file says of itself; the mirror checks no signature.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mirror.catalog.record.record import Evaluation
from mirror.catalog.values import as_mapping, as_mappings, as_text, as_time, unique

#: Of one repo. The longest of 1,464 real ``model-index`` blocks has about 1,100.
MAX_EVALUATIONS: Final = 5_000
CARD: Final = "card"
EVAL_RESULTS: Final = ".eval_results"

_NUMBER: Final = re.compile(r"[-+]?\d{1,20}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?")
#: Not data sets, but the loaders of a local one, which trainers write for its id.
_LOADERS: Final = frozenset(
    {"audiofolder", "imagefolder", "videofolder", "csv", "json", "parquet", "text", "generator",
     "arrow", "custom", "unknown", "none", "other"}
)  # fmt: skip


@dataclass(frozen=True)
class _Where:
    """On what a result was measured."""

    task: str | None
    dataset: str | None
    dataset_name: str | None
    subset: str | None
    split: str | None
    url: str | None


def find_evaluations(
    card: Mapping[str, Any], upstream: Mapping[str, Any], files: Iterable[object] = ()
) -> tuple[Evaluation, ...]:
    """Give every result once, those of files first.

    Args:
        card: the card data: ``model-index``.
        upstream: the raw info: ``model-index``, ``evalResults``.
        files: the content of each file below ``.eval_results``.
    """
    index = card.get("model-index") or upstream.get("model-index")
    entries = [*files, upstream.get("evalResults")]
    if index is None and not any(entries):
        return ()
    found: dict[Evaluation, None] = {}
    for item in (*(e for entry in entries for e in _from_entries(entry)), *_from_index(index)):
        if len(found) >= MAX_EVALUATIONS:
            break
        found[item] = None
    return tuple(found)


def evaluated_on(evaluations: Iterable[Evaluation]) -> tuple[str, ...]:
    """Give the data sets of results: ids, and names where there is no id."""
    return unique(
        name for item in evaluations if (name := item.dataset or item.dataset_name) is not None
    )


# --- model-index ------------------------------------------------------------------------


def _from_index(index: object) -> Iterator[Evaluation]:
    for model in as_mappings(index):
        for result in as_mappings(model.get("results")):
            where = _where(result)
            for metric in as_mappings(result.get("metrics")):
                yield from _metric(where, metric)


def _where(result: Mapping[str, Any]) -> _Where:
    # Some cards have the name alone in place of the mapping.
    dataset = _named(result.get("dataset"))
    task = _named(result.get("task"))
    args = dataset.get("args")
    arguments = as_mapping(args)
    return _Where(
        task=as_text(task.get("type")) or as_text(task.get("name")),
        dataset=_dataset_id(as_text(dataset.get("type"))),
        dataset_name=as_text(dataset.get("name")),
        subset=as_text(dataset.get("config")) or as_text(arguments.get("config")) or as_text(args),
        split=as_text(dataset.get("split")) or as_text(arguments.get("split")),
        url=_url(as_mapping(result.get("source")).get("url")),
    )


def _metric(where: _Where, metric: Mapping[str, Any]) -> Iterator[Evaluation]:
    name, kind = as_text(metric.get("name")), as_text(metric.get("type"))
    verified = metric.get("verified") is True and as_text(metric.get("verifyToken")) is not None
    for part, value in _numbers(metric.get("value")):
        if (called := part or kind or name) is not None:
            yield Evaluation(
                metric=called.lower(),
                value=value,
                metric_name=name if part is None else None,
                verified=verified,
                source=CARD,
                **vars(where),
            )


def _numbers(value: object) -> Iterator[tuple[str | None, float]]:
    """One number; or several by their name (``{rouge1: 59.4, rouge2: 40}``)."""
    if isinstance(value, Mapping):
        for name, inner in list(value.items())[:100]:
            if (number := as_number(inner)) is not None:
                yield as_text(name), number
    elif (number := as_number(value)) is not None:
        yield None, number


def as_number(value: object) -> float | None:
    """Read a measured value: a finite number, or a text such as ``20.41%``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value[:64].strip().removesuffix("%").strip()
        value = float(text) if _NUMBER.fullmatch(text) else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


# --- .eval_results ----------------------------------------------------------------------


def _from_entries(entries: object) -> Iterator[Evaluation]:
    """Results of one file, or of upstream's answer, which wraps each one in ``data``."""
    for item in as_mappings(entries):
        entry = as_mapping(item.get("data")) or item
        dataset, source = _named(entry.get("dataset")), as_mapping(entry.get("source"))
        number = as_number(entry.get("value"))
        identity = as_text(dataset.get("id"))
        if number is None or identity is None or "error" in item:
            continue
        task = as_text(dataset.get("task_id"))
        yield Evaluation(
            # A benchmark has one metric for each of its tasks, and only the task is named.
            metric="score" if task is None or task == "default" else task.lower(),
            value=number,
            dataset=identity,
            subset=task,
            metric_name=as_text(entry.get("notes")),
            source=EVAL_RESULTS,
            verified=as_text(entry.get("verifyToken")) is not None,
            date=as_time(entry.get("date")),
            url=_url(source.get("url")),
        )


def _named(value: object) -> Mapping[str, Any]:
    """A mapping; some write only the name in its place."""
    if isinstance(value, str):
        return {"type": value, "name": value, "id": value}
    return as_mapping(value)


def _dataset_id(text: str | None) -> str | None:
    return None if text is None or text.lower() in _LOADERS else text


def _url(value: object) -> str | None:
    """A link that a page may show: http alone."""
    text = as_text(value, 500)
    return text if text is not None and text.startswith(("https://", "http://")) else None
