"""YAML front matter into plain values: tolerant, bounded, and without surprises.

It builds the values from libyaml's events itself, for three reasons:

- YAML 1.1 reads ``language: no`` as false and ``2022-01-01`` as a date. Here only
  ``true`` and ``false`` are booleans, and dates stay text.
- A safe loader has no limits: a few lines of aliases stand for billions of values, and
  libyaml needs 15 s for 100,000 opening brackets. Here size, depth and the number of
  values (aliases counted in full) end with a problem.
- A loader gives all or nothing. Here what stood before the error is kept.

It never raises. What it read may be shared between branches (aliases), so treat it as
read-only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_CHARS: Final = 1 << 20
"""The longest front matter of 8,934 real cards has 230,000 characters (a model-index)."""
MAX_DEPTH: Final = 40
MAX_NODES: Final = 200_000

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})")
_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?"
)
_CONSTANTS: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class _Stop(Exception):
    """Reading ends here; the message says why."""


@dataclass
class _Open:
    """A list or mapping that is still being read."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    nodes: int = 1
    key: str | None = None
    """Of a mapping: the key whose value comes next."""
    has_key: bool = False


@dataclass
class _Builder:
    """Values from events, outermost first."""

    nodes: int = 0
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    root: Any = None

    def take(self, event: Any) -> None:
        """Go one event further."""
        match event:
            case yaml.ScalarEvent():
                self._put(_scalar(event), event.anchor)
            case yaml.MappingStartEvent():
                self._open({}, event.anchor)
            case yaml.SequenceStartEvent():
                self._open([], event.anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                if event.anchor not in self.anchors:
                    raise _Stop(f"undefined alias *{str(event.anchor)[:40]}")
                value, nodes = self.anchors[event.anchor]
                self._put(value, None, nodes)

    def _open(self, value: list[Any] | dict[str, Any], anchor: str | None) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _Stop(f"nested deeper than {MAX_DEPTH} levels")
        # In its place from the start, so that it is there if the text breaks off inside it.
        self._attach(value)
        self._count(1)
        self.stack.append(_Open(value, anchor))

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = (done.value, done.nodes)
        if self.stack:
            self.stack[-1].nodes += done.nodes

    def _put(self, value: Any, anchor: str | None, nodes: int = 1) -> None:
        self._count(nodes)
        self._attach(value)
        if self.stack:
            self.stack[-1].nodes += nodes
        if anchor is not None:
            self.anchors[anchor] = (value, nodes)

    def _attach(self, value: Any) -> None:
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif not parent.has_key:
            # A list or mapping as a key has no name that a catalog could use.
            parent.key = None if isinstance(value, list | dict) else _key(value)
            parent.has_key = True
        else:
            if parent.key is not None:
                parent.value[parent.key] = value
            parent.has_key = False

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _Stop(f"more than {MAX_NODES:,} values, aliases counted in full")


def parse_front_matter(text: str) -> tuple[dict[str, Any], str | None]:
    """Read the text between the two ``---`` lines.

    Returns:
        The values (those before the error, if there is one), and what is wrong or ``None``.
    """
    root, problem = parse_yaml(text, "front matter")
    if isinstance(root, dict):
        return root, problem
    if root is None:
        return {}, problem
    return {}, problem or "front matter is not a mapping"


def parse_yaml(text: str, what: str) -> tuple[Any, str | None]:
    """Read any YAML within the same limits; ``what`` it is, is said in the problem.

    Returns:
        Its first document as far as it could be read, and what is wrong or ``None``.
    """
    if len(text) > MAX_CHARS:
        return None, f"{what} is longer than {MAX_CHARS:,} characters"
    builder, problem = _Builder(), None
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            builder.take(event)
    except _Stop as stop:
        problem = f"{what}: {stop}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = f"{what} is not valid YAML: {_explain(error)}"
    return builder.root, problem


def _scalar(event: Any) -> Any:
    text: str = event.value
    plain = event.implicit[0] and not event.style  # libyaml says '', PyYAML None
    if not plain:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _key(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _explain(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    place = f" (line {mark.line + 1})" if mark is not None else ""
    return f"{problem}{place}"[:200]
