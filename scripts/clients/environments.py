"""The clients: what each environment holds, how it is made, how its operations are run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
#: Seconds that one client may take for all operations at one place.
PATIENCE: Final = 400


class UnavailableError(Exception):
    """An environment cannot be made here."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where environments are kept: one folder, to be removed with one command."""
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hub-mirror-clients"


@dataclass(frozen=True)
class Environment:
    """One set of client libraries, pinned."""

    name: str
    title: str
    packages: tuple[str, ...]
    language: str = "python"
    installed: Path | None = None
    """Where it is already, so that nothing is to be made."""

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return self.installed or cache_folder() / self.name

    def make(self) -> None:
        """Install it, unless the same packages were installed before.

        Raises:
            UnavailableError: Its interpreter or its packages cannot be had.
        """
        if self.installed is not None:
            return
        stamp = self.folder / ".installed"
        wanted = "\n".join(self.packages) + "\n"
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for command in self._installing():
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
            if done.returncode:
                raise UnavailableError(f"{command[0]} said: {done.stderr.strip()[-300:]}")
        stamp.write_text(wanted)

    def _installing(self) -> list[list[str]]:
        if self.language == "python":
            python = str(self.folder / "bin" / "python")
            pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            old = shutil.which("python3.11") or sys.executable
            return [[old, "-m", "venv", str(self.folder)], [*pip, *self.packages]]
        if not (shutil.which("node") and shutil.which("npm")):
            raise UnavailableError("it needs node and npm")
        (self.folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        return [["npm", "install", *quiet, *self.packages]]

    def probe(self, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Run the operations; gives operation -> its record, in order."""
        done = subprocess.run(
            self._probing(), env=environ, capture_output=True, text=True, timeout=PATIENCE
        )
        records = [json.loads(line) for line in done.stdout.split("\n") if line]
        if done.returncode:
            raise RuntimeError(f"the probe of {self.name} ended early: {done.stderr[-2000:]}")
        return {record.pop("operation"): record for record in records}

    def _probing(self) -> list[str]:
        if self.language == "python":
            return [str(self.folder / "bin" / "python"), str(HERE / "probe.py")]
        # A module is looked for from where the program lies, so it has to lie there.
        program = shutil.copy(HERE / "probe.mjs", self.folder / "probe.mjs")
        return ["node", str(program)]


def _of(name: str, title: str, *packages: str, language: str = "python") -> Environment:
    return Environment(name, title, packages, language)


ENVIRONMENTS: Final = {
    environment.name: environment
    for environment in (
        _of(
            "textbook",
            "spring 2024, pinned by a textbook",
            "huggingface_hub==0.23.0",
            "datasets==2.19.0",
            "transformers==4.40.1",
            "numpy<2",
            "pyarrow==15.0.2",
            "pandas==2.2.2",
            "pillow==10.3.0",
        ),
        _of(
            "last-0",
            "winter 2026, the last 0.x of huggingface_hub",
            "huggingface_hub==0.36.2",
            "datasets==4.5.0",
            "transformers==4.57.6",
            "pandas==2.3.3",
            "pillow",
        ),
        _of(
            "last-1",
            "autumn 2026, the last 1.x of huggingface_hub",
            "huggingface_hub==1.33.0",
            "datasets==5.2.0",
            "transformers==5.23.0",
            "pandas",
            "pillow",
        ),
        _of(
            "today",
            "the newest",
            "huggingface_hub==2.4.0",
            "datasets==5.2.0",
            "transformers==5.23.0",
            "pandas",
            "pillow",
        ),
        _of(
            "npm",
            "for JavaScript",
            "@huggingface/hub@2.17.5",
            "@huggingface/transformers@4.3.1",
            language="node",
        ),
    )
}

#: The libraries beside this interpreter, as the tests have them.
HERE_ALREADY: Final = Environment("here", "of this .venv", (), installed=Path(sys.prefix))
