"""Fixtures of the tests of api and cli: a hub that can change, and a mirror of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror import Mirror
from tests.api.small import make_synced, small_hub
from tests.fakehub import FakeHub, serve


@pytest.fixture(scope="session")
def offline_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synced mirror whose hub is gone. Read only: take ``synced`` to change one."""
    root = tmp_path_factory.mktemp("offline") / "mirror"
    hub = small_hub()
    with serve(hub):
        make_synced(root, hub)
    return root


@pytest.fixture
def offline(offline_root: Path) -> Mirror:
    """The same, open."""
    return Mirror(offline_root)


@pytest.fixture
def small(hub: FakeHub) -> FakeHub:
    """The hub of this test, filled."""
    return small_hub(hub)


@pytest.fixture
def synced(small: FakeHub, tmp_path: Path) -> Iterator[Mirror]:
    """A synced mirror of ``small``, to be changed."""
    root = tmp_path / "synced"
    yield make_synced(root, small)
    shutil.rmtree(root, ignore_errors=True)
