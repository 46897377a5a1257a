from pathlib import Path

import pytest

from mirror.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "mirror")


@pytest.fixture
def path(store: Store) -> Path:
    """Where its catalog belongs."""
    return store.layout.catalog
