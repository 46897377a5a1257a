"""The value of a filter as the catalog has it: ``Korean`` is ``ko``, ``models`` is ``model``.

Whatever is not known to have another spelling is left as it was written: the catalog
finds it whatever its case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mirror.catalog.record.languages import parse_language
from mirror.catalog.record.licenses import license_id
from mirror.catalog.record.vocabulary import task_name

_YES: Final = frozenset({"yes", "true", "1"})
_NO: Final = frozenset({"no", "false", "0"})
_HUB: Final = ("https://huggingface.co/", "http://huggingface.co/", "https://hf.co/")


#: Fields with these values and no others, whatever there will be on the Hub.
_CHOICES: Final = {
    "type": ("model", "dataset", "space"),
    "gated": ("no", "auto", "manual"),
    "state": ("mirrored", "known"),
    "partial": ("yes", "no"),
}


def normal_values(field: str, text: str) -> tuple[str, ...]:
    """Give the values that one written value of a set field stands for; mostly one.

    Raises:
        ValueError: the field has a few values only, and this is none of them.
    """
    text = text.strip()
    found = _NORMAL[field](text) if field in _NORMAL else (text,)
    if field in _CHOICES and text and not set(found) <= set(_CHOICES[field]):
        raise ValueError(f"{field}: {text!r} is none of {', '.join(_CHOICES[field])}")
    return found


def _lower(text: str) -> tuple[str, ...]:
    return (text.lower(),)


def _type(text: str) -> tuple[str, ...]:
    lower = text.lower()
    return (lower[:-1] if lower in {"models", "datasets", "spaces"} else lower,)


def _license(text: str) -> tuple[str, ...]:
    return (license_id(text) or text.lower(),)


def _language(text: str) -> tuple[str, ...]:
    """``zh-Hant`` means the script as well; ``ko`` and ``Korean`` whatever is in Korean."""
    spelling = text.lower().replace("_", "-")
    head, hyphen, _ = spelling.partition("-")
    if hyphen and len(head) <= 3:
        return (spelling,)
    return tuple(language.code for language in parse_language(text)) or (spelling,)


def _gated(text: str) -> tuple[str, ...]:
    lower = text.lower()
    return ("auto", "manual") if lower in _YES else ("no",) if lower in _NO else (lower,)


def _partial(text: str) -> tuple[str, ...]:
    lower = text.lower()
    return ("yes",) if lower in _YES else ("no",) if lower in _NO else (lower,)


def _repo(text: str) -> tuple[str, ...]:
    return (_bare(text, (*_HUB, "datasets/", "models/")),)


def _paper(text: str) -> tuple[str, ...]:
    pages = ("https://arxiv.org/abs/", "arxiv.org/abs/", *(f"{hub}papers/" for hub in _HUB))
    return (_bare(text.lower(), (*pages, "arxiv:")),)


def _bare(text: str, starts: tuple[str, ...]) -> str:
    """Leave out whatever stands before the name in an address."""
    while start := next((start for start in starts if text.startswith(start)), ""):
        text = text[len(start) :].strip()
    return text


_NORMAL: Final[dict[str, Callable[[str], tuple[str, ...]]]] = {
    "type": _type,
    "task": lambda text: (task_name(text),),
    "license": _license,
    "language": _language,
    "library": _lower,
    "format": _lower,
    "modality": _lower,
    "kind": _lower,
    "relation": _lower,
    "state": _lower,
    "upstream": _lower,
    "sdk": _lower,
    "gated": _gated,
    "partial": _partial,
    "base_model": _repo,
    "dataset": _repo,
    "evaluated_on": _repo,
    "paper": _paper,
}
