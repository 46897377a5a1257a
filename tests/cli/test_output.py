"""How values look: for a person on a terminal, in a pipe, as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from mirror import Mirror
from mirror.cli.output import (
    Cell,
    Column,
    Note,
    _note,
    ago,
    clean,
    emit,
    emit_csv,
    emit_json,
    emit_pairs,
    emit_table,
    fit,
    human_duration,
    human_size,
    number_of,
    one_line,
    size_cell,
)
from mirror.settings import parse_size

COLUMNS = (Column("REPO", whole=True), Column("SIZE", "right"), Column("TITLE"))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_900, "99.9 kB"),
        (99_999, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (705_000_000_000, "705 GB"),
        (4 * 10**18, "4000 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert text == human_size(count)


@given(st.integers(0, 10**15))
def test_a_size_as_shown_can_be_written_into_mirror_toml(count: int) -> None:
    shown = parse_size(human_size(count))

    assert abs(shown - count) <= 0.06 * count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (90, "2 min"), (5399, "90 min"), (5400, "2 h"), (172_800, "2 d")],
)
def test_time_spans(seconds: float, text: str) -> None:
    assert text == human_duration(seconds)


def test_how_long_ago() -> None:
    now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)

    assert "3 h ago" == ago("2026-11-23T00:00:00+00:00", now)
    assert "3 h ago" == ago("2026-11-23T00:00:00.000Z", now)
    assert "3 h ago" == ago("2026-11-23T00:00:00", now)
    assert ("", "") == (ago(None, now), ago("", now))
    assert "last Tuesday" == ago("last Tuesday", now)


def test_numbers_of_things() -> None:
    assert ("1 repo", "0 repos", "1,200 repos") == (
        number_of(1, "repo"),
        number_of(0, "repo"),
        number_of(1200, "repo"),
    )
    assert "2 entries" == number_of(2, "entry", "entries")


class TestSteering:
    @given(st.text())
    def test_nothing_is_left_that_steers(self, text: str) -> None:
        left = {ord(char) for char in clean(text)}

        assert not left & {*range(9), *range(11, 32), *range(0x7F, 0xA0), 0x202E, 0x2066}

    def test_korean_stays(self) -> None:
        assert "감정 분석\n\t👍" == clean("감정 분석\n\t👍")

    def test_one_line(self) -> None:
        assert "a b c" == one_line(" a\nb\t\r\n  c ")

    @given(st.text())
    def test_json_says_the_same(self, text: str) -> None:
        stream = io.StringIO()
        stdout, sys.stdout = sys.stdout, stream
        try:
            emit_json({"text": text})
        finally:
            sys.stdout = stdout

        assert {"text": text} == json.loads(stream.getvalue())
        assert "\x9b" not in stream.getvalue()


class TestPipe:
    def test_tabs_and_plain_values(self, capsys: pytest.CaptureFixture[str]) -> None:
        emit_table(COLUMNS, [["a/b", size_cell(1_500_000), "x\ty\nz"], ["c/d", 3, Cell("-", "")]])

        assert "a/b\t1500000\tx y z\nc/d\t3\t\n" == capsys.readouterr().out

    def test_a_report_is_aligned_and_whole(self, capsys: pytest.CaptureFixture[str]) -> None:
        long = "n" * 200
        emit_table(COLUMNS, [["한국어/모델", size_cell(5), "감정"], [long, 17, "x"]], report=True)

        heading, first, second = capsys.readouterr().out.splitlines()
        assert f"{long}    17  x" == second
        assert cell_len(second) - 1 == cell_len(first.removesuffix("감정"))
        assert heading.index("SIZE") == 202

    def test_pairs(self, capsys: pytest.CaptureFixture[str]) -> None:
        emit_pairs([("size", "5 GB"), ("empty", ""), ("last sync", "two\nlines")])

        assert "size       5 GB\nlast sync  two\n           lines\n" == capsys.readouterr().out


def in_a_terminal(args: list[str], columns: int, **env: str) -> list[str]:
    """What a command shows on a terminal of that width, without its colours."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mirror", *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"} | env,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux says EIO when the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(master)
    assert 0 == process.wait(timeout=60)
    text = re.sub("\x1b\\[[0-9;]*m", "", shown.decode())
    return text.replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("columns", [70, 80, 140])
def test_a_terminal_gets_a_table_that_fits(offline: Mirror, columns: int) -> None:
    lines = in_a_terminal(["list", "-C", str(offline.root)], columns)

    assert lines[0].startswith("REPO")
    assert any("9,000" in line for line in lines)
    assert all(cell_len(line) <= columns for line in lines)
    assert "models/klue/roberta-small" in " ".join(lines)


@given(
    st.lists(st.tuples(st.sampled_from("nwt"), st.integers(1, 200)), min_size=1, max_size=9),
    st.integers(20, 200),
)
def test_columns_fit_and_numbers_are_whole(kinds: list[tuple[str, int]], available: int) -> None:
    columns = [Column("", "right" if kind == "n" else "left", kind == "w") for kind, _ in kinds]
    widest = [width for _, width in kinds]

    widths = fit(columns, widest, available)

    assert sum(widths.values()) + 2 * (len(widths) - 1) <= available or 1 == len(widths)
    for place, width in widths.items():
        assert 0 < width <= widest[place]
        assert width == widest[place] or columns[place].justify == "left"


def test_a_wide_terminal_shows_all() -> None:
    assert {0: 40, 1: 6, 2: 20} == fit(COLUMNS, [40, 6, 20], 200)


def test_titles_go_before_names_are_folded() -> None:
    assert {0: 40, 1: 6, 2: 10} == fit(COLUMNS, [40, 6, 20], 60)
    assert {0: 28, 1: 6, 2: 8} == fit(COLUMNS, [40, 6, 20], 46)
    assert {0: 32, 1: 6} == fit(COLUMNS, [40, 6, 20], 40)
    assert {0: 24} == fit(COLUMNS, [40, 6, 20], 24)


def test_half_a_character_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    emit("a\ud800b")
    emit_json({"name": "a\ud800b"})
    assert 'a\N{REPLACEMENT CHARACTER}b\n{\n  "name": "a\\ud800b"\n}\n' == capsys.readouterr().out


def test_csv_is_read_back_and_holds_no_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    values = ["=cmd|' /C calc'!A0", "@x", "-1", "감정, 분석", 'say "hi"\nthere', "\u202eabc"]

    emit_csv(["a", "b"], [[value, (1, True)] for value in values])

    lines = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert ["a", "b"] == lines[0]
    assert ["'=cmd|' /C calc'!A0", "'@x", "'-1", *values[3:5], "\ufffdabc"] == [
        line[0] for line in lines[1:]
    ]
    assert {"1,True"} == {line[1] for line in lines[1:]}


def test_csv_numbers_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    emit_csv(["n"], [[-1.5], [True], [None]])

    assert ["n", "-1.5", "yes", '""'] == capsys.readouterr().out.split()


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_a_snippet_stands_below_its_hit_and_fits(offline: Mirror, columns: int) -> None:
    lines = in_a_terminal(["search", "벤치마크", "-C", str(offline.root)], columns)

    assert any("벤치마크" in line for line in lines)
    assert all(cell_len(line) <= columns for line in lines)


@given(
    st.text(st.sampled_from("가나a b\t漢\u0301"), max_size=120),
    st.text(st.sampled_from("독해ab"), min_size=1, max_size=8),
    st.integers(24, 132),
)
@example("aaaaaaaaa\t\t漢漢漢漢漢", "a", 24)
def test_the_first_mark_of_a_snippet_is_seen(before: str, word: str, width: int) -> None:
    note = Note(f"{before}{word} 그리고 더", ((len(before), len(before) + len(word)),))

    shown = _note(note, width)
    shown.truncate(width, overflow="ellipsis")

    (mark, *_) = [span for span in shown.spans if span.style == "bold not dim"]
    assert word == shown.plain[mark.start : mark.end]
    assert cell_len(shown.plain) <= width
