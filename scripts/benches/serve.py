"""``mirror serve`` against a plain Starlette app on uvicorn, and nginx as the ceiling.

One process each, the same files, asked in turns by one process that shares the cores.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from scripts.benches import on_granian, serve_busy, serve_start
from scripts.benches.measure import await_quiet, machine, table, write_section
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
    mirror_serve,
    running,
    servers,
)
from tests.serve.nginx import free_port

_MEMORY: Final = Path("/dev/shm")  # Linux has a tmpfs there
_RANGE: Final = 8 << 20
_WORKER_MB: Final = 200
_LISTS_A_SECOND: Final = 300
_SERVERS: Final = ("ours", "plain", "nginx", "before")
_HEADER: Final = (
    *("what", "`mirror serve`", "plain app", "nginx", "against the plain app", "target"),
    *("against nginx", "target", "`mirror serve --accel` behind nginx"),
)
_ACCEL: Final = (
    "The last column is the server of"
    " [serve a lab](how-to/serve-a-lab.md#let-nginx-send-the-files):"
    " nginx asks the mirror about each request, as one from the network, and sends the bytes."
)


@dataclass(frozen=True)
class Case:
    """What is asked of every server."""

    title: str
    requests: Sequence[str]
    connections: int
    target: float
    """How many times the plain app we mean to be."""
    of_nginx: float | None = None
    """And how many times nginx alone."""
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
        Case("one file of 2 GB", whole, 1, 2.0, 0.6, in_bytes=True),
        Case("the same, 8 clients at once", whole, 8, 2.0, 0.6, in_bytes=True),
        Case("ranges of 8 MiB of it, 4 clients", pieces, 4, 2.0, 0.6, in_bytes=True),
    ]


def run(repos: int, rounds: int, seconds: float, only: str | None) -> None:
    """Measure, print, and write the section of docs/benchmarks.md."""
    place = _MEMORY if _MEMORY.is_dir() else None
    parts: dict[str, str] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="mirror-bench-serve-", dir=place) as name:
        files, root = Path(name) / "files", Path(name) / "mirror"
        if only in (None, "start"):
            started = serve_start.measure(Path(name) / "many", max(rounds, 5))
            parts["start"] = serve_start.sentence(started)
        if only in (None, "busy"):
            busy = serve_busy.measure(Path(name) / "busy")
            print(*busy.errors[:5], sep="\n")
            parts["busy"] = serve_busy.sentence(busy, _WORKER_MB)
        print(*parts.values(), sep="\n", flush=True)
        if only not in ("start", "busy"):
            make_files(files, root)
            parts |= _all_servers(files, root, repos, (rounds, seconds), only)
            parts["granian"] = on_other_servers(root, rounds, seconds, only)
    if only is None:
        about = _about(repos, rounds, seconds, (load, os.getloadavg()[0]))
        order = ("table", "accel", "lists", "memory", "busy", "start", "granian")
        write_section("serve", "\n\n".join([about, *(parts[name] for name in order)]))


def _all_servers(
    files: Path, root: Path, repos: int, pace: tuple[int, float], only: str | None
) -> dict[str, str]:
    """Compare the servers, then ask ours for lists; give paragraphs by name."""
    lists = make_catalog(root, repos) if only in (None, "lists") else []
    with servers(files, root) as found:
        memory = [found["ours"].memory_mb()]
        rows = []
        for case in cases():
            if only in (None, case.title.split()[0]):
                rows.append(_compared(case, found, *pace))
                print(rows[-1], flush=True)
        memory.append(found["ours"].memory_mb())
        speed = listing(found["ours"], lists, *pace) if lists else []
        memory.append(found["ours"].memory_mb())
    print(speed, memory, flush=True)
    parts = {"table": table(_HEADER, rows), "accel": _ACCEL, "memory": _of_memory(memory)}
    return parts | ({"lists": _of_lists(speed, repos)} if speed else {})


def _compared(case: Case, found: Mapping[str, Server], rounds: int, seconds: float) -> list[str]:
    """Take turns; give a line of the table."""
    runs = _turns(case, found, rounds, seconds)
    speeds = [_speed(case, [r[n] for r in runs]) if n in found else "not there" for n in _SERVERS]
    ratio = statistics.median(r["ours"] / r["plain"] for r in runs)
    line = [case.title, *speeds[:3], f"**{ratio:.2f}×**", _target(ratio, case.target)]
    if "nginx" not in found:
        return [*line, "–", "–", speeds[3]]
    ceiling = statistics.median(r["ours"] / r["nginx"] for r in runs)
    of_nginx = "–" if case.of_nginx is None else _target(ceiling, case.of_nginx)
    return [*line, f"**{ceiling:.2f}×**", of_nginx, speeds[3]]


def on_other_servers(root: Path, rounds: int, seconds: float, only: str | None) -> str:
    """Compare uvicorn and granian beneath the same app; give the paragraph."""
    port = free_port()
    if (command := on_granian.command(port)) is None:
        return "granian is not installed here, and so not compared."
    rows = []
    with mirror_serve(root) as ours, running(command, port, {"MIRROR_HOME": str(root)}) as other:
        for case in cases():
            if only in (None, case.title.split()[0]):
                runs = _turns(case, {"ours": ours, "granian": other}, rounds, seconds)
                ratio = statistics.median(r["granian"] / r["ours"] for r in runs)
                both = [_speed(case, [r[name] for r in runs]) for name in ("ours", "granian")]
                rows.append([case.title, *both, f"**{ratio:.2f}×**"])
                print(rows[-1], flush=True)
    about = (
        f"The same app on granian {version('granian')} (one worker, uvloop), without the limits"
        " that `mirror serve` has for a connection, in turns with it:"
    )
    header = ["what", "uvicorn, as `mirror serve` has it", "granian", "granian against uvicorn"]
    return f"{about}\n\n{table(header, rows)}"


def _turns(
    case: Case, found: Mapping[str, Server], rounds: int, seconds: float
) -> list[dict[str, float]]:
    for server in found.values():
        case.of(server, min(1.0, seconds))  # not counted: everything is read once
    runs = []
    for _ in range(rounds):
        await_quiet()
        runs.append({name: case.of(server, seconds) for name, server in found.items()})
    return runs


def _speed(case: Case, values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f}{' MB/s' if case.in_bytes else '/s'}"


def _target(ratio: float, target: float) -> str:
    return f"≥ {target:.1f}×{'' if ratio >= target else ', **not met**'}"


def listing(server: Server, lists: Sequence[str], rounds: int, seconds: float) -> list[float]:
    """Give the lists of a second, round by round."""
    requests = [request("GET", f"/api/models?{query}") for query in lists]
    ask(server, requests, 1, 2.0)
    await_quiet()
    return [float(ask(server, requests, 4, seconds)["answers"]) for _ in range(rounds)]


def _about(repos: int, rounds: int, seconds: float, load: tuple[float, float]) -> str:
    return (
        f"`scripts/bench serve --repos {repos} --rounds {rounds} --seconds {seconds:g}`,"
        f" {machine()} One process each of `mirror serve --no-log`, of a plain Starlette app"
        " (`FileResponse`, uvicorn, `scripts/benches/plain_app.py`) and of nginx (one worker,"
        " `sendfile`), asked in turns over loopback by a process that shares the cores; the"
        " files lie in memory. A round begins when the machine is quiet, or after 3 s."
        f" Load average {load[0]:.0f} at the start, {load[1]:.0f} at the end, our own included."
        " Medians; the ratio is the median of the ratios round by round."
    )


def _of_lists(speeds: Sequence[float], repos: int) -> str:
    speed = statistics.median(speeds)
    met = "" if speed >= _LISTS_A_SECOND else ", **not met**"
    return (
        f"Lists of models by three filters (`pipeline_tag` and two of `filter`), sorted, the"
        f" first {PAGE} of each, {LISTS} different ones over {repos:,} repos, 4 at"
        f" once: **{speed:,.0f} a second** ({min(speeds):,.0f} to {max(speeds):,.0f}; target:"
        f" ≥ {_LISTS_A_SECOND}{met})."
    )


def _of_memory(peaks: Sequence[float]) -> str:
    under = "" if peaks[-1] < _WORKER_MB else ", **not met**"
    return (
        f"Memory of `mirror serve` at its peak: {peaks[0]:.0f} MB when it has started,"
        f" {peaks[1]:.0f} MB after all files, **{peaks[2]:.0f} MB** after the lists (target:"
        f" under {_WORKER_MB} MB{under})."
    )
