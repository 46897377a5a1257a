"""Folders to adopt, made by the real clients: huggingface_hub and git."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import huggingface_hub

from mirror.adopt import AdoptionReport, Share, Told, carry_out, plan_adoption
from mirror.names import RepoKey, RepoType
from mirror.store import Manifest, Store
from tests.fakehub import FakeHub, FakeRepo
from tests.fakehub.content import File
from tests.sync.lab import Lab

KEY = RepoKey(RepoType.MODEL, "acme/tiny")
WEIGHTS = bytes(range(256)) * 40
FILES: dict[str, bytes] = {
    "README.md": b"---\nlicense: mit\n---\n# Tiny\n",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "한국어/sub dir/vocab.txt": "안녕\n".encode(),
    "empty.txt": b"",
}
LFS = ["*.safetensors"]


def add_tiny(hub: FakeHub, files: Mapping[str, bytes] = FILES) -> FakeRepo:
    return hub.add_repo("model", "acme/tiny", dict(files), lfs=LFS)


def download(hub: FakeHub, cache: Path, **more: Any) -> Path:
    """Download into a cache; gives the folder of the repo in it."""
    more = {"repo_id": KEY.repo_id, "endpoint": hub.endpoint, "cache_dir": cache} | more
    huggingface_hub.snapshot_download(**more)
    return cache / "models--acme--tiny"


def download_plain(hub: FakeHub, folder: Path, **more: Any) -> Path:
    """Download as ``hf download --local-dir`` does."""
    more = {"repo_id": KEY.repo_id, "endpoint": hub.endpoint, "local_dir": folder} | more
    huggingface_hub.snapshot_download(**more)
    return folder


def adopt(
    store: Store, *folders: Path, link: bool = True, share: str = "own", **said: Any
) -> AdoptionReport:
    with store.write_lock("adopt"):
        plan = plan_adoption(store, folders, Told(**said))
        return carry_out(store, plan, share=Share(share) if link else Share.NONE)


def manifest_of(store: Store, revision: str = "main", key: RepoKey = KEY) -> Manifest:
    return store.manifest(key, store.resolve(key, revision))


def synced_files(lab: Lab, root: Path) -> Any:
    """The manifest's files as a sync of the same commit makes them."""
    other = Lab(lab.hub, Store.create(root), lab.selection)
    assert 0 == other.sync().exit_code
    return manifest_of(other.store).files


def picture_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, mode and bytes of every file of a folder: what an adoption leaves as it was."""
    return {
        path.relative_to(folder).as_posix(): (
            path.lstat().st_ino,
            path.lstat().st_mode & 0o777,
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


# --- git ---------------------------------------------------------------------------


def git(folder: Path, *arguments: str, data: bytes | None = None) -> str:
    names = {f"GIT_{who}_{what}": "tester" for who in ("AUTHOR", "COMMITTER") for what in ("NAME",)}
    names |= {f"GIT_{who}_EMAIL": "t@example.org" for who in ("AUTHOR", "COMMITTER")}
    environ = {**os.environ, **names, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environ, input=data, capture_output=True, check=False
    )
    assert 0 == done.returncode, done.stderr.decode()
    return done.stdout.decode().strip()


def make_clone(
    folder: Path,
    files: Mapping[str, bytes] = FILES,
    url: str = "https://huggingface.co/acme/tiny",
) -> str:
    """Make what ``git clone`` with LFS leaves, pointers written by hand; gives the commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", url)
    for path, content in files.items():
        is_lfs = path.endswith(".safetensors")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(pointer(content) if is_lfs else content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    for path, content in files.items():
        if path.endswith(".safetensors"):
            kept = lfs_object(folder, content)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
            (folder / path).write_bytes(content)  # as the smudge filter would
    return git(folder, "rev-parse", "HEAD")


def pointer(content: bytes) -> bytes:
    sha256 = hashlib.sha256(content).hexdigest()
    text = "version https://git-lfs.github.com/spec/v1\n"
    return f"{text}oid sha256:{sha256}\nsize {len(content)}\n".encode()


def lfs_object(folder: Path, content: bytes) -> Path:
    sha256 = hashlib.sha256(content).hexdigest()
    return folder / ".git" / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256


def name_commit(repo: FakeRepo, commit: str) -> None:
    """Let the hub's head have the hash that git has given to the same files."""
    head = repo.head
    head.__dict__["id"] = commit
    repo.commits[commit] = head
    repo.branches["main"] = commit


def hub_files(repo: FakeRepo) -> dict[str, File]:
    return dict(repo.head.files)


def now() -> datetime:
    return datetime.now(UTC)
