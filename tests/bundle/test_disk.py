"""A disk that fills up while a bundle comes in, in truth: a small tmpfs in a namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from mirror import Mirror
from mirror.errors import DiskError
from mirror.store import verify
from tests.bundle.making import Side, answers, imported, shown, staged, tree
from tests.store.test_disk import PAGE, leave_room
from tests.sync.test_disk import needs_mounts

TOP = Path(__file__).parents[2]
SCRIPT = (
    'mount -t tmpfs -o size=24M tmpfs "$1" && cp -a "$2" "$3" "$1" && '
    'exec "$4" -m tests.bundle.test_disk "$1"'
)


def test_a_disk_that_fills_up(sender: Side, lab: Side, memory_path: Path) -> None:
    """Every write is once the one refused; with room again, the same import goes on."""
    needs_mounts()
    sender.export(memory_path / "bundle", signed=False)
    disk = memory_path / "disk"
    disk.mkdir()
    command = ["unshare", "-rm", "sh", "-c", SCRIPT, "sh", disk, lab.mirror.root]
    command += [memory_path / "bundle", sys.executable]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    kinds = set(json.loads(done.stdout))
    assert kinds >= {"partial", "repos", "hub"}


def test_a_disk_that_is_too_small_from_the_start(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """It is told before anything is written."""
    needs_mounts()
    sender.export(memory_path / "bundle", signed=False)
    disk = memory_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=1M tmpfs "$1" && cp -a "$2" "$1/lab" && '
        '"$4" -m mirror -C "$1/lab" import "$3" --json; code=$?; '
        'ls "$1/lab/partial"; exit $code'
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh", disk, lab.mirror.root]
    command += [memory_path / "bundle", sys.executable]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60)
    assert DiskError.exit_code == done.returncode, done.stderr
    assert {"disk", "mirror prune"} <= {json.loads(done.stdout)["error"], "mirror prune"}
    assert "are free" in json.loads(done.stdout)["message"]


def fill_up(top: Path) -> None:
    """Take the bundle in with a page more of room each time; print what was refused."""
    refused = []
    for pages in range(0, 200, 9):
        side = Side(Mirror(shutil.copytree(top / "lab", top / "try")))
        before = tree(side.mirror.root)
        exchange = side.mirror.exchange
        (arrival,) = exchange.inspect([top / "bundle"])
        filler = top / "filler"

        def fill(done: int, total: int, filler: Path = filler, pages: int = pages) -> None:
            if not filler.exists():
                leave_room(filler, pages * PAGE)

        try:
            exchange.take_in(arrival, progress=fill)
        except DiskError as error:
            path = str(error).removeprefix(f"cannot write {side.mirror.root}/")
            refused.append(path.split("/")[0].split(":")[0])
            if refused[-1] == "partial":
                assert before == tree(side.mirror.root)
            assert {f.kind for f in verify(side.store).problems} <= {"view-missing", "view-wrong"}
            filler.unlink()
            if not imported(side.store):
                side.take(top / "bundle")
        else:
            filler.unlink()
        side.mirror.reindex()
        assert [] == staged(side.store)
        assert 2 == len(answers(side.mirror))
        assert 2 == len(shown(side.store)["repos"])
        shutil.rmtree(side.mirror.root)
    print(json.dumps(sorted(set(refused))))


if __name__ == "__main__":
    fill_up(Path(sys.argv[1]))
