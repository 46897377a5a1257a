"""Time whole processes, in pairs, and set the figures down in docs/benchmarks.md.

Machines drift and are shared: so the two commands of a pair take turns (A B A B …) and
what counts is the ratio of each pair, of which the median is quoted.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

#: Starts a command, and tells how long it took, its peak in KB and its exit code. A process's
#: peak begins with that of the one which started it, so a small one does.
_LAUNCHER = """
import os, sys, time
started = time.monotonic()
child = os.fork()
if child == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    finally:
        os._exit(127)
_, status, usage = os.wait4(child, 0)
print(time.monotonic() - started, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Timing:
    """One process from start to end."""

    seconds: float
    peak_mb: float
    """Largest resident size, in MB (10⁶ bytes)."""


@dataclass(frozen=True)
class Command:
    """A command, and what has to be done before each run of it (not timed)."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    prepare: Callable[[], object]


def time_once(command: Command) -> Timing:
    """Run a command to its end; its failure is ours."""
    command.prepare()
    # What was written before must not be paid for by a command that waits for the disk.
    os.sync()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command.arguments],
        env={**os.environ, **command.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, kilobytes, code = done.stdout.split() or ("0", "0", "no launcher")
    if code != "0":
        raise SystemExit(f"{command.arguments} failed ({code}):\n{done.stderr[-2000:]}")
    return Timing(float(seconds), int(kilobytes) * 1024 / 1e6)


@dataclass(frozen=True)
class Pair:
    """The runs of ours and of the baseline, taken in turns."""

    ours: Sequence[Timing]
    baseline: Sequence[Timing]

    @property
    def ratios(self) -> list[float]:
        """How many times faster ours was, pair by pair."""
        return [b.seconds / a.seconds for a, b in zip(self.ours, self.baseline, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def peak_mb(self) -> float:
        """The largest resident size of ours in any run."""
        return max(timing.peak_mb for timing in self.ours)


def time_pair(ours: Command, baseline: Command, rounds: int) -> Pair:
    """Run the two in turns."""
    timings: list[tuple[Timing, Timing]] = [
        (time_once(ours), time_once(baseline)) for _ in range(rounds)
    ]
    return Pair([a for a, _ in timings], [b for _, b in timings])


def await_quiet(most: float = 3.0) -> None:
    """Wait until others leave four fifths of the processors idle; at most so many seconds."""
    end = time.monotonic() + most
    while _busy_share(0.5) > 0.2 and time.monotonic() < end:
        pass


def _busy_share(seconds: float) -> float:
    before = _processor_times()
    time.sleep(seconds)
    spent = [b - a for a, b in zip(before, _processor_times(), strict=True)]
    free = spent[3] + spent[4]  # idle, and waiting for a disk
    return 1 - free / sum(spent) if any(spent) else 0.0


def _processor_times() -> list[int]:
    stat = Path("/proc/stat")
    if not stat.exists():
        return [0] * 5
    return [int(text) for text in stat.read_text(encoding="utf-8").splitlines()[0].split()[1:9]]


def seconds(timings: Sequence[Timing]) -> str:
    """Give the median with its range: ``3.1 s (2.9 to 3.4)``."""
    values = sorted(timing.seconds for timing in timings)
    middle = statistics.median(values)
    if len(values) == 1:
        return f"{middle:.1f} s"
    return f"{middle:.1f} s ({values[0]:.1f} to {values[-1]:.1f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """Say where and when the figures come from."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}."
    )


def write_section(name: str, text: str) -> None:
    """Replace the text between the two markers of a section in docs/benchmarks.md."""
    start, end = f"<!-- {name}: written by scripts/bench -->", f"<!-- {name}: end -->"
    document = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(document):
        raise SystemExit(f"{DOCUMENT} has no section {name}")
    section = f"{start}\n\n{text.strip()}\n\n{end}"
    DOCUMENT.write_text(pattern.sub(lambda _: section, document), encoding="utf-8")
