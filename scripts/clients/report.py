"""What was seen at both places, compared, and the page of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clients.environments import Environment

BEGIN: Final = "<!-- begin: written by scripts/test-clients -->"
END: Final = "<!-- end: written by scripts/test-clients -->"

SAME: Final = "yes"
DIFFERENT: Final = "**differs**"
FAILED: Final = "**fails**"
NOWHERE: Final = "not at the hub"
BETTER: Final = "only here"
NOT_OFFERED: Final = "–"
AS_MIRRORED: Final = "as mirrored"
#: What a mirror tells otherwise, and means to: it has the commits it mirrored, not those between.
MEANT: Final = frozenset({"history", "last commits"})


@dataclass(frozen=True)
class Cell:
    """What came of one operation of one client, and why where it is not the same."""

    text: str
    why: tuple[Any, ...] = ()

    @property
    def worse(self) -> bool:
        """Whether the mirror did less well than the hub."""
        return self.text in (DIFFERENT, FAILED)


def compare(
    hub: Mapping[str, dict[str, Any]],
    mirror: Mapping[str, dict[str, Any]],
    same: Mapping[str, str],
) -> dict[str, Cell]:
    """Compare the records of two runs; ``same`` holds texts that mean the same in both."""
    return {name: _cell(_plain(hub[name], same), _plain(mirror[name], same)) for name in hub}


def _plain(record: dict[str, Any], same: Mapping[str, str]) -> dict[str, Any]:
    text = json.dumps(record)
    for found, instead in same.items():
        text = text.replace(found, instead)
    plain: dict[str, Any] = json.loads(text)
    return plain


def _cell(hub: dict[str, Any], mirror: dict[str, Any]) -> Cell:
    outcomes = (hub["outcome"], mirror["outcome"])
    if outcomes == ("none", "none"):
        return Cell(NOT_OFFERED)
    if outcomes == ("ok", "ok"):
        if hub["seen"] == mirror["seen"]:
            return Cell(mirror.get("note", SAME))
        parts = _parts(hub["seen"], mirror["seen"])
        if MEANT.issuperset(part[0] for part in parts):
            return Cell(AS_MIRRORED)
        return Cell(DIFFERENT, parts)
    if outcomes == ("failed", "failed"):
        return Cell(NOWHERE, (hub["seen"], mirror["seen"]))
    if mirror["outcome"] == "ok":
        return Cell(BETTER, (hub["seen"],))
    return Cell(FAILED, (mirror["seen"],))


def _parts(hub: Any, mirror: Any) -> tuple[Any, ...]:
    """Give the parts that differ: (where, at the hub, at the mirror)."""
    if isinstance(hub, dict) and isinstance(mirror, dict):
        keys = [key for key in {**hub, **mirror} if hub.get(key) != mirror.get(key)]
        return tuple((key, hub.get(key), mirror.get(key)) for key in keys)
    return (("all", hub, mirror),)


def write_page(
    page: Path,
    environments: Mapping[str, Environment],
    results: Mapping[str, Mapping[str, Cell]],
) -> None:
    """Write the matrix between the markers of the page; the words around it stay."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    body = f"{_clients(environments, results)}\n{_matrix(results)}\n{_notes(results)}"
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}", encoding="utf-8")


def _clients(
    environments: Mapping[str, Environment], results: Mapping[str, Mapping[str, Cell]]
) -> str:
    rows = [
        f"| {name} | {environments[name].title} | "
        f"{', '.join(f'{package}' for package in environments[name].packages[:3])} |"
        for name in results
    ]
    return "\n".join(["| Client | | Packages |", "|---|---|---|", *rows, ""])


def _matrix(results: Mapping[str, Mapping[str, Cell]]) -> str:
    names = list(dict.fromkeys(name for found in results.values() for name in found))
    lines = [f"| Operation | {' | '.join(results)} |", "|---" * (len(results) + 1) + "|"]
    for name in names:
        cells = (found.get(name, Cell(NOT_OFFERED)).text for found in results.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _notes(results: Mapping[str, Mapping[str, Cell]]) -> str:
    lines = [
        f"- {client}, {name}, {cell.text}: `{_short(cell.why)}`"
        for client, found in results.items()
        for name, cell in found.items()
        if cell.why
    ]
    return "\n".join([*(lines or ["Nothing differs, and nothing fails."]), ""])


def _short(why: tuple[Any, ...]) -> str:
    text = json.dumps(why, ensure_ascii=False)
    text = re.sub(r"/\S*/clients-\w+", "…", text)
    return text.replace("`", "'").replace("|", "/")[:300]
