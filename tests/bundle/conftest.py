from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bundle.making import Side, allow, fill, make_key, new_side
from tests.store.conftest import memory_path

__all__ = ["memory_path"]


@dataclass(frozen=True)
class Keys:
    """Signing keys, made for these tests alone."""

    folder: Path
    sender: Path
    middle: Path
    lab: Path
    stranger: Path
    allowed: Path
    """Names sender, middle and lab."""


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    folder = tmp_path_factory.mktemp("keys")
    made = [make_key(folder, name) for name in ("sender", "middle", "lab", "stranger")]
    return Keys(folder, *made, allowed=allow(folder / "allowed_signers", made[:3]))


@pytest.fixture
def sender(memory_path: Path, keys: Keys) -> Side:
    """The connected side, with something in it."""
    side = new_side(memory_path / "sender", "outside", keys.sender, keys.allowed)
    fill(side.store)
    return side


@pytest.fixture
def lab(memory_path: Path, keys: Keys) -> Side:
    """The other side, with nothing in it."""
    return new_side(memory_path / "lab", "lab", keys.lab, keys.allowed)


@pytest.fixture
def bundle(sender: Side, memory_path: Path) -> Path:
    """All of the sender, in one folder, signed."""
    sender.export(memory_path / "bundle")
    return memory_path / "bundle"
