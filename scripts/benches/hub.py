"""``python -m scripts.benches.hub CASE``: serve what a benchmark fetches.

Prints the endpoint, and ends when its standard input is closed.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from tests.fakehub import FakeHub, Throttle, serve

REPO = "bench/repo"


def large(folder: Path) -> FakeHub:
    """One file of 2 GB."""
    return with_files(folder, {"model.safetensors": 2 * 10**9})


def small(folder: Path) -> FakeHub:
    """5,000 files of 4 KB."""
    return with_files(folder, {f"part/{number:04}.json": 4096 for number in range(5000)})


def throttled(folder: Path) -> FakeHub:
    """One file of 1 GB, at 20 MB/s a connection."""
    hub = with_files(folder, {"model.safetensors": 10**9})
    hub.fault("resolve", kind=Throttle(20_000_000), times=None)
    return hub


def unchanged(_: Path) -> FakeHub:
    """10,000 small repos of 2,500 authors."""
    hub = FakeHub()
    card = b"---\nlicense: mit\nlanguage: ko\n---\n# A model\n"
    for number in range(10_000):
        config = b'{"number": %d}' % number
        hub.add_repo(
            "model",
            f"org{number % 2500}/model{number}",
            {"config.json": config, "README.md": card},
        )
    return hub


def with_files(folder: Path, sizes: dict[str, int]) -> FakeHub:
    """Make a hub with one repo of files of random bytes."""
    source = random.Random(0)
    for path, size in sizes.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("wb") as stream:
            for start in range(0, size, 10**7):
                stream.write(source.randbytes(min(10**7, size - start)))
    hub = FakeHub()
    hub.add_folder("model", REPO, folder)
    return hub


CASES = {case.__name__: case for case in (large, small, throttled, unchanged)}

if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(prefix="mirror-bench-hub-") as folder,
        serve(CASES[sys.argv[1]](Path(folder))) as endpoint,
    ):
        print(endpoint, flush=True)
        sys.stdin.read()
