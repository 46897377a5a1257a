"""The catalog at the size of the Hub: building, changing and asking it.

Catalogs of some sizes, from records resampled from real ones (``resample``), each built,
changed and asked in processes of their own; the same answers from plain SQL (``plain_sql``)
in the same run; and ``mirror search`` as a whole process beside the imports it cannot do
without, taking turns.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benches.measure import (
    Command,
    Pair,
    machine,
    table,
    time_once,
    time_pair,
    write_section,
)
from scripts.benches.resample import described_a_second
from scripts.build_example_catalog import mirrored

SIZES = (100_000, 1_000_000, 3_000_000)
#: Queries of the mix, and how many of them are answered in plain SQL too, at which size.
QUERIES, COMPARED, COMPARED_AT = 200, 24, 1_000_000
#: Of a catalog: bytes a repo, with what building and changing need besides.
_BYTES = 3_000 * 2
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Size:
    """What was measured at one size."""

    repos: int
    build: dict[str, Any]
    change: dict[str, Any]
    ask: dict[str, Any]

    @property
    def a_second(self) -> float:
        """Repos written in a second."""
        return float(self.repos / self.build["seconds"])

    def quantile(self, share: float) -> float:
        """Milliseconds that this share of the queries took at most."""
        times = sorted(self.ask["times"])
        return 1000 * float(times[min(len(times) - 1, int(share * len(times)))])

    @property
    def ratios(self) -> list[float]:
        """How many times longer plain SQL took, query by query."""
        ours = [self.ask["times"][place] for place in self.ask["places"]]
        return [plain / mine for mine, plain in zip(ours, self.ask["plain"], strict=True)]


def run(repos: Sequence[int] = SIZES, rounds: int = 15) -> None:
    """Measure all, and write the section of docs/benchmarks.md."""
    process, heavy = whole_process(rounds)
    print(f"mirror search: {_times(process):.2f} times the imports", flush=True)
    sizes: list[Size] = []
    described = f"{described_a_second():,.0f}"
    for number in sorted(repos):
        sizes.append(measured(number, COMPARED if number <= COMPARED_AT else 0))
        # After each: three million take longer than all the others together.
        about = section(sizes, process, heavy, rounds)
        write_section("catalog", about.replace(_DESCRIBED, described))


def measured(repos: int, compared: int) -> Size:
    """Build, ask and change one catalog."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < repos * _BYTES:
        raise SystemExit(
            f"{repos:,} repos need {repos * _BYTES / 1e9:.0f} GB in {tempfile.gettempdir()},"
            f" which has {free / 1e9:.0f}: set TMPDIR, or ask for fewer with --repos"
        )
    with tempfile.TemporaryDirectory(prefix="mirror-bench-catalog-") as folder:
        path = str(Path(folder) / "catalog.db")
        build = _child("build", path, repos)
        ask = _child("ask", path, QUERIES, "--compared", str(compared))
        change = _child("change", path, repos)
    size = Size(repos, build, change, ask)
    print(
        f"{repos:,} repos: {size.a_second:,.0f} a second; median {size.quantile(0.5):.1f} ms,"
        f" 95% {size.quantile(0.95):.1f} ms; 1,000 changed in {change['seconds']:.1f} s",
        flush=True,
    )
    if ask["differ"]:
        raise SystemExit(f"plain SQL answers otherwise: {ask['differ']}")
    return size


def _child(what: str, path: str, number: int, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benches.catalog_child", what, path, str(number)]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{what} of {number:,} ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def whole_process(rounds: int) -> tuple[Pair, list[tuple[str, float]]]:
    """Time ``mirror search`` on the samples' mirror, and list what it imports."""
    with tempfile.TemporaryDirectory(prefix="mirror-bench-search-") as folder:
        home = mirrored(Path(folder)).store.layout.root
        environment = {"MIRROR_HOME": str(home), "PYTHONDONTWRITEBYTECODE": ""}
        search = ["search", "task:text-classification", "language:ko", "영화"]
        ours = Command([str(BIN / "mirror"), *search], environment, _nothing)
        imports = Command([sys.executable, "-c", "import click, sqlalchemy"], {}, _nothing)
        for command in (ours, imports):
            time_once(command)
        pair = time_pair(ours, imports, rounds)
        return pair, _heavy([sys.executable, "-m", "mirror", *search], environment)


def _nothing() -> None:
    pass


def _heavy(command: Sequence[str], environment: dict[str, str]) -> list[tuple[str, float]]:
    """Give the distributions that a command imports, with the milliseconds of their own."""
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = {}
    for line in done.stderr.splitlines():
        times, bar, name = line.removeprefix("import time:").rpartition("|")
        if bar and times.split("|")[0].strip().isdigit():
            package = name.strip().partition(".")[0]
            found[package] = found.get(package, 0) + int(times.split("|")[0]) / 1000
    return sorted(found.items(), key=lambda item: -item[1])


def _times(process: Pair) -> float:
    """How many times the imports alone ours takes: the median of the pairs."""
    return statistics.median(1 / ratio for ratio in process.ratios)


def section(
    sizes: Sequence[Size], process: Pair, heavy: Sequence[tuple[str, float]], rounds: int
) -> str:
    """Give the section of docs/benchmarks.md."""
    numbers = ",".join(str(size.repos) for size in sizes)
    compared = [_against_sql(size) for size in sizes if size.ask["places"]][-1:]
    about = (
        f"`scripts/bench catalog --repos {numbers} --rounds {rounds}`, {machine()} Repos are"
        " resampled from real records and cards: tags, tasks, languages and licences as they"
        " stand together in real repos, authors by Zipf's law, text recombined from real"
        f" cards. {QUERIES} queries of one to three filters, every second with words or a"
        " phrase, three in ten about Korean repos, each with the counts of six facets; asked"
        " once each in one process, after another mix that warmed it."
    )
    asked = ["repos", "median", "95 %", "slowest", "hits (median)", "memory of the process"]
    built = ["repos", "built in", "repos a second", "memory", "file", "1,000 changed in", "memory"]
    parts = (
        about,
        table(asked, [_asked(size) for size in sizes]),
        _ABOUT_ASKING,
        *compared,
        table(built, [_built(size) for size in sizes]),
        _ABOUT_BUILDING,
        _as_process(process, heavy),
    )
    return "\n\n".join(parts)


_ABOUT_ASKING = (
    "Targets at 1,000,000 repos: median ≤ 15 ms, 95 % ≤ 50 ms. The memory includes about"
    " 0.4 GB for what the queries are drawn from."
)
_DESCRIBED = "(described)"
_ABOUT_BUILDING = (
    "Target: ≥ 5,000 repos a second. Building is counted without making up the records;"
    f" upstream's list items become records (`describe_known`) at {_DESCRIBED} a second. The"
    " memory of building is what it took on top of making up. A change copies the file first,"
    " so that readers keep the one that they have."
)


def _asked(size: Size) -> list[str]:
    return [
        f"{size.repos:,}",
        f"**{size.quantile(0.5):.1f} ms**",
        f"**{size.quantile(0.95):.1f} ms**",
        f"{size.quantile(1):.0f} ms",
        f"{statistics.median(size.ask['totals']):,.0f}",
        f"{size.ask['peak_mb']:,.0f} MB",
    ]


def _built(size: Size) -> list[str]:
    return [
        f"{size.repos:,}",
        f"{size.build['seconds']:,.0f} s",
        f"**{size.a_second:,.0f}**",
        f"{size.build['peak_mb'] - size.build['before_mb']:,.0f} MB",
        f"{size.build['bytes'] / 1e9:.2f} GB",
        f"**{size.change['seconds']:.1f} s**",
        f"{size.change['peak_mb']:,.0f} MB",
    ]


def _against_sql(size: Size) -> str:
    ask = size.ask
    ours = sum(ask["times"][place] for place in ask["places"])
    ratios, words = size.ratios, [place % 2 == 1 for place in ask["places"]]
    with_words = [ratio for ratio, has in zip(ratios, words, strict=True) if has]
    without = [ratio for ratio, has in zip(ratios, words, strict=True) if not has]
    return (
        f"The same answers (total, first page in its order, six facets) to {len(ratios)} of these"
        f" queries from plain SQL over the tables and their indexes, `documents_fts` for words,"
        f" at {size.repos:,} repos, there the second time that each was asked, here the first:"
        f" all are equal; {sum(ask['plain']):.1f} s against {ours:.2f} s in all,"
        f" **{sum(ask['plain']) / ours:.0f}×**. Query by query the median is"
        f" {statistics.median(ratios):.0f}× ({min(ratios):.0f}× to {max(ratios):.0f}×;"
        f" {statistics.median(without):.0f}× without words, {statistics.median(with_words):.0f}×"
        " with them). Target: ≥ 50×."
    )


def _as_process(process: Pair, heavy: Sequence[tuple[str, float]]) -> str:
    listed = ", ".join(f"{name} {time:.0f} ms" for name, time in heavy[:8])
    return (
        "`mirror search task:text-classification language:ko 영화` as a whole process on the"
        f" mirror of the samples: {_milliseconds(process.ours)};"
        f' `python -c "import click, sqlalchemy"`: {_milliseconds(process.baseline)}.'
        f" **{_times(process):.2f}×** (median of the pairs; target: ≤ 1.3×). What it imports, by"
        f" `-X importtime`: {listed}."
    )


def _milliseconds(timings: Sequence[Any]) -> str:
    values = sorted(1000 * timing.seconds for timing in timings)
    return f"{statistics.median(values):.0f} ms ({values[0]:.0f} to {values[-1]:.0f})"
