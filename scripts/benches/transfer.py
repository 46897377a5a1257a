"""Sync against ``hf download`` 2.x, from the same server on loopback.

Both as a person starts them: whole processes, from nothing to all files in their place.
``hf download`` over plain HTTP checks sizes only; ``mirror sync`` checks every digest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from scripts.benches.measure import (
    Command,
    Pair,
    machine,
    seconds,
    table,
    time_once,
    time_pair,
    write_section,
)

BIN = Path(sys.executable).parent
REPO = "bench/repo"
MEMORY = Path("/dev/shm")  # Linux has a tmpfs there


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    """Of the hub that serves it: see ``hub.py``."""
    title: str
    target: float
    """How many times faster than the baseline we mean to be."""
    rounds: int | None = None
    """Fewer than asked for, where a round takes long."""
    on_disk: bool = False
    """Below TMPDIR; else in memory, so that programs are compared, not the disk's moods."""


CASES = (
    Case("large", "one file of 2 GB", 1.0),
    Case("small", "5,000 files of 4 KB", 3.0),
    Case("small", "the same, onto the disk of this machine", 3.0, on_disk=True),
    Case("throttled", "one file of 1 GB, 20 MB/s a connection", 6.0, rounds=1),
)

#: How many repos the second sync finds unchanged, and the requests it may take.
UNCHANGED, MOST_REQUESTS = 10_000, 100


def run(rounds: int, only: str | None) -> None:
    """Measure, print, and write the section of docs/benchmarks.md."""
    rows = []
    for case in CASES:
        if only in (None, case.name):
            pair = compare(case, min(rounds, case.rounds or rounds))
            rows.append(row(case, pair))
            print(rows[-1], flush=True)
    notes = [unchanged()] if only in (None, "unchanged") else []
    about = (
        f"`scripts/bench transfer --rounds {rounds}`, {machine()} "
        f"Baseline: `hf download` of huggingface_hub {version('huggingface_hub')} with "
        "`HF_HUB_DISABLE_XET=1`. Medians (and range); the ratio is the median of the ratios "
        "pair by pair. Peak memory is the resident size of `mirror sync`. Both write to memory "
        "(tmpfs) unless it says disk: `mirror sync` waits until the disk has everything, "
        "`hf download` does not."
    )
    header = ["what", "`mirror sync`", "`hf download`", "ratio", "target", "peak memory"]
    text = "\n\n".join([about, table(header, rows), *notes])
    print(text)
    if only is None:
        write_section("transfer", text)


def row(case: Case, pair: Pair) -> list[str]:
    """Give one line of the table."""
    return [
        case.title,
        seconds(pair.ours),
        seconds(pair.baseline),
        f"**{pair.ratio:.1f}×**",
        f"≥ {case.target:.1f}×",
        f"{pair.peak_mb:.0f} MB",
    ]


def compare(case: Case, rounds: int) -> Pair:
    """Time both on one case."""
    with hub(case.name) as endpoint, scratch(on_disk=case.on_disk) as folder:
        return time_pair(sync(endpoint, folder / "mirror"), hf(endpoint, folder / "hf"), rounds)


def unchanged() -> str:
    """Count the requests of a second sync in which nothing has changed."""
    with hub("unchanged") as endpoint, scratch(on_disk=True) as folder:
        entries = "".join(
            f'[[models]]\nid = "org{number % 2500}/model{number}"\n' for number in range(UNCHANGED)
        )
        first = sync(endpoint, folder / "mirror", entries)
        peak = time_once(first)
        again = time_once(Command(first.arguments, first.environment, lambda: None))
        requests = requests_of_last_run(folder / "mirror")
    return (
        f"A second sync of {UNCHANGED:,} unchanged repos (named by id, of 2,500 authors): "
        f"**{requests} upstream requests** (target: at most {MOST_REQUESTS}), "
        f"{again.seconds:.1f} s, {again.peak_mb:.0f} MB at the peak; "
        f"the first sync took {peak.seconds:.0f} s and {peak.peak_mb:.0f} MB."
    )


def requests_of_last_run(folder: Path) -> int:
    """Read how many requests the newest report counts."""
    from mirror import Mirror

    requests = next(iter(Mirror(folder).runs(limit=1)))["requests"]
    return int(requests["api"]) + int(requests["resolve"])


def sync(endpoint: str, folder: Path, entries: str = f'[[models]]\nid = "{REPO}"\n') -> Command:
    """Give ``mirror sync`` into a fresh mirror."""

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(
            [BIN / "mirror", "init", folder, "--endpoint", endpoint],
            check=True,
            capture_output=True,
        )
        with (folder / "mirror.toml").open("a") as stream:
            stream.write(entries)

    return Command([str(BIN / "mirror"), "-C", str(folder), "sync"], {}, prepare)


def hf(endpoint: str, folder: Path) -> Command:
    """Give ``hf download`` into a fresh cache."""

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    environment = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }
    return Command([str(BIN / "hf"), "download", REPO], environment, prepare)


@contextmanager
def hub(case: str) -> Iterator[str]:
    """Serve a case from a process of its own; give the endpoint."""
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.benches.hub", case],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextmanager
def scratch(*, on_disk: bool) -> Iterator[Path]:
    """Give a folder that goes afterwards."""
    place = None if on_disk or not MEMORY.is_dir() else MEMORY
    with tempfile.TemporaryDirectory(prefix="mirror-bench-", dir=place) as name:
        yield Path(name)
