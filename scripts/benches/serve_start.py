"""How long a start takes: of ``mirror serve`` on a large mirror, and of ``mirror run``."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from scripts.benches.measure import Command, Pair, await_quiet, time_pair
from scripts.benches.serve_parts import BIN
from tests.catalog.making import manifest_of, write_quickly
from tests.serve.nginx import free_port

REPOS: Final = 10_000
_START_SECONDS: Final = 1.5
_RUN_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Starts:
    """What was measured."""

    seconds: Sequence[float]
    """From the start of the process to its first answer, about a file."""
    run: Pair
    """``mirror run -- true`` and ``true``."""


def measure(root: Path, rounds: int) -> Starts:
    """Make a mirror of many repos, with its catalog, and start on it again and again."""
    store = Mirror.init(root, "http://127.0.0.1:9").store
    for number in range(REPOS):
        files = {"config.json": b'{"number": %d}' % number}
        key = RepoKey(RepoType.MODEL, f"org{number % 2500}/model{number}")
        write_quickly(store, manifest_of(key, files), files.values())
    Mirror(root).reindex()
    _first_answer(root)  # not counted: everything is read once
    starts = [_first_answer(root) for _ in range(rounds)]
    ours = [str(BIN / "mirror"), "-C", str(root), "run", "--", "true"]
    pair = time_pair(_command(ours), _command(["true"]), rounds)
    return Starts(starts, pair)


def sentence(found: Starts) -> str:
    """Give the paragraph of docs/benchmarks.md."""
    added = [a.seconds - b.seconds for a, b in zip(found.run.ours, found.run.baseline, strict=True)]
    return (
        f"On a mirror of {REPOS:,} repos, `mirror serve` gives its first answer, about a file,"
        f" {_range(found.seconds, _START_SECONDS)} after its process was started; and"
        f" `mirror run -- true` takes {_range(added, _RUN_SECONDS)} more than `true`."
    )


def _range(values: Sequence[float], most: float) -> str:
    middle = statistics.median(values)
    met = "" if middle < most else ", **not met**"
    span = f"{min(values):.2f} to {max(values):.2f}"
    return f"**{middle:.2f} s** ({span}; target: under {most:g} s{met})"


def _command(arguments: Sequence[str]) -> Command:
    return Command(arguments, {}, await_quiet)


def _first_answer(root: Path) -> float:
    await_quiet()
    port = free_port()
    command = [BIN / "mirror", "-C", root, "serve", "--no-log", "--port", str(port)]
    started = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while (status := _status(port)) is None:
            time.sleep(0.005)
        seconds = time.monotonic() - started
        process.terminate()
    if status != 200:
        raise SystemExit(f"answered {status}")
    return seconds


def _status(port: int) -> int | None:
    """Ask for a file; ``None`` while nobody listens."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request("HEAD", "/org0/model0/resolve/main/config.json")
        return link.getresponse().status
    except ConnectionRefusedError:
        return None
    finally:
        link.close()
