"""A process that is killed in the middle of a large file, and the next one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mirror.hub import FileRequest, TreeFile
from mirror.hub.partial import PartialFile
from tests.fakehub import FakeHub, PatternContent, Throttle
from tests.hub.making import KEY, MIB, fetch, left

SIZE = 96 * MIB

#: What is run and killed: fetch one file, and say how many bytes are there.
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from mirror.hub import FileRequest, TreeFile, Upstream
from mirror.names import RepoKey, RepoType
from mirror.settings import TransferSettings, UpstreamSettings

endpoint, commit, sha256, size, folder, connections = sys.argv[1:]
file = TreeFile("m.bin", int(size), "1" * 40, sha256)
request = FileRequest(RepoKey(RepoType.MODEL, "acme/tiny"), commit, file)
there = 0

def progress(more):
    global there
    there += more
    print(there, flush=True)

async def main():
    transfer = TransferSettings(connections_per_file=int(connections))
    async with Upstream(UpstreamSettings(endpoint=endpoint), transfer) as upstream:
        await upstream.fetch(request, Path(folder), progress)

asyncio.run(main())
"""


def test_a_killed_process_costs_a_few_megabytes(hub: FakeHub, tmp_path: Path) -> None:
    """Killed twice with several connections open; the third run fetches only the rest."""
    content = PatternContent(SIZE, seed=3)
    repo = hub.add_repo("model", "acme/tiny", {"m.bin": content})
    hub.fault("resolve", kind=Throttle(20 * MIB), times=None)
    connections, done_before = 4, 0
    arguments = [hub.endpoint, repo.sha, content.sha256, str(SIZE), str(tmp_path)]
    for until in (30 * MIB, 60 * MIB):
        there = _run_until(until, [*arguments, str(connections)])
        done = _recorded(tmp_path, content.sha256)
        assert there >= until
        # Each connection writes its journal every 4 MiB; one of them could just be at it.
        assert there - done <= connections * 5 * MIB
        assert done > done_before
        done_before = done
    assert len({asked.headers.get("range") for asked in hub.asked("resolve")}) > 2
    hub.clear()
    hub.clear_faults()
    request = FileRequest(KEY, repo.sha, TreeFile("m.bin", SIZE, "1" * 40, content.sha256))
    fetched, _ = fetch(hub.endpoint, request, tmp_path, read_timeout=10, connections_per_file=1)
    assert fetched.received == SIZE - done_before
    assert _asked_for(hub) == SIZE - done_before
    assert left(tmp_path) == [content.sha256]


def _run_until(size: int, arguments: list[str]) -> int:
    """Start the program, kill it when so many bytes are there; how many it had told of."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        there = 0
        while there < size:
            line = process.stdout.readline()
            assert line, "it ended before it was killed"
            there = int(line)
        process.kill()
        rest = process.stdout.read().split("\n")
    return max([there, *(int(line) for line in rest[:-1] if line)])


def _asked_for(hub: FakeHub) -> int:
    spans = (re.findall(r"\d+", asked.headers["range"]) for asked in hub.asked("resolve"))
    return sum(int(last) + 1 - int(first) for first, last in spans)


def _recorded(folder: Path, etag: str) -> int:
    partial = PartialFile(folder, etag, SIZE)
    partial.close()
    return sum(end - start for start, end in partial.done)
