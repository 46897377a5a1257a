"""Two sides of a gap for the tests of bundles, and what a forger can do on the way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror import Mirror
from mirror.bundle import form
from mirror.bundle.canonical import id_of
from mirror.bundle.inventory import take_inventory
from mirror.bundle.listing import encode_listing
from mirror.bundle.log import read_remembered
from mirror.bundle.take.importing import ImportReport
from mirror.bundle.write.export import Exported
from mirror.errors import CatalogError
from mirror.names import RepoKey
from mirror.store import Observation, Store
from tests.store.making import KEY, OTHER, commit_of, contents, publish

ONE, TWO = commit_of("1"), commit_of("2")
LARGE = bytes(range(256)) * 600  # 150 KB: a file of its own, not in a pack
CARD = b"---\nlicense: apache-2.0\n---\n# Tiny\nA small model for tests.\n"
FILES = {
    "README.md": CARD,
    "config.json": b"{}\n",
    "empty.txt": b"",
    "weights/model.safetensors": LARGE,
}
NEWER = {**FILES, "config.json": b'{"a": 1}\n', "new/notes.txt": b"new\n"}
WORDS = {"README.md": "# 낱말\n".encode(), "data/train.csv": b"a,b\n1,2\n", "copy.json": b"{}\n"}


@dataclass(frozen=True)
class Side:
    """One mirror with a name, a key and a list of whom it trusts."""

    mirror: Mirror
    key: Path | None = None
    allowed: Path | None = None

    @property
    def store(self) -> Store:
        return self.mirror.store

    def export(self, out: Path, *repos: str, signed: bool = True, **options: Any) -> Exported:
        """Plan and write; options are divided by name."""
        told = {n: options.pop(n) for n in ("receipt", "since", "full") if n in options}
        exchange = self.mirror.exchange
        plan = exchange.plan_export(repos, **told)
        return exchange.export(plan, out, key=self.key if signed else None, **options)

    def take(self, *paths: Path, asks: bool = True) -> list[ImportReport]:
        """Take everything in that lies in the paths."""
        allowed = self.allowed if asks else None
        exchange = self.mirror.exchange
        return [
            exchange.take_in(arrival, allowed_signers=allowed)
            for arrival in exchange.inspect(paths, allowed_signers=allowed)
        ]

    def receipt(self, path: Path, *, signed: bool = True) -> Path:
        self.mirror.exchange.receipt(path, key=self.key if signed else None)
        return path


def new_side(root: Path, name: str, key: Path | None = None, allowed: Path | None = None) -> Side:
    mirror = Mirror.init(root)
    settings = root / "mirror.toml"
    settings.write_text(f'{settings.read_text()}\n[exchange]\nname = "{name}"\n')
    return Side(mirror, key, allowed)


def fill(store: Store) -> None:
    """What a sender has at first: a model with a past, a data set, another name."""
    publish(store, KEY, ONE, FILES, ("main", "v1"), absent={"big.bin": b"left out"})
    publish(store, OTHER, ONE, WORDS, ("main", "refs/convert/parquet", ONE))
    store.add_alias(RepoKey(KEY.repo_type, "tiny"), KEY)
    seen(store, KEY, "2025-02-01T00:00:00+00:00", downloads=7)
    seen(store, OTHER, "2025-02-01T00:00:00+00:00", downloads=5)


def seen(store: Store, key: RepoKey, time: str, downloads: int = 1) -> None:
    store.observe(key, Observation(time=time, commit=ONE, downloads=downloads, license="mit"))


def update(store: Store, downloads: int = 8) -> None:
    """A newer commit, of which two small files are new."""
    publish(store, KEY, TWO, NEWER, ("main",), absent={"big.bin": b"left out"})
    seen(store, KEY, "2025-03-01T00:00:00+00:00", downloads)


def make_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    key = folder / name
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return key


def allow(path: Path, keys: Iterable[Path], options: str = "") -> Path:
    """Write a list of allowed signers: each by the name of its file."""
    lines = [f"{key.name}@lab {options} {key.with_suffix('.pub').read_text()}" for key in keys]
    path.write_text("".join(lines))
    return path


# --- looking ------------------------------------------------------------------------


def tree(root: Path) -> dict[str, bytes]:
    """All of a mirror that is not unfinished work, or who holds the lock."""
    return {
        path: data
        for path, data in contents(root).items()
        if path.split("/")[0] not in {"partial", "lock"}
    }


def answers(mirror: Mirror) -> list[Any]:
    """What people find in the catalog."""
    try:
        hits = list(mirror.search(""))
    except CatalogError:
        return []
    return sorted(
        (str(one.key), one.commit, one.ref, one.title, one.licenses, one.downloads, one.files)
        for one in hits
    )


def shown(store: Store) -> dict[str, Any]:
    """What users of a mirror have before them, apart from times of its own."""
    return {
        "repos": {
            str(key): (
                dict(store.refs(key)),
                {c: manifest_of(store, key, c) for c in store.commits(key)},
                [one.as_json() for one in store.history(key)],
            )
            for key in store.repos()
        },
        "aliases": {str(name): str(key) for name, key in store.aliases().items()},
        "view": contents(store.layout.hub),
    }


def manifest_of(store: Store, key: RepoKey, commit: str) -> dict[str, Any]:
    return store.manifest(key, commit).model_dump(exclude={"created"})


def imported(store: Store) -> list[str]:
    return [record.bundle for record in read_remembered(store).imports]


def staged(store: Store) -> list[str]:
    """What is left of imports that did not end."""
    return [path.name for path in store.layout.partial.iterdir()]


def same_inventory(one: Store, other: Store) -> bool:
    left, right = take_inventory(one), take_inventory(other)
    return [(str(k), dict(h.refs), dict(h.commits)) for k, h in sorted(left.repos.items())] == [
        (str(k), dict(h.refs), dict(h.commits)) for k, h in sorted(right.repos.items())
    ]


# --- forging --------------------------------------------------------------------------


def reseal(
    folder: Path,
    key: Path | None,
    change: Callable[[dict[str, Any]], object] | None = None,
    *,
    namespace: str = "hub-mirror-bundle",
) -> None:
    """Describe what lies in the one volume ``folder`` anew, as its maker would, and sign it.

    ``change`` may lie in the head; the id is made to fit.
    """
    head = json.loads((folder / form.HEAD).read_bytes())
    head["volumes"] = [{"files": [_entry(folder, path) for path in _payload(folder)]}]
    write_head(folder, head, change)
    relist(folder)
    sign(folder, key, namespace)


def reseal_volumes(volumes: Iterable[Path], key: Path | None) -> None:
    """The same for a bundle of several volumes."""
    folders = list(volumes)
    head = json.loads((folders[0] / form.HEAD).read_bytes())
    head["volumes"] = [
        {"files": [_entry(folder, path) for path in _payload(folder)]} for folder in folders
    ]
    for folder in folders:
        write_head(folder, head)
        relist(folder)
        sign(folder, key)


def write_head(
    folder: Path, head: dict[str, Any], change: Callable[[dict[str, Any]], object] | None = None
) -> None:
    if change is not None:
        change(head)
    with contextlib.suppress(UnicodeEncodeError):  # half a character: no id can be made of it
        head["id"] = id_of(head)
    (folder / form.HEAD).write_text(json.dumps(head))


def relist(folder: Path) -> None:
    """State the sha256 of everything that lies there."""
    paths = [*_payload(folder), form.HEAD, form.DOCUMENT]
    digests = {path: _sha256(folder / path) for path in paths}
    (folder / form.LISTING).write_bytes(encode_listing(digests))


def sign(folder: Path, key: Path | None, namespace: str = "hub-mirror-bundle") -> None:
    (folder / form.SIGNATURE).unlink(missing_ok=True)
    if key is not None:
        command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", namespace]
        subprocess.run([*command, str(folder / form.LISTING)], check=True)


def records(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "records" / "0001.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def write_records(folder: Path, items: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(item) + "\n" for item in items)
    (folder / "records" / "0001.jsonl").write_text(text)


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, symlinks=True))


def _payload(folder: Path) -> list[str]:
    return [
        path
        for path in sorted(contents(folder))
        if path not in form.FRAME and form.read_payload_name(path) is not None
    ]


def _entry(folder: Path, path: str) -> dict[str, Any]:
    return {
        "path": path,
        "size": (folder / path).stat().st_size,
        "sha256": _sha256(folder / path),
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
