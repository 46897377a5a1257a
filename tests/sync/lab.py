"""What the tests of sync share: a hub, a mirror of it, and the picture of what is on disk.

A ``Lab`` runs the real sync against a FakeHub, with short waits. ``picture`` tells all that
a mirror holds apart from times, so that two mirrors can be compared; ``check`` says that
a mirror is sound: every byte of it has its digest, and the view shows what the store has.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.hub import Upstream
from mirror.hub.retry import Backoff
from mirror.names import RepoKey, RepoType
from mirror.settings import Settings, parse_settings
from mirror.store import Store, verify
from mirror.sync import plan_sync, run_repair, run_sync
from mirror.sync.model import Progress, RunReport, SyncPlan
from tests.fakehub import FakeHub

#: Two new tries, at once: enough for a passing fault, and soon over for a lasting one.
RETRIES = 2
connect = functools.partial(Upstream, backoff=Backoff(retries=RETRIES, base=0.001))

TRANSFER = """
[transfer]
workers = 4
connections_per_file = 2
connect_timeout = 2.0
read_timeout = 20.0
max_wait = 5.0
"""
#: For tests in which upstream stalls; with the others, a busy machine must not look so.
IMPATIENT = TRANSFER.replace("read_timeout = 20.0", "read_timeout = 0.3")

#: Over the size up to which a file is fetched in one piece: this one leaves a journal.
LARGE = 3 * 2**20


def model(repo_id: str) -> RepoKey:
    return RepoKey(RepoType.MODEL, repo_id)


def dataset(repo_id: str) -> RepoKey:
    return RepoKey(RepoType.DATASET, repo_id)


def entries(*repo_ids: str, repo_type: str = "model") -> str:
    return "".join(f'[[{repo_type}s]]\nid = "{repo_id}"\n' for repo_id in repo_ids)


def settings_of(hub: FakeHub | str, selection: str, transfer: str = TRANSFER) -> Settings:
    """Read a mirror.toml with the hub as upstream; ``selection`` is the rest of it."""
    endpoint = hub if isinstance(hub, str) else hub.endpoint
    return parse_settings(f'[upstream]\nendpoint = "{endpoint}"\n{transfer}\n{selection}')


@dataclass
class Lab:
    """A mirror, the hub it is of, and the selection."""

    hub: FakeHub
    store: Store
    selection: str
    transfer: str = TRANSFER
    token: str | None = None

    @property
    def settings(self) -> Settings:
        return settings_of(self.hub, self.selection, self.transfer)

    def sync(
        self,
        repos: Collection[RepoKey] | None = None,
        *,
        recheck: bool = False,
        progress: Progress | None = None,
    ) -> RunReport:
        return run_sync(
            self.store,
            self.settings,
            token=self.token,
            repos=repos,
            recheck=recheck,
            progress=progress,
            connect=connect,
        )

    def plan(self, repos: Collection[RepoKey] | None = None, *, recheck: bool = False) -> SyncPlan:
        return plan_sync(
            self.store,
            self.settings,
            token=self.token,
            repos=repos,
            recheck=recheck,
            connect=connect,
        )

    def repair(self, *keys: RepoKey) -> RunReport:
        return run_repair(self.store, self.settings, keys, token=self.token, connect=connect)


def files_of(store: Store, key: RepoKey, revision: str = "main") -> dict[str, bytes]:
    """Read a snapshot as a client finds it: through the ref of the view."""
    folder = store.layout.view(key)
    commit = (folder / "refs" / revision).read_text()
    return contents(folder / "snapshots" / commit)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def upstream_files(hub: FakeHub, key: RepoKey, revision: str = "main") -> dict[str, bytes]:
    """Read the same from the hub."""
    commit = hub.repo(key.repo_type, key.repo_id).find(revision)
    assert commit is not None
    return {path: file.content.bytes() for path, file in sorted(commit.files.items())}


def check(store: Store) -> None:
    """Assert that everything in the mirror is what it should be."""
    assert () == verify(store).problems
    for digest in store.blobs:
        assert store.blobs.path(digest).stat().st_mode & 0o222 == 0


def check_complete(lab: Lab, *keys: RepoKey) -> None:
    """Assert that the mirror is sound, and has the heads of ``keys`` whole."""
    check(lab.store)
    for key in keys:
        assert upstream_files(lab.hub, key) == files_of(lab.store, key)
    assert [] == list(lab.store.layout.partial.iterdir())


def picture(store: Store) -> dict[str, Any]:
    """Tell what a mirror holds, without the times at which it came."""
    return {
        "repos": {str(key): _repo(store, key) for key in store.repos()},
        "aliases": {str(key): str(target) for key, target in store.aliases().items()},
        "blobs": sorted(store.blobs),
        "view": view_of(store),
    }


def _repo(store: Store, key: RepoKey) -> Mapping[str, Any]:
    return {
        "refs": dict(store.refs(key)),
        "commits": {
            commit: store.manifest(key, commit).model_dump(exclude={"created"})
            for commit in store.commits(key)
        },
    }


def view_of(store: Store) -> dict[str, object]:
    """Tell what clients find: every file of ``hub/`` with its bytes, and every link."""
    found: dict[str, object] = {}
    for path in sorted(store.layout.hub.rglob("*")):
        name = path.relative_to(store.layout.hub).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def snapshot_tree(root: Path) -> dict[str, tuple[int, int]]:
    """Tell size and inode of every file: what a run has not touched stays as it was."""
    return {
        path.relative_to(root).as_posix(): (path.lstat().st_size, path.lstat().st_ino)
        for path in sorted(root.rglob("*"))
        if not path.is_dir()
    }
