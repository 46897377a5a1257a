import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.store import Store
from tests.fakehub import FakeHub
from tests.store.conftest import memory_path as memory_path
from tests.sync.lab import Lab, entries


@pytest.fixture
def store(memory_path: Path) -> Store:
    return Store.create(memory_path / "mirror")


@pytest.fixture
def lab(hub: FakeHub, store: Store) -> Lab:
    """A mirror of one small model repo: two plain files and an LFS file."""
    hub.add_repo(
        "model",
        "acme/tiny",
        {
            "README.md": "---\nlicense: mit\n---\n# Tiny\n",
            "config.json": b'{"model_type": "bert"}',
            "model.safetensors": bytes(range(256)) * 40,
        },
        lfs=["*.safetensors"],
    )
    return Lab(hub, store, entries("acme/tiny"))


@pytest.fixture
def late_signals_are_lost() -> Iterator[None]:
    """A signal sent upon a request may come when the run that made it is over already."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: None) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
