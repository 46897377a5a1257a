"""Ctrl-C while a bundle is written or comes in: the command stops, and goes on another time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mirror.bundle import form
from tests.bundle.making import Side, contents, imported, shown, staged, tree

TOP = Path(__file__).parents[2]

#: The command in a process that presses Ctrl-C for itself, once it has written some bytes.
SCRIPT = """
import importlib, os, signal, sys
module = importlib.import_module("mirror.bundle.{module}")
real = module.{name}
def pressed(*arguments, **options):
    result = real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGINT)
    return result
module.{name} = pressed
from mirror.cli import main
sys.argv[0] = "mirror"
main()
"""


def interrupted(module: str, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.format(module=module, name=name)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["header_of", "lay_out"])
def test_an_export_goes_on(sender: Side, memory_path: Path, name: str) -> None:
    out = memory_path / "out"
    module = "write.writing" if name == "header_of" else "write.export"
    arguments = ("-C", sender.mirror.root, "export", out, "--sign", sender.key or "")
    done = interrupted(module, name, *arguments)
    assert 130 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    assert (out / form.UNFINISHED).exists()
    sender.export(out)
    sender.export(memory_path / "whole")
    assert contents(memory_path / "whole") == contents(out)


@pytest.mark.parametrize(
    ("module", "name"), [("take.staging", "read_members"), ("take.taking", "_note_repo")]
)
def test_an_import_goes_on(sender: Side, lab: Side, bundle: Path, module: str, name: str) -> None:
    before = tree(lab.mirror.root)
    done = interrupted(module, name, "-C", lab.mirror.root, "import", bundle)
    assert 130 == done.returncode, done.stderr
    assert [] == imported(lab.store)
    assert "Traceback" not in done.stderr
    if name == "read_members":
        assert before == tree(lab.mirror.root)
    lab.take(bundle)
    assert shown(sender.store) == shown(lab.store)
    assert [] == staged(lab.store)
