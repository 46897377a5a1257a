"""A README as bytes into a card: front matter and text.

A card is prose by anybody: no front matter, front matter under the heading, broken
YAML, UTF-16 or no text at all. :func:`read_card` takes all of it: it never raises, and
whatever happens, the text is kept and what was wrong is said in ``problems``.

It knows nothing of what the metadata means (``metadata``), nor of Markdown (``prose``).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mirror.catalog.record.front_matter import MAX_CHARS, parse_front_matter
from mirror.catalog.values import clean_text

#: What is read of a README. The longest of 8,934 real cards has 600 kB.
MAX_BYTES: Final = 2 << 20

_FENCE: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)
#: Front matter that is not at the top is found below at most so much text.
_SEARCHED: Final = 2_000
#: … and is told from a horizontal rule by one of the Hub's own keys.
_TELLING: Final = frozenset(
    {"annotations_creators", "base_model", "configs", "dataset_info", "datasets", "language",
     "library_name", "license", "metrics", "model-index", "multilinguality", "pipeline_tag",
     "pretty_name", "size_categories", "tags", "task_categories", "task_ids", "widget"}
)  # fmt: skip


@dataclass(frozen=True)
class CardText:
    """A README, taken apart."""

    data: Mapping[str, Any]
    """The front matter: JSON-like values, unchecked. Dates are texts."""
    body: str
    """The Markdown without the front matter."""
    problems: tuple[str, ...] = ()
    """What was wrong with it, for people."""


def read_card(content: bytes) -> CardText:
    """Take a README apart. Never raises; reads :data:`MAX_BYTES` of it."""
    problems: list[str] = []
    if len(content) > MAX_BYTES:
        problems.append(f"longer than {MAX_BYTES:,} bytes: the rest is not in the catalog")
    text = _decode(content[:MAX_BYTES], problems)
    place = _find_front_matter(text)
    if place is None:
        return CardText({}, text.strip(), tuple(problems))
    start, inner_start, inner_end, end = place
    data, problem = parse_front_matter(text[inner_start:inner_end])
    before = text[:start].strip()
    if before and not _TELLING & data.keys():
        return CardText({}, text.strip(), tuple(problems))
    if before:
        problems.append("front matter is not at the top")
    if problem is not None:
        problems.append(problem)
        if not data:  # whatever it is, somebody wrote it to be read
            return CardText({}, text.strip(), tuple(problems))
    body = "\n\n".join(part for part in (before, text[end:].strip()) if part)
    return CardText(data, body, tuple(problems))


def _decode(content: bytes, problems: list[str]) -> str:
    """Text with Unix line ends, without a byte order mark and what cannot be stored."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
        problems.append("UTF-16, not UTF-8")
    else:
        # A card that was cut may end within a character: that is not its fault.
        text = content.decode("utf-8-sig", "replace").rstrip("\ufffd")
        if "\ufffd" in text and "\ufffd".encode() not in content:
            problems.append("not UTF-8: what could not be read is shown as \ufffd")
    if "\0" in text:
        problems.append("has NUL characters in it")
    return clean_text(text).replace("\r\n", "\n").replace("\r", "\n")


def _find_front_matter(text: str) -> tuple[int, int, int, int] | None:
    """Where the front matter is: opening line, its text from and to, and what follows it."""
    opening = _FENCE.search(text, 0, _SEARCHED)
    if opening is None:
        return None
    closing = _FENCE.search(text, opening.end())
    if closing is None or closing.start() - opening.end() > 2 * MAX_CHARS:
        return None
    return opening.start(), opening.end(), closing.start(), closing.end()
