import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.store import Store


@pytest.fixture
def store(memory_path: Path) -> Store:
    return Store.create(memory_path / "mirror")


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder in memory where there is one: real files, links and renames all the same.

    On a disk each barrier waits for whatever other programs have written.
    """
    shared = Path("/dev/shm")
    top = shared if os.access(shared, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="mirror-tests-", dir=top))
    yield folder
    shutil.rmtree(folder)
