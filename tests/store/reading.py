"""Run by the tests in a process of its own: use a mirror as a client does, print JSON.

``python -m tests.store.reading ROOT REPO_ID...`` with HF_HUB_OFFLINE and HF_HUB_CACHE set.
"""

import json
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from mirror.errors import DiskError
from mirror.names import RepoKey, RepoType
from mirror.store import Observation, Store, verify
from tests.store.making import KEY


def files(folder: str) -> dict[str, str]:
    top = Path(folder)
    return {
        path.relative_to(top).as_posix(): path.read_text(errors="replace")
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }


def client(repo_id: str, revision: str) -> dict[str, Any]:
    return {
        "snapshot": files(snapshot_download(repo_id, revision=revision)),
        "file": Path(hf_hub_download(repo_id, "README.md", revision=revision)).read_text(),
    }


def refused(repo_id: str, filename: str) -> bool:
    try:
        hf_hub_download(repo_id, filename)
    except LocalEntryNotFoundError:
        return True
    return False


def scan() -> dict[str, Any]:
    info = scan_cache_dir()
    return {
        "warnings": [str(warning) for warning in info.warnings],
        "repos": {f"{repo.repo_type}s/{repo.repo_id}": sorted(repo.refs) for repo in info.repos},
    }


def writes_refused(store: Store) -> int:
    """How many of our own writing calls end in a DiskError."""
    manifest = store.manifest(KEY, store.resolve(KEY))
    attempts = [
        lambda: store.write_lock("test").__enter__(),
        lambda: Store.create(store.root / "sub"),
        lambda: store.blobs.write(b"new"),
        lambda: store.publish(manifest, ["other"]),
        lambda: store.add_alias(RepoKey(RepoType.MODEL, "new"), KEY),
        lambda: store.observe(KEY, Observation(time="x")),
    ]
    count = 0
    for attempt in attempts:
        try:
            attempt()
        except DiskError:
            count += 1
    return count


def main(root: str, *pairs: str) -> None:
    store = Store.open(root)
    answer: dict[str, Any] = {pair: client(*pair.split("@")) for pair in pairs}
    answer["refused"] = refused("acme/tiny", "nothing.txt")
    answer["scan"] = scan()
    answer["findings"] = [finding.as_json() for finding in verify(store).findings]
    answer["repos"] = [str(key) for key in store.repos()]
    if store.layout.root.name == "read-only":
        answer["writes_refused"] = writes_refused(store)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
