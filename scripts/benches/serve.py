"""``mirror serve`` against a plain Starlette app on uvicorn, and nginx as the ceiling.

One process each, the same files, asked in turns by one process that shares the cores.
"""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benches.measure import machine, table, write_section
from scripts.benches.plain_app import REPO
from scripts.benches.serve_parts import (
    LARGE,
    LARGE_BYTES,
    LISTS,
    PAGE,
    SMALL,
    Server,
    ask,
    make_catalog,
    make_files,
    servers,
)

_MEMORY: Final = Path("/dev/shm")  # Linux has a tmpfs there
_RANGE: Final = 8 << 20
_WORKER_MB: Final = 200
_LISTS_A_SECOND: Final = 300


@dataclass(frozen=True)
class Case:
    """What is asked of every server."""

    title: str
    requests: Sequence[str]
    connections: int
    target: float
    """How many times the plain app we mean to be."""
    in_bytes: bool = False
    """Whether the bytes of a second count, not the answers."""

    def of(self, server: Server, seconds: float) -> float:
        """Give the answers or the MB of a second."""
        found = ask(server, self.requests, self.connections, seconds)
        return float(found["bytes"] / 1e6 if self.in_bytes else found["answers"])


def request(method: str, path: str, headers: str = "") -> str:
    """Give a request as clients of the Hub send it, in length too."""
    agent = "User-Agent: hf_hub/2.4.0; python/3.11.7; torch/2.9.0; file_type/bench\r\n"
    accept = "Accept: */*\r\nAccept-Encoding: identity\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{accept}{agent}{headers}\r\n"


def cases() -> list[Case]:
    """Give what is compared."""
    at = f"/{REPO}/resolve/main"
    small = [f"{at}/part/{number:04}.json" for number in range(SMALL)]
    chance = random.Random(0)
    starts = [chance.randrange(LARGE_BYTES - _RANGE) for _ in range(200)]
    ranges = [f"Range: bytes={start}-{start + _RANGE - 1}\r\n" for start in starts]
    whole, pieces = (
        [request("GET", f"{at}/{LARGE}")],
        [request("GET", f"{at}/{LARGE}", header) for header in ranges],
    )
    return [
        Case("GET of files of 4 KB", [request("GET", path) for path in small], 32, 1.5),
        Case("HEAD of the same", [request("HEAD", path) for path in small], 32, 1.5),
        Case("one file of 1 GB", whole, 1, 2.0, in_bytes=True),
        Case("the same, 8 clients at once", whole, 8, 2.0, in_bytes=True),
        Case("ranges of 8 MiB of it, 4 clients", pieces, 4, 2.0, in_bytes=True),
    ]


def run(repos: int, rounds: int, seconds: float, only: str | None) -> None:
    """Measure, print, and write the section of docs/benchmarks.md."""
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="mirror-bench-serve-", dir=place) as name:
        files, root = Path(name) / "files", Path(name) / "mirror"
        make_files(files, root)
        lists = make_catalog(root, repos) if only in (None, "lists") else []
        with servers(files, root) as found:
            started = found["ours"].memory_mb()
            rows = []
            for case in cases():
                if only in (None, case.title.split()[0]):
                    rows.append(_compared(case, found, rounds, seconds))
                    print(rows[-1], found["ours"].memory_mb(), flush=True)
            files_mb = found["ours"].memory_mb()
            speed = listing(found["ours"], lists, rounds, seconds) if lists else []
            peak = found["ours"].memory_mb()
            print(speed, f"{started:.0f} {files_mb:.0f} {peak:.0f} MB", flush=True)
        shutil.rmtree(name, ignore_errors=True)
    if only is None:
        memory = (started, files_mb, peak)
        write_section("serve", section(rows, speed, memory, repos, (rounds, seconds)))


def _compared(case: Case, found: Mapping[str, Server], rounds: int, seconds: float) -> list[str]:
    """Take turns; give a line of the table."""
    for server in found.values():
        case.of(server, min(1.0, seconds))  # not counted: everything is read once
    runs = [{n: case.of(s, seconds) for n, s in found.items()} for _ in range(rounds)]
    unit = " MB/s" if case.in_bytes else "/s"
    speeds = {n: f"{statistics.median(r[n] for r in runs):,.0f}{unit}" for n in found}
    ratio = statistics.median(r["ours"] / r["plain"] for r in runs)
    ceiling = "–"
    if "nginx" in found:
        ceiling = f"{statistics.median(r['ours'] / r['nginx'] for r in runs):.2f}×"
    met = "" if ratio >= case.target else ", **not met**"
    target = f"≥ {case.target:.1f}×{met}"
    speed = (speeds["ours"], speeds["plain"], speeds.get("nginx", "not there"))
    return [case.title, *speed, f"**{ratio:.2f}×**", target, ceiling]


def listing(server: Server, lists: Sequence[str], rounds: int, seconds: float) -> list[float]:
    """Give the lists of a second, round by round."""
    requests = [request("GET", f"/api/models?{query}") for query in lists]
    ask(server, requests, 1, 2.0)
    return [float(ask(server, requests, 4, seconds)["answers"]) for _ in range(rounds)]


def section(
    rows: Sequence[Sequence[str]],
    lists: Sequence[float],
    memory: tuple[float, float, float],
    repos: int,
    pace: tuple[int, float],
) -> str:
    """Give the section of docs/benchmarks.md."""
    about = (
        f"`scripts/bench serve --repos {repos} --rounds {pace[0]} --seconds {pace[1]:g}`,"
        f" {machine()} One process each of `mirror serve --no-log`, of a plain Starlette app"
        " (`FileResponse`, uvicorn, `scripts/benches/plain_app.py`) and of nginx (one worker,"
        " `sendfile`), asked in turns over loopback by a process that shares the cores; the"
        " files lie in memory. Medians; the ratio is the median of the ratios round by round."
    )
    header = ["what", "`mirror serve`", "plain app", "nginx"]
    header += ["against the plain app", "target", "against nginx"]
    speed = statistics.median(lists)
    met = "" if speed >= _LISTS_A_SECOND else ", **not met**"
    listed = (
        f"Lists of models by three filters (`pipeline_tag` and two of `filter`), sorted, the"
        f" first {PAGE} of each, {LISTS} different ones over {repos:,} repos, 4 at"
        f" once: **{speed:,.0f} a second** ({min(lists):,.0f} to {max(lists):,.0f}; target:"
        f" ≥ {_LISTS_A_SECOND}{met})."
    )
    under = "" if memory[2] < _WORKER_MB else ", **not met**"
    resident = (
        f"Memory of `mirror serve` at its peak: {memory[0]:.0f} MB when it has started,"
        f" {memory[1]:.0f} MB after all files, **{memory[2]:.0f} MB** after the lists (target:"
        f" under {_WORKER_MB} MB{under})."
    )
    return "\n\n".join((about, table(header, rows), listed, resident))
