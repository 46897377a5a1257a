"""Where a demo is shown: headings, prose, and commands with their output.

Every command is shown as it would be typed, and is really run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Commands that write a table for people only on a terminal.
TABLES: Final = tuple(("mirror", name) for name in ("search", "facets", "list", "leaderboard"))


def clean_environment(folder: Path) -> dict[str, str]:
    """The environment of the commands: this mirror, nothing of the user's own Hub set-up."""
    foreign = re.compile(r"(HF_|HUGGING|MIRROR_|.*_proxy$)", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MIRROR_HOME": str(folder / "mirror"),
        "HF_HOME": str(folder / "hf-home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def typed(command: Sequence[str]) -> str:
    """Write a command as one would type it: quotes only where a shell needs them."""
    safe = re.compile(r"[\w@%+=:,./-]+")
    return " ".join(word if safe.fullmatch(word) else shlex.quote(word) for word in command)


@dataclass(frozen=True)
class Side:
    """A machine that the demo plays: what its commands see, and run in."""

    prompt: str
    environment: Mapping[str, str]
    wall: Sequence[str] = ()
    """What each command is run by, and is not shown with: ``unshare -rn``."""


class Stage:
    """Where the demo is shown: headings, prose, and commands with their output."""

    def __init__(self, environment: Mapping[str, str], folder: Path | None = None) -> None:
        self.here = Side("", environment)
        self.folder = folder
        self._after_command = False
        self.on_terminal = sys.stdout.isatty()
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.colour = self.on_terminal and not plain
        self.step = 0

    def heading(self, text: str) -> None:
        """Begin a step."""
        self.step += 1
        self._after_command = False
        line = f"{self.step}. {text}"
        print(f"\n\033[1m{line}\033[0m" if self.colour else f"\n{line}\n{'-' * len(line)}")

    def say(self, text: str) -> None:
        """Write prose, folded; apart from the output of a command."""
        if self._after_command:
            print()
        self._after_command = False
        width = min(shutil.get_terminal_size().columns, 96)
        print(textwrap.fill(" ".join(text.split()), width, break_on_hyphens=False))

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands see that are run nowhere else."""
        return self.here.environment

    def run(
        self,
        *command: str,
        shown: str | None = None,
        side: Side | None = None,
        below: str = "",
        code: int = 0,
    ) -> None:
        """Show a command as typed, and run it; end the demo where it does not end as expected.

        Args:
            command: the words.
            shown: what is shown in place of them.
            side: the machine it is typed on.
            below: the folder in which it is run, from the stage's own.
            code: the exit code that it should have.
        """
        side = side or self.here
        text = f"{side.prompt}$ {shown or typed(command)}"
        print(f"\n\033[36m{text}\033[0m" if self.colour else f"\n{text}", flush=True)
        found = self._call(command, side, below)
        self._after_command = True
        if found != code:
            sys.exit(f"demo: that command ended with exit code {found}")

    def _call(self, command: tuple[str, ...], side: Side, below: str) -> int:
        words = [*side.wall, *command]
        folder = None if self.folder is None else self.folder / below
        if self.on_terminal or command[:2] not in TABLES:
            done = subprocess.run(words, env=side.environment, cwd=folder, check=False)
            return done.returncode
        return self._as_on_terminal(words, side, folder)

    def _as_on_terminal(self, words: Sequence[str], side: Side, folder: Path | None) -> int:
        """Run a command that writes a table for people only on a terminal: give it one."""
        try:
            mine, its = os.openpty()
        except OSError:
            done = subprocess.run(words, env=side.environment, cwd=folder, check=False)
            return done.returncode
        size = {"COLUMNS": "132", "LINES": "50"}
        environment = {**side.environment, "TERM": "dumb", "NO_COLOR": "1", **size}
        with os.fdopen(mine, "rb", buffering=0) as reader:
            process = subprocess.Popen(words, env=environment, cwd=folder, stdout=its)
            os.close(its)
            try:
                while piece := reader.read(4096):
                    sys.stdout.buffer.write(piece.replace(b"\r\n", b"\n"))
            except OSError:  # how Linux says that the other end is closed
                pass
            sys.stdout.flush()
            return process.wait()


def mirror_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What ``mirror env`` says, as a shell would take it."""
    command = ["mirror", "env", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def network_wall() -> list[str]:
    """Give the command that runs another in an empty network namespace; ``[]`` if forbidden."""
    for wall in (["unshare", "-rn"], ["unshare", "-n"]):
        try:
            done = subprocess.run([*wall, "true"], capture_output=True, check=False)
        except FileNotFoundError:
            return []
        if done.returncode == 0:
            return wall
    return []
