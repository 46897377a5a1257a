from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner

from mirror import Mirror
from mirror.cli import app
from tests.api.fixtures import offline, offline_root, small, synced

__all__ = ["offline", "offline_root", "small", "synced"]


@dataclass(frozen=True)
class Ran:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The columns of a table in a pipe."""
        return [line.split("\t") for line in self.out.splitlines()]


class Cli(Protocol):
    def __call__(self, *args: str | Path, code: int = 0, **env: str) -> Ran: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where ``cli`` has its mirror; not made yet."""
    return tmp_path / "mirror"


@pytest.fixture
def cli(home: Path) -> Cli:
    """Run a command in this process, on the mirror ``home``; its exit code must be ``code``."""

    def run(*args: str | Path, code: int = 0, **env: str) -> Ran:
        runner = CliRunner(env={"MIRROR_HOME": str(home)} | env)
        result = runner.invoke(app, [str(arg) for arg in args])
        assert code == result.exit_code, result.output
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def read(cli: Cli, offline: Mirror) -> Cli:
    """Run a command on the mirror that nothing changes."""

    def run(*args: str | Path, code: int = 0, **env: str) -> Ran:
        return cli(*args, "-C", offline.root, code=code, **env)

    return run
