"""The real huggingface_hub, offline, on the view: also alone, and on a read-only mount."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirror.names import RepoKey, RepoType
from mirror.store import Store
from tests.store.making import FILES, KEY, OTHER, commit_of, publish

TOP = Path(__file__).parents[2]
ONE, TWO = commit_of("1"), commit_of("2")
NEWER = {**FILES, "README.md": b"# Tiny, again\n", "sub dir/파일.txt": b"x"}
SOME = {"README.md": FILES["README.md"]}
REST = {path: data for path, data in FILES.items() if path not in SOME}
PARTIAL = RepoKey(RepoType.MODEL, "acme/partial")
ALIAS = RepoKey(RepoType.MODEL, "tiny")
#: What is asked for, and which files must come.
WANTED = {
    "acme/tiny@main": NEWER,
    f"acme/tiny@{TWO}": NEWER,
    f"acme/tiny@{ONE}": FILES,
    "acme/tiny@refs/convert/parquet": FILES,
    "acme/tiny@v1.0": FILES,
    "acme/partial@main": SOME,
    f"acme/partial@{ONE}": SOME,
    "tiny@main": NEWER,
    "tiny@v1.0": FILES,
}


def fill(store: Store) -> None:
    publish(store, refs=("main", "v1.0", "refs/convert/parquet"))
    publish(store, commit=TWO, files=NEWER)
    publish(store, PARTIAL, files=SOME, absent=REST)
    publish(store, OTHER)
    store.add_alias(ALIAS, KEY)


def use(root: Path, *prefix: str, cache: Path | None = None) -> dict[str, Any]:
    """Let a client and a reader of the store work in a process of their own."""
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache or root / "hub")}
    command = [*prefix, sys.executable, "-m", "tests.store.reading", str(root), *WANTED]
    done = subprocess.run(
        command, cwd=TOP, env=environ, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def assert_all_there(answer: dict[str, Any]) -> None:
    for pair, files in WANTED.items():
        text = {path: data.decode() for path, data in sorted(files.items())}
        assert answer[pair]["snapshot"] == text
        assert answer[pair]["file"] == text["README.md"]
    assert answer["refused"]
    assert answer["scan"] == {
        "warnings": [],
        "repos": {
            "models/acme/tiny": ["main", "refs/convert/parquet", "v1.0"],
            "models/tiny": ["main", "refs/convert/parquet", "v1.0"],
            "models/acme/partial": ["main"],
            "datasets/acme/words": ["main"],
        },
    }
    assert answer["findings"] == []
    assert sorted(answer["repos"]) == ["datasets/acme/words", "models/acme/partial", str(KEY)]


def test_the_real_client_loads_everything(store: Store) -> None:
    fill(store)
    # As after a kill: unfinished work must not disturb a client.
    (store.layout.view(KEY) / f".{TWO}.tmp" / "sub").mkdir(parents=True)
    (store.layout.view(KEY) / ".file.tmp").write_text("x")
    assert_all_there(use(store.root))


def needs_namespaces() -> None:
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no user namespaces here: {done.stderr.decode().strip()}")


def test_everything_works_on_a_read_only_mount(tmp_path: Path) -> None:
    """root may write whatever the permissions say, so only a read-only mount is a true test."""
    needs_namespaces()
    store = Store.create(tmp_path / "mirror")
    fill(store)
    mount = tmp_path / "read-only"
    mount.mkdir()
    script = 'mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" && shift 2 && exec "$@"'
    prefix = ["unshare", "-rm", "sh", "-c", script, "sh", str(store.root), str(mount)]
    answer = use(mount, *prefix)

    assert_all_there(answer)
    assert answer["writes_refused"] == 6


def test_the_view_alone_is_enough(store: Store) -> None:
    """As when only hub/ is mounted into a container: no link may lead out of it."""
    fill(store)
    alone = store.root.parent / "alone"
    store.layout.hub.rename(alone)
    moved = use(store.root, cache=alone)
    del moved["findings"]  # the store misses its view, of course

    whole = {**moved, "findings": []}
    assert_all_there(whole)
