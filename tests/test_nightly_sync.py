"""scripts/nightly-sync: one line, the exit code passed on, a clean end upon SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mirror import Mirror
from mirror.store import Store
from tests.fakehub import FakeHub, Stall

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "nightly-sync"
MEGABYTE = 2**20


@pytest.fixture
def home(hub: FakeHub, tmp_path: Path) -> Path:
    """A mirror that selects one small repo, and has not been synced."""
    hub.add_repo("model", "acme/tiny", {"config.json": b"{}"})
    mirror = Mirror.init(tmp_path / "mirror", endpoint=hub.endpoint)
    mirror.add("model", id="acme/tiny")
    return mirror.root


def environment(home: Path | None, **more: str) -> dict[str, str]:
    named = {} if home is None else {"MIRROR_HOME": str(home)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **named, **more}


def nightly(home: Path | None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT], env=environment(home, **more), capture_output=True, text=True, check=False
    )


def lines(output: str, home: Path) -> list[str]:
    """What the lines say behind time and folder; each must be laid out as promised."""
    pattern = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\w+) {re.escape(str(home))} (.+)")
    found = [pattern.fullmatch(line) for line in output.splitlines()]
    return [f"{match[1]} {match[2]}" if match else "not as promised" for match in found]


def test_a_night_says_one_line(home: Path) -> None:
    done = nightly(home)

    (line,) = lines(done.stdout, home)
    assert (0, "") == (done.returncode, done.stderr)
    assert line.startswith("sync exit=0 ok published=1 new=1 ")


def test_a_repo_that_fails_is_named_and_the_code_passed_on(home: Path) -> None:
    Mirror(home).add("model", id="acme/not-there")

    done = nightly(home, MIRROR_PRUNE="1")

    sync, prune = lines(done.stdout, home)
    assert (4, True) == (done.returncode, "acme/not-there" in done.stderr)
    assert sync.startswith("sync exit=4 partial published=1 ")
    assert prune.startswith("prune exit=0 ")


def test_prune_takes_what_retention_does_not_keep_and_only_when_asked(
    hub: FakeHub, home: Path
) -> None:
    settings = home / "mirror.toml"
    settings.write_text(re.sub("# keep = 1", "keep = 0", settings.read_text(), count=1))
    nightly(home)
    hub.add_repo("model", "acme/tiny", {"config.json": b'{"newer": true}'})
    store = Store.open(home)
    (key,) = store.repos()

    nightly(home)
    assert 2 == len(store.commits(key))

    done = nightly(home, MIRROR_PRUNE="1")
    assert 1 == len(store.commits(key))
    assert "prune exit=0 freed 2 B" == lines(done.stdout, home)[1]


def test_a_second_run_is_refused(home: Path) -> None:
    with Store.open(home).write_lock("another run"):
        done = nightly(home, MIRROR_PRUNE="1", MIRROR_WAIT="1s")

    assert (8, ["sync exit=8"]) == (done.returncode, lines(done.stdout, home))
    assert "another run" in done.stderr


def test_it_waits_for_another_writer_without_a_word(home: Path) -> None:
    with Store.open(home).write_lock("another run"):
        process = subprocess.Popen(
            [SCRIPT],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
    output, errors = process.communicate(timeout=60)

    assert (0, "") == (process.returncode, errors)
    assert lines(output, home)[0].startswith("sync exit=0 ok published=1 new=1 ")


def test_without_a_mirror_it_says_so() -> None:
    done = nightly(None)

    assert (2, "") == (done.returncode, done.stdout)
    assert "MIRROR_HOME" in done.stderr


def test_sigterm_ends_it_with_a_report_and_the_next_night_goes_on(hub: FakeHub, home: Path) -> None:
    hub.add_repo("model", "acme/large", {"model.safetensors": bytes(3 * MEGABYTE)})
    Mirror(home).add("model", id="acme/large")
    arrived = threading.Event()
    hub.on("resolve", lambda _: arrived.set(), path="*.safetensors")
    hub.fault("resolve", path="*.safetensors", kind=Stall(after=MEGABYTE), times=None)

    process = subprocess.Popen(
        [SCRIPT], env=environment(home, MIRROR_PRUNE="1"), stdout=subprocess.PIPE, text=True
    )
    assert arrived.wait(30)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)

    (line,) = lines(output, home)
    assert (130, True) == (process.returncode, line.startswith("sync exit=130 interrupted "))
    assert "interrupted" == next(Mirror(home).runs())["outcome"]

    hub.clear_faults()
    assert 0 == nightly(home).returncode
    assert ["acme/large", "acme/tiny"] == [key.repo_id for key in Store.open(home).repos()]
