"""Markdown into a few words of plain text: a title, a summary, what is searched.

No Markdown parser: only enough is taken away that a person can read the rest in one
line. Every expression here is linear in the length of the text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mirror.catalog.values import clean_text

#: The longest title and summary, in characters.
MAX_TITLE: Final = 160
MAX_SUMMARY: Final = 400
#: The longest description of upstream: the Hub cuts them at about 500 itself.
MAX_DESCRIPTION: Final = 2_000
#: A shorter paragraph is rather a label or a link than a summary.
_MIN_SUMMARY: Final = 40
#: Summaries stand near the top; the rest is not looked at.
_SEARCHED: Final = 60_000

_HEADING: Final = re.compile(r"#{1,6}[ \t]+(\S.*)")
_TELLING: Final = re.compile(
    r"summary|description|overview|introduction|about|소개|개요|설명|요약|概要|简介|介绍",
    re.IGNORECASE,
)
_NO_PROSE: Final = re.compile(r"[-*+|<>=~`!$]|\d+[.)] |\[!|\{\{")
_IMAGE: Final = re.compile(r"!\[[^\[\]]{0,500}\]\([^()\s]{0,2000}[^()]{0,200}\)")
_LINK: Final = re.compile(r"\[([^\[\]]{0,500})\]\([^()\s]{0,2000}[^()]{0,200}\)")
_BREAK: Final = re.compile(r"<(?:br|p|div|li|t[dhr]|h\d|hr)\b[^<>]{0,2000}>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,2000}>")
_MARKS: Final = re.compile(r"\*\*|__|`|~~|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
_ESCAPE: Final = re.compile(r"\\([\[\]|*_#])")
#: Headings of templates that say nothing of this repo.
_EMPTY_TITLE: Final = re.compile(
    r"(?:data ?set|model)(?: ?card)?(?: for)?(?: \[.*)?|table of contents|readme|untitled|\[.*",
    re.IGNORECASE,
)
#: Where the first heading is a section's, the card has no title.
_SECTION: Final = re.compile(
    r"(?:model |data ?set )?"
    r"(?:id|usage|news|description|details?|documentation|overview|summary|introduction)|how .*",
    re.IGNORECASE,
)
#: Paragraphs that templates bring along.
_FILLER: Final = re.compile(
    r"\[?more information needed|\[?needs more information|thanks to .{0,200} for adding"
    r"|users \(both direct and downstream\)",
    re.IGNORECASE,
)
#: Of a card without prose: the shortest line that says something, and how many of them.
_MIN_LITTLE: Final = 5
_MAX_LITTLE: Final = 6
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,3}[.)])[ \t]+(\S.*)")
#: Items that templates bring along, with a link or nothing behind them.
_OF_TEMPLATE: Final = re.compile(
    r"(?:homepage|repository|paper|leaderboard|point of contact|demo|website|license|language\(s\)"
    r"|developed by|model type|funded by|shared by|finetuned from)\b[^:]{0,40}:",
    re.IGNORECASE,
)
_PAPER: Final = re.compile(
    r"(?:arxiv\.org/(?:abs|pdf)|huggingface\.co/papers|hf\.co/papers)/(\d{4}\.\d{4,5})(?!\d)"
)
_MAX_PAPERS: Final = 100
_CARD_FOR: Final = re.compile(r"(?:data ?set|model) card (?:for|of) ", re.IGNORECASE)


@dataclass(frozen=True)
class _Paragraph:
    text: str
    under: str
    """The heading that it follows."""


def plain_line(markdown: str, limit: int) -> str:
    """Give Markdown as one line of text without marks, at most ``limit`` characters."""
    text = markdown[: 4 * limit]
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub(" ", text))
    text = clean_text(html.unescape(text) if "&" in text else text)
    if any(mark in text for mark in "*_`~"):
        text = _MARKS.sub("", text)
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else shorten(text, limit)


def shorten(text: str, limit: int) -> str:
    """Cut ``text`` at a word, with ``…`` at its end."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    space = cut.rfind(" ", limit // 2)
    return (cut[:space] if space > 0 else cut).rstrip(" ,;:.") + "…"


def find_papers(markdown: str) -> tuple[str, ...]:
    """Give the arXiv numbers of the papers that a card links to, as upstream tags them."""
    return tuple(dict.fromkeys(_PAPER.findall(markdown)))[:_MAX_PAPERS]


def find_title(markdown: str) -> str | None:
    """Give the first heading that says something, without ``Dataset Card for``."""
    for line in _lines(markdown):
        heading = _HEADING.match(line)
        if heading is None:
            continue
        title = _CARD_FOR.sub("", plain_line(heading[1].rstrip("# "), MAX_TITLE))
        if title and not _EMPTY_TITLE.fullmatch(title):
            return None if _SECTION.fullmatch(title) else title
    return None


def find_summary(markdown: str) -> str | None:
    """Give the paragraph that says what the repo is.

    The first one under a heading such as ``Dataset Summary``, else the first at all; where
    there is none, what little there is: a short line, a list, a heading.
    """
    first = None
    for paragraph in _paragraphs(markdown):
        text = plain_line(paragraph.text, MAX_SUMMARY)
        if (len(text) < _MIN_SUMMARY and not _is_dense(text)) or _FILLER.match(text):
            continue
        if _TELLING.search(paragraph.under):
            return text
        first = first or text
    return first or _little(markdown)


def _little(markdown: str) -> str | None:
    """Make a line of a card without prose; ``None`` of an empty template."""
    lines: list[str] = []
    items: list[str] = []
    headings: list[str] = []
    for line in _lines(markdown):
        heading, item = _HEADING.match(line), _ITEM.match(line)
        text = plain_line((heading or item or (line, line))[1], MAX_SUMMARY)
        if len(text) < _MIN_LITTLE or _FILLER.search(text) or _OF_TEMPLATE.match(text):
            continue
        if heading is not None:
            if not (_EMPTY_TITLE.fullmatch(text) or _SECTION.fullmatch(text)):
                headings.append(_CARD_FOR.sub("", text.rstrip("# ")))
        elif item is not None:
            if "](#" not in line:
                items.append(text)
        elif _is_prose(line):
            lines.append(text)
            break
    found = next((group for group in (lines, items[:_MAX_LITTLE], headings[:1]) if group), [])
    return shorten("; ".join(dict.fromkeys(found)), MAX_SUMMARY) or None


def _is_dense(text: str) -> bool:
    """Whether a short text is a sentence all the same: Korean and Chinese need fewer letters."""
    wide = sum(1 for char in text if char >= "\u1100")
    return wide >= _MIN_SUMMARY // 4


def _paragraphs(markdown: str) -> Iterator[_Paragraph]:
    under, held = "", ""
    for line in [*_lines(markdown), ""]:
        heading = _HEADING.match(line)
        if heading is None and line and _is_prose(line):
            held = f"{held} {line}" if held else line
            continue
        if held:
            yield _Paragraph(held, under)
            held = ""
        if heading is not None:
            under = heading[1]


def _is_prose(line: str) -> bool:
    """Whether a line is no list item, table, quote, tag or formula; bold words are prose."""
    return line.startswith(("**", "__", "`")) or not _NO_PROSE.match(line)


def _without_comments(text: str) -> str:
    """Take away ``<!-- … -->``; one that is never closed stays."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[at:start])
        at = end + len("-->")
    return "".join([*kept, text[at:]])


def _lines(markdown: str) -> Iterator[str]:
    """Lines near the top, without code blocks, comments and space around them."""
    fenced = False
    for line in _without_comments(markdown[:_SEARCHED]).split("\n"):
        stripped = line.strip()
        if stripped.startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield stripped
