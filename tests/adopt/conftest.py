from pathlib import Path

import pytest

from mirror.store import Store
from tests.adopt.making import add_tiny
from tests.fakehub import FakeHub
from tests.store.conftest import memory_path as memory_path
from tests.sync.lab import Lab, entries


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "mirror")


@pytest.fixture
def lab(hub: FakeHub, store: Store) -> Lab:
    """A mirror with nothing in it, and a hub with one small model."""
    add_tiny(hub)
    return Lab(hub, store, entries("acme/tiny"))
