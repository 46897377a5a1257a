"""Ctrl-C and SIGTERM: a run ends cleanly, says so, and the next one goes on from there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror.store import Manifest, Store
from mirror.sync.model import Outcome
from tests.fakehub import Stall
from tests.fakehub.content import PatternContent
from tests.sync.lab import LARGE, Lab, check, check_complete, files_of, model

KEY = model("acme/tiny")
TOP = Path(__file__).parents[2]


@contextmanager
def stalled(lab: Lab, tmp_path: Path, size: int, after: int) -> Iterator[subprocess.Popen[str]]:
    """A sync in a process of its own, that has fetched ``after`` bytes of a new large file."""
    repo = lab.hub.repo("model", "acme/tiny")
    repo.lfs = ["*.safetensors", "*.bin"]
    content = PatternContent(size, seed=1)
    repo.commit({"large.bin": content, "README.md": "# Two\n"})
    lab.transfer = lab.transfer.replace("connections_per_file = 2", "connections_per_file = 1")
    lab.hub.fault("resolve", path="large.bin", kind=Stall(after), times=None)
    settings = tmp_path / "mirror.toml"
    settings.write_text(
        f'[upstream]\nendpoint = "{lab.hub.endpoint}"\n{lab.transfer}\n{lab.selection}'
    )
    command = [sys.executable, "-m", "tests.sync.child", str(lab.store.root), str(settings)]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as child:
        wait_for(lab.store.layout.partial / content.sha256, after)
        yield child
    lab.hub.clear_faults()
    names = sorted(path.name for path in lab.store.layout.partial.iterdir())
    assert [content.sha256, f"{content.sha256}.journal"] == names


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_of_a_file(lab: Lab, tmp_path: Path, number: int) -> None:
    lab.sync()
    old = files_of(lab.store, KEY)
    with stalled(lab, tmp_path, LARGE, 2**21) as child:
        child.send_signal(number)
        output, _ = child.communicate(timeout=60)

    found = json.loads(output)
    assert ("interrupted", 130, []) == (found["outcome"], found["exit_code"], found["findings"])
    assert ([], []) == (found["published"], found["failed"])
    assert found["started"] == next(iter(lab.store.reports()))["started"]
    assert old == files_of(lab.store, KEY)

    report = lab.sync()
    assert (Outcome.OK, LARGE - 2**21) == (report.outcome, report.received_bytes)
    check_complete(lab, KEY)


def test_killed_in_the_middle_of_a_file(lab: Lab, tmp_path: Path) -> None:
    """A kill costs no more than the last few MiB, and leaves no lock."""
    lab.sync()
    old = files_of(lab.store, KEY)
    mib = 2**20
    with stalled(lab, tmp_path, 12 * mib, 9 * mib) as child:
        child.kill()
        assert -signal.SIGKILL == child.wait(60)
    assert old == files_of(lab.store, KEY)
    check(lab.store)
    report = lab.sync()
    assert Outcome.OK is report.outcome
    assert 3 * mib <= report.received_bytes <= 4 * mib + 100_000
    check_complete(lab, KEY)


def wait_for(path: Path, size: int) -> None:
    """Wait until so many bytes are on disk: the file has its length from the start."""
    end = time.monotonic() + 60
    while not (path.exists() and path.stat().st_blocks * 512 >= size):
        assert time.monotonic() < end
        time.sleep(0.01)


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("late_signals_are_lost")
@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_upon_each_request(lab: Lab, number: int, after: int) -> None:
    lab.hub.add_repo("model", "acme/other", {"a.txt": "a", "b.txt": "b"})
    lab.selection += '[[models]]\nid = "acme/other"\n'
    lab.hub.on("any", lambda _: interrupt(number), skip=after, times=1)
    report = lab.sync()
    assert (Outcome.INTERRUPTED, 130) == (report.outcome, report.exit_code)
    assert () == report.failed
    check(lab.store)
    assert {change.key for change in report.published} == set(lab.store.repos())
    assert Outcome.OK is lab.sync().outcome
    check_complete(lab, KEY, model("acme/other"))


class Interrupted(Store):
    """A store that is published to at the moment of Ctrl-C."""

    def publish(self, manifest: Manifest, refs: Iterable[str] = ()) -> None:
        interrupt()
        super().publish(manifest, refs)


def test_stopped_while_it_publishes(lab: Lab) -> None:
    """A publication comes to its end, and is in the report: the catalog is told by that."""
    lab.store = Interrupted.open(lab.store.root)
    report = lab.sync()
    assert Outcome.INTERRUPTED is report.outcome
    assert [KEY] == [change.key for change in report.published]
    check_complete(lab, KEY)
    lab.store = Store.open(lab.store.root)
    assert 1 == lab.sync().unchanged


def test_a_plan_that_is_stopped_is_none(lab: Lab) -> None:
    lab.hub.on("tree", lambda _: interrupt(), times=1)
    with pytest.raises(KeyboardInterrupt):
        lab.plan()
    assert 1 == len(lab.plan().repos)


def test_a_signal_after_the_run_is_python_s_own_again(lab: Lab) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    lab.sync()
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_from_a_notebook(lab: Lab) -> None:
    """Where a loop is running already, as in Jupyter; its stop button is a SIGINT."""

    async def cell() -> Outcome:
        return lab.sync().outcome

    loop = asyncio.new_event_loop()
    lab.hub.on("tree", lambda _: interrupt(), times=1)
    assert Outcome.INTERRUPTED is loop.run_until_complete(cell())
    assert Outcome.OK is loop.run_until_complete(cell())
    loop.close()
    check_complete(lab, KEY)
