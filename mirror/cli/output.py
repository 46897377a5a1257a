"""How values look on stdout: a table for a person, tab-separated lines for a program.

Names, titles and messages come from upstream and are untrusted: whatever could steer a
terminal is taken out of them (:func:`clean`). rich is imported only when stdout is a
terminal.

In a pipe a table has no heading, one line for each row, tabs between the columns, and
plain values: sizes in bytes, whole commit hashes, nothing cut off.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

#: Control characters (C0 without newline and tab, DEL, C1) and bidirectional overrides.
#: Also halves of surrogate pairs, which cannot be written at all.
_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

#: Cells that a column keeps when the terminal is narrow.
_LEAST_WIDTH: Final = 8


@dataclass(frozen=True)
class Cell:
    """One value of a table, as a person and as a program wants it."""

    shown: str
    plain: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table for people."""

    heading: str
    justify: Literal["left", "right"] = "left"
    whole: bool = False
    """Never shortened, folded onto more lines instead: ids and paths."""


@dataclass(frozen=True)
class Note:
    """A line below a row of a table for people, with places that stand out."""

    text: str
    marked: Sequence[tuple[int, int]] = ()
    """From and to, in characters."""


def clean(text: str) -> str:
    """Take out what could steer a terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """Make one clean line of any text."""
    return clean(" ".join(text.split()))


def emit(text: str = "") -> None:
    """Write a line of data."""
    click.echo(clean(text))


def talk(text: str) -> None:
    """Write a line for the person to stderr."""
    click.echo(clean(text), err=True)


def emit_json(value: Any) -> None:
    """Write JSON; what could steer a terminal is escaped, Korean is not."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(_STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def on_terminal() -> bool:
    """Whether a person sees stdout as it is written."""
    return sys.stdout.isatty()


def emit_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell | str | int]],
    *,
    notes: Sequence[Note | None] | None = None,
    report: bool = False,
) -> None:
    """Write rows: a table on a terminal, tab-separated lines in a pipe.

    ``notes`` stand below their rows on a terminal, and nowhere else. A ``report`` is for
    people wherever it goes: in a pipe it keeps its headings, and its columns are aligned
    by spaces.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if on_terminal():
        _rich_table(columns, cells, notes or [None] * len(cells))
    elif report:
        _aligned_table(columns, cells)
    else:
        for row in cells:
            click.echo("\t".join(one_line(cell.plain) for cell in row))


def emit_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Write ``label  value`` lines, the values below each other."""
    shown = [(label, value) for label, value in pairs if value]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        first, *more = clean(value).splitlines() or [""]
        click.echo(f"{label.ljust(width)}  {first}")
        for line in more:
            click.echo(f"{' ' * width}  {line}")


def console() -> Console:
    """Give rich's console on stdout; only for a terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


def _cell(value: Cell | str | int) -> Cell:
    return value if isinstance(value, Cell) else Cell(str(value), str(value))


def emit_csv(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write CSV as spreadsheets read it: a heading, several values of a cell by commas.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, as
    texts come from strangers.
    """
    import csv

    class _Lines:
        def write(self, line: str) -> None:
            click.echo(line, nl=False)

    writer = csv.writer(_Lines(), lineterminator="\n")
    writer.writerow(heading)
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])


def _csv_cell(value: Any) -> Any:
    if isinstance(value, tuple | list):
        value = ",".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def _rich_table(
    columns: Sequence[Column], rows: list[list[Cell]], notes: Sequence[Note | None]
) -> None:
    from rich.cells import cell_len
    from rich.text import Text

    screen = console()
    widest = [
        max(cell_len(text) for text in [column.heading, *(one_line(r[i].shown) for r in rows)])
        for i, column in enumerate(columns)
    ]
    widths = fit(columns, widest, screen.width)
    heading = [Text(columns[place].heading, style="bold") for place in widths]
    table = _grid(columns, widths)
    table.add_row(*heading)
    for row, note in zip(rows, notes, strict=True):
        table.add_row(*(Text(one_line(row[i].shown), style=row[i].style) for i in widths))
        if note is not None:
            # A row of its own, so that the note may be as wide as the terminal.
            screen.print(table)
            screen.print(_note(note, screen.width), no_wrap=True, overflow="ellipsis", crop=True)
            table = _grid(columns, widths)
    if table.row_count:
        screen.print(table)


def _grid(columns: Sequence[Column], widths: Mapping[int, int]) -> Table:
    """An empty table with columns of these widths."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    for place, width in widths.items():
        column = columns[place]
        overflow: Literal["fold", "ellipsis"] = "fold" if column.whole else "ellipsis"
        table.add_column(
            justify=column.justify, no_wrap=not column.whole, overflow=overflow, width=width
        )
    return table


def _note(note: Note, width: int) -> Text:
    """The note, from where its first mark is seen within the width."""
    from rich.text import Text

    text = Text("  ", style="dim")
    place = _first_seen(note, width)
    if place:
        text.append("…")
    for start, end in note.marked:
        text.append(_flat(note.text[place:start]))
        text.append(_flat(note.text[start:end]), style="bold not dim")
        place = end
    return text.append(_flat(note.text[place:]))


def _first_seen(note: Note, width: int) -> int:
    """Where to begin, so that the first mark ends in the first half of a line."""
    from rich.cells import cell_len

    text = _flat(note.text)  # as it will stand there: a tab has no width of its own
    start, end = note.marked[0] if note.marked else (0, 0)
    place, room = start, width // 2 - cell_len(text[start:end])
    if cell_len(text[:end]) <= width - 4:
        return 0
    while place > 0 and (room := room - cell_len(text[place - 1])) > 0:
        place -= 1
    return place


def _flat(text: str) -> str:
    """One clean line of the same length."""
    return clean(re.sub(r"\s", " ", text))


def fit(columns: Sequence[Column], widest: Sequence[int], available: int) -> dict[int, int]:
    """Give the columns that a terminal has room for: place → width.

    Texts are cut before names are folded onto more lines; numbers are never cut, as half a
    number is a wrong one. Where even that is too wide, columns go, from the right.
    """
    shown = list(range(len(columns)))
    least = [_least(column, width) for column, width in zip(columns, widest, strict=True)]
    while sum(least[i] for i in shown) + 2 * (len(shown) - 1) > available and len(shown) > 1:
        shown.remove(max((i for i in shown if not columns[i].whole), default=shown[-1]))
    widths = {i: widest[i] for i in shown}
    for names in (False, True):
        shrinking = [i for i in shown if columns[i].whole == names]
        while sum(widths.values()) + 2 * (len(shown) - 1) > available:
            place = max(shrinking, key=lambda i: widths[i] - least[i], default=None)
            if place is None or widths[place] <= least[place]:
                break
            widths[place] -= 1
    return widths


def _least(column: Column, widest: int) -> int:
    if column.justify == "right":
        return widest
    return min(widest, 24 if column.whole else 8)


def _aligned_table(columns: Sequence[Column], rows: list[list[Cell]]) -> None:
    """Align by what a terminal shows: a Korean syllable is two cells wide."""
    from rich.cells import cell_len

    lines = [[column.heading for column in columns]]
    lines += [[one_line(cell.shown) for cell in row] for row in rows]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        padded = [
            (gap + text if column.justify == "right" else text + gap)
            for column, text, width in zip(columns, line, widths, strict=True)
            for gap in [" " * (width - cell_len(text))]
        ]
        click.echo("  ".join(padded).rstrip())


def human_size(count: float) -> str:
    """Write bytes as a person reads them, in powers of ten: ``1.5 GB``."""
    if count < 1000:
        return f"{count:.0f} B"
    units = ["kB", "MB", "GB", "TB", "PB"]
    count /= 1000
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.1f} {units[0]}" if count < 99.95 else f"{count:.0f} {units[0]}"


def number_of(count: int, one: str, many: str | None = None) -> str:
    """Write a number of things: ``1 repo``, ``1,200 repos``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def size_cell(count: int) -> Cell:
    """A size: ``1.5 GB`` for people, bytes for programs."""
    return Cell(human_size(count), str(count))


def count_cell(count: int | None) -> Cell:
    """A number: ``12,345`` for people."""
    return Cell("" if count is None else f"{count:,}", "" if count is None else str(count))


def commit_cell(commit: str | None) -> Cell:
    """A commit: its first 12 digits for people."""
    return Cell((commit or "")[:12], commit or "")


def words_cell(words: Sequence[str]) -> Cell:
    """Several words: with commas."""
    return Cell(", ".join(words), ",".join(words))


def time_cell(iso: str | None) -> Cell:
    """A time: how long ago for people, ISO 8601 for programs."""
    return Cell(ago(iso), iso or "")


def ago(iso: str | None, now: datetime | None = None) -> str:
    """Say how long ago an ISO 8601 time was: ``3 h ago``; the text itself if it is none."""
    if not iso:
        return ""
    try:
        then = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return f"{human_duration(((now or datetime.now(UTC)) - then).total_seconds())} ago"


def human_duration(seconds: float) -> str:
    """Write a time span with its largest unit: ``3 h``."""
    for length, unit in ((86400 * 2, "d"), (5400, "h"), (90, "min")):
        if seconds >= length:
            return f"{seconds / {'d': 86400, 'h': 3600, 'min': 60}[unit]:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
