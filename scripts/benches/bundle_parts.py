"""What ``scripts/bench bundle`` carries across: mirrors of one repo, and the commands."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from mirror.store import Manifest, ManifestFile, Store
from mirror.store.digests import Hasher
from scripts.benches.measure import Command

BIN: Final = Path(sys.executable).parent
KEY: Final = RepoKey(RepoType.MODEL, "bench/repo")
_BLOCK: Final = 10**7
_MANY: Final = 1000
#: The plain way: a copy, its checksums in a file beside it, and all of it on the disk.
_PLAIN: Final = (
    'cp -r "$1" "$2" && cd "$2" && find . -type f -exec sha256sum {} + > ../SHA256SUMS'
    ' && sync -f "$2"'
)


@dataclass(frozen=True)
class Content:
    """What one repo has, and what its next commit changes: one part in a hundred."""

    sizes: Mapping[str, int]
    changed: Sequence[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())


def large(total: int) -> Content:
    """Give four files of 24 % of ``total`` each and four of 1 %; one of those changes."""
    sizes = {f"model-{number}.safetensors": total * 24 // 100 for number in range(4)}
    sizes |= {f"adapter-{number}.safetensors": total // 100 for number in range(4)}
    return Content(sizes, ["adapter-0.safetensors"])


def small(count: int, size: int) -> Content:
    """Give ``count`` files of ``size`` bytes in folders of 500; every hundredth changes."""
    paths = [f"part-{number // 500:03}/{number:06}.json" for number in range(count)]
    return Content(dict.fromkeys(paths, size), paths[::100])


def make_mirror(root: Path, content: Content) -> Store:
    """Make a mirror with the first commit of a repo."""
    store = Mirror.init(root, "http://127.0.0.1:9").store
    _publish(store, "first", [_write(store, path, size) for path, size in content.sizes.items()])
    return store


def change(store: Store, content: Content) -> None:
    """Add the second commit, in which every changed file has other bytes of the same size."""
    before = store.manifest(KEY, store.resolve(KEY)).files
    after = {path: _write(store, path, content.sizes[path], "2") for path in content.changed}
    _publish(store, "second", [after.get(file.path, file) for file in before])


def snapshot(store: Store) -> Path:
    """Give the folder in which all files of the commit lie under their own names."""
    return store.snapshot_path(KEY, store.resolve(KEY))


def _publish(store: Store, name: str, files: Iterable[ManifestFile]) -> None:
    manifest = Manifest(
        repo_type=KEY.repo_type,
        repo_id=KEY.repo_id,
        commit=hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(),
        created="2026-11-01T00:00:00+00:00",
        files=tuple(sorted(files, key=lambda file: file.path)),
        upstream={"cardData": {"license": "mit"}},
    )
    with store.write_lock("bench"):
        store.publish(manifest, ["main"])


def _write(store: Store, path: str, size: int, version: str = "") -> ManifestFile:
    """Put bytes that no other file has into the store."""
    block = random.Random(path + version).randbytes(min(size, _BLOCK))
    hasher = Hasher(size)
    beside = store.root / "beside"
    with beside.open("wb") as stream:
        for start in range(0, size, _BLOCK):
            data = block[: size - start]
            hasher.update(data)
            stream.write(data)
    store.blobs.adopt(beside, hasher.sha256)
    return ManifestFile(path=path, size=size, blob_id=hasher.git_sha1, sha256=hasher.sha256)


# --- commands -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Signing:
    """A key made for this run, and the list that allows it."""

    key: Path
    allowed: Path


def make_key(folder: Path) -> Signing:
    """Make an Ed25519 key without a passphrase."""
    key, allowed = folder / "key", folder / "allowed_signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    allowed.write_text(f'bench namespaces="hub-mirror-bundle" {public}', encoding="utf-8")
    return Signing(key, allowed)


def plain(source: Path, target: Path) -> Command:
    """Give ``cp -r``, ``sha256sum`` and ``sync`` of a folder of files."""
    return Command(["sh", "-c", _PLAIN, "sh", str(source), str(target)], {}, lambda: _clear(target))


def _clear(folder: Path) -> None:
    """Take what the last round has made out of the way of the next one.

    Many files are only moved aside: an ext4 file system without a journal does not give out an
    inode for a minute or more after its file was removed, and looks at each of them in vain.
    """
    files = sum(len(names) for _, _, names in os.walk(folder))
    if files > _MANY:
        folder.rename(folder.with_name(f"{folder.name}-before-{time.monotonic_ns()}"))
    else:
        shutil.rmtree(folder, ignore_errors=True)


def export(root: Path, out: Path, signing: Signing, *options: str) -> Command:
    """Give ``mirror export`` into a new folder, signed."""
    return _mirror(
        root, lambda: _clear(out), "export", str(out), "--sign", str(signing.key), "-q", *options
    )


def take_in(bundle: Path, root: Path, signing: Signing) -> Command:
    """Give ``mirror import`` into a new mirror, with the signature demanded."""

    def prepare() -> None:
        _clear(root)
        subprocess.run([BIN / "mirror", "init", root], check=True, capture_output=True)

    signers = ["--allowed-signers", str(signing.allowed)]
    return _mirror(root, prepare, "import", str(bundle), "-q", *signers)


def receipt(root: Path, path: Path) -> Command:
    """Give ``mirror receipt``."""
    return _mirror(root, lambda: None, "receipt", str(path))


def _mirror(root: Path, prepare: object, *arguments: str) -> Command:
    assert callable(prepare)
    return Command([str(BIN / "mirror"), "-C", str(root), *arguments], {}, prepare)


def bytes_in(folder: Path) -> int:
    """Give the bytes of all files in a folder: head, listing and signature included."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
