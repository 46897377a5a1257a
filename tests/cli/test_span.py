"""``--wait``: another process writes just then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import click
import pytest

from mirror import Mirror
from mirror.cli.span import SpanType
from tests.cli.conftest import Cli


@pytest.fixture
def mirror(home: Path) -> Mirror:
    return Mirror.init(home, "http://127.0.0.1:9")


def start(mirror: Mirror, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mirror", "-C", str(mirror.root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_it_goes_on_when_the_other_one_has_ended(mirror: Mirror) -> None:
    with mirror.store.write_lock("pass-through"):
        process = start(mirror, "reindex", "--wait", "2m")
        line = first_line(process)
    out, _ = process.communicate(timeout=60)
    holder = f"pass-through, pid {os.getpid()} on "
    assert line.startswith(f"waiting: another process writes to this mirror: {holder}")
    assert 0 == process.returncode
    assert "indexed  0" in out


def test_the_waiting_can_be_stopped(mirror: Mirror) -> None:
    with mirror.store.write_lock("sync"):
        process = start(mirror, "prune", "--wait", "1h")
        first_line(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (130, "stopped") == (process.returncode, errors.strip())


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync"],
        ["prune"],
        ["reindex"],
        ["adopt", "."],
        ["receipt", "receipt.json"],
    ],
)
def test_in_vain(
    cli: Cli, mirror: Mirror, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mirror.root.parent)
    with mirror.store.write_lock("import"):
        ran = cli(*arguments, "--wait", "1s", code=8)
    lines = ran.err.splitlines()
    assert ["waiting", "error", "hint"] == [line.partition(":")[0] for line in lines]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2 h", 7200), ("1D", 86400), ("2w", 1209600), ("0s", 0)],
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert timedelta(seconds=seconds) == SpanType().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "30", "m", "-1s", "1.5h", "1h30m", "9999999s", "１h", "2y"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a time such as"):
        SpanType().convert(text, None, None)
