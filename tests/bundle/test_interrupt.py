"""Ctrl-C while a bundle is written or comes in: the command stops, and goes on another time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mirror.bundle import form
from tests.bundle.making import LARGE, Side, contents, imported, shown, staged, tree

TOP = Path(__file__).parents[2]

#: The command in a process that presses Ctrl-C for itself, once it has written some bytes.
SCRIPT = """
import importlib, os, signal, sys, time
module = importlib.import_module("mirror.bundle.{module}")
real = module.{name}
seconds = [{seconds}]
def pressed(*arguments, **options):
    result = real(*arguments, **options)
    for pause in seconds.pop() if seconds else ():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(pause)
    return result
module.{name} = pressed
from mirror.cli import main
sys.argv[0] = "mirror"
main()
"""
EXPORTING = [("write.writing", "header_of"), ("write.export", "lay_out")]
IMPORTING = [("take.staging", "read_members"), ("take.taking", "_note_repo")]


def interrupted(
    module: str, name: str, *arguments: str | Path, seconds: Sequence[float] = (0,)
) -> subprocess.CompletedProcess[str]:
    """Give how it ended; ``seconds`` are what passes after each time that it is pressed."""
    script = SCRIPT.format(module=module, name=name, seconds=seconds)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("module", "name"), EXPORTING)
def test_an_export_goes_on(sender: Side, memory_path: Path, module: str, name: str) -> None:
    out = memory_path / "out"
    arguments = ("-C", sender.mirror.root, "export", out, "--sign", sender.key or "")
    done = interrupted(module, name, *arguments)
    assert 130 == done.returncode, done.stderr
    assert done.stderr.endswith("stopped\n")
    assert "Traceback" not in done.stderr
    assert (out / form.UNFINISHED).exists()
    sender.export(out)
    sender.export(memory_path / "whole")
    assert contents(memory_path / "whole") == contents(out)


@pytest.mark.parametrize(("module", "name"), IMPORTING)
def test_an_import_goes_on(sender: Side, lab: Side, bundle: Path, module: str, name: str) -> None:
    before = tree(lab.mirror.root)
    done = interrupted(module, name, "-C", lab.mirror.root, "import", bundle)
    assert 130 == done.returncode, done.stderr
    assert [] == imported(lab.store)
    assert done.stderr.endswith("stopped\n")
    assert "Traceback" not in done.stderr
    if name == "read_members":
        assert before == tree(lab.mirror.root)
    lab.take(bundle)
    assert shown(sender.store) == shown(lab.store)
    assert [] == staged(lab.store)


def test_pressed_again_it_ends_at_once(sender: Side, lab: Side, bundle: Path) -> None:
    """Here by a thread that hangs, as where a stick does not answer any more."""
    module, name = IMPORTING[0]
    arguments = ("-C", lab.mirror.root, "import", bundle)
    begun = time.monotonic()
    done = interrupted(module, name, *arguments, seconds=(0.5,) * 120)
    assert 130 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 45
    lab.take(bundle)
    assert shown(sender.store) == shown(lab.store)


class Presser:
    """Watches, slowly, and presses Ctrl-C when the large file is under way."""

    def __init__(self) -> None:
        self.pieces = 0
        self._pressed = False

    def __call__(self, done: int, total: int) -> None:
        time.sleep(0.1)
        self.pieces += self._pressed
        if done > total - len(LARGE) // 2 and not self._pressed:
            self._pressed = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def piece_by_piece(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setattr(f"mirror.bundle.{module}._COPY", len(LARGE) // 40)


def stopped(work: Callable[[Presser], object]) -> int:
    presser = Presser()
    with pytest.raises(KeyboardInterrupt):
        work(presser)
    return presser.pieces


def test_an_export_does_not_wait_for_a_large_file(
    sender: Side, memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece_by_piece(monkeypatch, "write.writing")
    assert 2 >= stopped(lambda presser: sender.export(memory_path / "out", progress=presser))


def test_an_import_does_not_wait_for_a_large_file(
    lab: Side, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece_by_piece(monkeypatch, "take.staging")
    exchange = lab.mirror.exchange
    (arrival,) = exchange.inspect([bundle], allowed_signers=lab.allowed)

    def take(presser: Presser) -> None:
        exchange.take_in(arrival, allowed_signers=lab.allowed, progress=presser)

    assert 2 >= stopped(take)
