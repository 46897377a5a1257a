"""What repos can be filtered, counted and sorted by: one list for the index and the search.

A *set* field has values, and the catalog keeps the set of repos of each value. A
*number* or *date* is filtered by ranges; the catalog keeps the repos of each bucket
(:func:`bucket_of`) and their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: What a repo is found by that states no licence.
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Field:
    """Something that repos can be filtered by."""

    name: str
    kind: Literal["set", "number", "date"]
    about: str
    """In a few words, for ``--help`` and errors."""
    aliases: tuple[str, ...] = ()
    known: bool = False
    """Whether its values are a vocabulary: one that is nowhere is a slip, not a search."""


_FIELDS: Final = (
    Field("type", "set", "model, dataset or space", ("repo_type",), known=True),
    Field("author", "set", "namespace", ("namespace", "org", "user")),
    Field("task", "set", "text-classification …", ("tasks", "pipeline_tag"), known=True),
    Field("license", "set", "mit, apache-2.0 …, or unknown", ("licence", "licenses"), known=True),
    Field("language", "set", "ko, Korean …", ("lang", "languages"), known=True),
    Field("library", "set", "transformers …", ("lib", "libraries"), known=True),
    Field("tag", "set", "a tag as the Hub writes it", ("tags", "other")),
    Field("format", "set", "safetensors, gguf, parquet …", ("formats",), known=True),
    Field("dtype", "set", "BF16, F32, Q4_K …", ("precision", "dtypes"), known=True),
    Field("quantization", "set", "gptq, awq, Q4_K_M …", ("quant", "quantisation"), known=True),
    Field("modality", "set", "text, image, audio …", ("modalities",), known=True),
    Field("size_category", "set", "10K<n<100K …", ("size_categories",), known=True),
    Field("base_model", "set", "made from this model", ("base",)),
    Field("relation", "set", "finetune, adapter, quantized, merge", known=True),
    Field("kind", "set", "pre-trained, fine-tuned, instruction-tuned …", known=True),
    Field("dataset", "set", "trained on this data set", ("datasets", "trained_on")),
    Field("evaluated_on", "set", "has results on this data set", ("benchmark",)),
    Field("paper", "set", "arXiv number", ("arxiv",)),
    Field("gated", "set", "no, auto or manual", known=True),
    Field("state", "set", "mirrored, or known only", known=True),
    Field("upstream", "set", "ok, gone, gated …", ("upstream_state",), known=True),
    Field("partial", "set", "yes or no: files were left out", known=True),
    Field("sdk", "set", "of a space: gradio …", known=True),
    Field("params", "number", "number of parameters", ("parameters",)),
    Field("size", "number", "bytes"),
    Field("rows", "number", "rows of a data set"),
    Field("downloads", "number", "of 30 days"),
    Field("likes", "number", "likes"),
    Field("created", "date", "when it was made"),
    Field("updated", "date", "when it was last changed", ("modified", "last_modified")),
)

#: By name, in the order in which people want them.
FIELDS: Final = {field.name: field for field in _FIELDS}
#: Every name and alias → field.
NAMES: Final = {name: field for field in _FIELDS for name in (field.name, *field.aliases)}

#: Facets that are counted beside results when nobody names any.
MAIN_FACETS: Final = ("type", "task", "license", "language", "library", "format")

#: Sort → the column of ``repos`` it follows, whether the most comes first. Ties: by id, type.
SORTS: Final = {
    "downloads": ("downloads", True),
    "likes": ("likes", True),
    "updated": ("last_modified", True),
    "created": ("created", True),
    "size": ("disk_size", True),
    "parameters": ("parameters", True),
    "name": ("repo_id", False),
}

#: Other names of sorts.
SORT_ALIASES: Final = {"modified": "updated", "last_modified": "updated", "params": "parameters"}

#: Number or date field → the column of ``repos`` with its exact value.
COLUMNS: Final = {
    "params": "parameters",
    "size": "disk_size",
    "rows": "rows",
    "downloads": "downloads",
    "likes": "likes",
    "created": "created",
    "updated": "last_modified",
}


def bucket_of(field: Field, value: int | str) -> str:
    """Give the bucket of a value: ``7000000`` of 7,654,321, ``2026-08`` of a time.

    Numbers fall between round ones (one digit, then zeros), so that the bounds which
    people type (1B, 2GB, 1000) are bounds of buckets.
    """
    if field.kind == "date":
        return str(value)[:7]
    digits = str(value)
    return digits[0] + "0" * (len(digits) - 1)
