"""The store: blobs and snapshots of one mirror folder, the truth of the mirror.

Invariant: every commit that a ref points at has a manifest, and every present file of
a manifest has its blob, durably. :meth:`Store.publish` writes blobs, manifest and refs
beside their places, passes one barrier, and then places manifest, view, the view's refs
and refs.json, in this order (of a snapshot that is filled up, the view before the
manifest). A process killed anywhere in it leaves a whole snapshot in force; what the next
sync looks at comes last, so it publishes again, which completes it.

Reading needs no write access and no lock. Writing (publish, add_alias, observe …) is
for the holder of :meth:`Store.write_lock`; publishing different repos from several
threads is safe. Knows neither network nor SQL.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from mirror.errors import (
    BadNameError,
    DamagedError,
    NotAMirrorError,
    NotFoundError,
    StoreError,
    UnknownFormatError,
    UsageError,
)
from mirror.names import RepoKey, RepoType, check_ref_name, is_commit
from mirror.store.aliases import end_alias, follow_aliases, read_alias, write_alias
from mirror.store.atomic import Barrier, Staging, disk_errors, is_temporary, write_atomic
from mirror.store.blobs import Blobs
from mirror.store.git_index import GitIndex
from mirror.store.history import Observation
from mirror.store.journal import append_records, merge_journals, read_records
from mirror.store.layout import FORMAT, Layout
from mirror.store.lock import AT_ONCE, Patience, hold_lock
from mirror.store.manifest import Manifest, ManifestFile, decode_manifest, encode_manifest
from mirror.store.opening import open_regular, read_regular
from mirror.store.refs import encode_refs, heads, log_moves, read_refs, write_refs
from mirror.store.runs import read_reports, write_report
from mirror.store.view import View
from mirror.store.walk import alias_keys, folder_names, repo_folders

#: What may lie in a folder that becomes a mirror: the settings, and what ext4 puts at a root.
_NOT_IN_THE_WAY: Final = {"mirror.toml", "lost+found"}
_SHORT_COMMIT: Final = 7


class Store:
    """One mirror folder."""

    def __init__(self, root: Path, patience: Patience = AT_ONCE) -> None:
        self.root = root
        self._patience = patience
        self.layout = Layout(root)
        self._barrier = Barrier(self.layout.blobs, self.layout.repos)
        self.blobs = Blobs(self.layout.blobs, self._barrier)
        self.git_index = GitIndex(self.layout.git_index, self.blobs)
        self.view = View(self.layout, self.blobs)
        #: Who asks for a manifest mostly asks again: one of 20,000 files takes 0.2 s to read.
        self._latest: tuple[object, Manifest] | None = None

    # --- the folder ---------------------------------------------------------

    @classmethod
    def create(cls, root: Path | str) -> Self:
        """Make ``root`` a mirror; change nothing if it is one.

        Raises:
            StoreError: the folder holds something else.
            UnknownFormatError: a mirror of another format.
            DiskError: it cannot be written.
        """
        store = cls(_absolute(root))
        with disk_errors(store.root):
            store.root.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in store.root.iterdir()}
            if "format" not in names:
                others = {n for n in names - _NOT_IN_THE_WAY if not is_temporary(n)}
                if others:
                    raise StoreError(
                        f"{store.root} is not empty ({min(others)} is in it) and not a mirror",
                        hint="choose a new or empty folder",
                    )
                write_atomic(store.layout.format, f"{FORMAT}\n".encode())
            store = cls.open(root)
            store._make_folders()
        return store

    @classmethod
    def open(cls, root: Path | str, patience: Patience = AT_ONCE) -> Self:
        """Open a mirror folder. Writes nothing. ``patience`` is for :meth:`write_lock`.

        Raises:
            NotAMirrorError: no ``format`` file.
            UnknownFormatError: written by another version of this program.
        """
        store = cls(_absolute(root), patience)
        try:
            with open_regular(store.layout.format) as stream:
                found = stream.read(80)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotAMirrorError(store.root) from None
        except OSError as error:
            raise StoreError(f"{store.layout.format} cannot be read: {error.strerror}") from error
        if found.strip() != FORMAT.encode():
            raise UnknownFormatError(
                f"{store.root} has format {found.strip().decode(errors='replace')!r}, "
                f"this program knows format {FORMAT}",
                hint="use the version of the program that wrote it, or a newer one",
            )
        return store

    @contextmanager
    def _locked(self, purpose: str) -> Iterator[None]:
        with hold_lock(self.layout.lock, purpose, self._patience):
            self._make_folders()
            try:
                yield
            finally:
                self._barrier.settle()

    def write_lock(self, purpose: str) -> AbstractContextManager[None]:
        """Be the only writer for a while. Waits only with patience; ends with the process.

        Raises:
            LockedError: says which process holds it, why and since when.
            DiskError: the folder is not writable.
        """
        return self._locked(purpose)

    def _make_folders(self) -> None:
        with disk_errors(self.root):
            for folder in self.layout.folders:
                folder.mkdir(exist_ok=True)

    # --- reading ------------------------------------------------------------

    def repos(self, repo_type: RepoType | None = None) -> Iterator[RepoKey]:
        """Give every repo with a ref or a commit, folder by folder; aliases are not repos."""
        for key, names in repo_folders(self.layout, repo_type):
            if "alias" not in names and ("refs.json" in names or "commits" in names):
                yield key

    def aliases(self) -> Mapping[RepoKey, RepoKey]:
        """Give every other name, with the repo it stands for in the end."""
        return {key: self.canonical(key) for key in alias_keys(self.layout)}

    def canonical(self, key: RepoKey) -> RepoKey:
        """Follow aliases; a key that is none is given back.

        Raises:
            DamagedError: an alias that cannot be read, or aliases in a circle.
        """
        return follow_aliases(self.layout, key)

    def has(self, key: RepoKey) -> bool:
        """Whether the mirror holds the repo (or what it is an alias of)."""
        folder = self.layout.repo(self.canonical(key))
        return (folder / "refs.json").is_file() or (folder / "commits").is_dir()

    def refs(self, key: RepoKey) -> Mapping[str, str]:
        """Give what each ref points at; empty where the repo has none.

        Raises:
            DamagedError: refs.json cannot be read.
        """
        return read_refs(self.layout.refs(self.canonical(key)))

    def commits(self, key: RepoKey) -> tuple[str, ...]:
        """Give the commits that have a manifest, sorted; refs may point at some only."""
        names = folder_names(str(self.layout.commits(self.canonical(key))))
        stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return tuple(stem for stem in stems if is_commit(stem))

    def manifest(self, key: RepoKey, commit: str) -> Manifest:
        """Read the manifest of one commit.

        Raises:
            NotFoundError: the mirror does not have that commit.
            DamagedError: it cannot be read, or is of another repo or commit.
        """
        key = self.canonical(key)
        path = self.layout.manifest(key, commit)
        now, latest = _stamp(path), self._latest
        if now is not None and latest is not None and latest[0] == now:
            return latest[1]
        try:
            data = read_regular(path) if is_commit(commit) else None
        except (FileNotFoundError, NotADirectoryError):
            data = None
        except OSError as error:
            raise DamagedError(f"{path} cannot be read: {error.strerror}") from error
        if data is None:
            raise NotFoundError(
                f"{key} has no commit {commit[:40]} in the mirror", hint=self._what_is_there(key)
            )
        manifest = decode_manifest(data, str(path))
        if (manifest.key, manifest.commit) != (key, commit):
            raise DamagedError(
                f"{path} is the manifest of {manifest.key} at {manifest.commit}",
                hint="mirror verify --repair fetches it again from upstream",
            )
        if now is not None:
            self._latest = (now, manifest)
        return manifest

    def manifest_if_any(self, key: RepoKey, commit: str) -> Manifest | None:
        """Give :meth:`manifest`; a damaged one counts as none, so that it is written anew."""
        try:
            return self.manifest(key, commit)
        except (NotFoundError, DamagedError):
            return None

    def missing(self, manifest: Manifest) -> tuple[ManifestFile, ...]:
        """Give the present files of a manifest whose blob is away or of another size.

        None in a store that is whole; a repair moves damaged blobs away. Reads no content.
        """
        return tuple(
            file
            for file in manifest.present_files
            if not self.blobs.has(str(file.sha256), file.size)
        )

    def resolve(self, key: RepoKey, revision: str = "main") -> str:
        """Give the commit of a ref, a full commit hash or a unique short one (7 or more).

        Raises:
            NotFoundError: says which refs are there.
        """
        refs = self.refs(key)
        if revision in refs:
            return refs[revision]
        found = [c for c in self.commits(key) if c.startswith(revision)]
        if len(found) == 1 and len(revision) >= _SHORT_COMMIT:
            return found[0]
        what = f"several commits that begin with {revision}" if found else f"no {revision[:100]!r}"
        if not self.has(key):
            raise NotFoundError(f"{key} is not in the mirror", hint="mirror search finds what is")
        raise NotFoundError(f"{key} has {what} in the mirror", hint=self._what_is_there(key))

    def snapshot_path(self, key: RepoKey, commit: str) -> Path:
        """Give the folder of a commit's files in the cache view (it may not exist)."""
        return self.layout.snapshot(self.canonical(key), commit)

    def retired(self, key: RepoKey, ref: str) -> tuple[str, ...]:
        """Give the older snapshots of a ref that are still here, newest first."""
        key = self.canonical(key)
        here = set(self.commits(key)) - {self.refs(key).get(ref)}
        return tuple(c for c in heads(self.layout.ref_log(key)).get(ref, []) if c in here)

    def history(self, key: RepoKey) -> list[Observation]:
        """Give what was seen upstream, oldest first; lines that cannot be read are left out."""
        records = read_records(self.layout.history(self.canonical(key)))
        seen = (Observation.from_json(record) for record in records)
        return [observation for observation in seen if observation is not None]

    def reports(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Give the reports of runs, newest first; ``{"damaged": name}`` for unreadable ones."""
        return read_reports(self.layout.runs, limit)

    # --- writing ------------------------------------------------------------

    def publish(self, manifest: Manifest, refs: Iterable[str] = ()) -> None:
        """Make a snapshot visible under ``refs``; fill it up if the commit is there already.

        A pinned commit is published with its own hash as the ref. Doing it again, after
        a kill or not, completes it and changes nothing else.

        Raises:
            DamagedError: a present file has no blob: nothing was changed.
            BadNameError: not a ref.
            DiskError: full or read-only: the earlier snapshot is still in force.
        """
        key, names = manifest.key, _checked_refs(refs, manifest.commit)
        self._require_blobs(manifest)
        self.note_change(key)
        refs_path, place = self.layout.refs(key), self.layout.manifest(key, manifest.commit)
        before = read_refs(refs_path)
        after = {**before, **dict.fromkeys(names, manifest.commit)}
        grows = place.exists()
        corrected = _corrected(place, manifest) if grows else frozenset()
        self.git_index.add(git_pairs(manifest))
        with Staging() as staging:
            self._stage_manifest(staging, key, manifest)
            if after != before:
                log_moves(self.layout.ref_log(key), before, after)
                staging.write(refs_path, encode_refs(after))
            self._barrier.wait()
            end_alias(self.layout, key)
            if not grows:  # a snapshot of the view always has a manifest
                staging.place(place)
                self._latest = (_stamp(place), manifest)  # the catalog asks for it next
            self.view.put_snapshot(manifest, corrected)
            staging.place(place)
            self.view.put_refs(key, after)
            staging.place(refs_path)
        self._barrier.mark()

    def forget_refs(self, key: RepoKey, names: Iterable[str]) -> None:
        """Drop refs that the user follows no more; ``prune`` may then take their snapshots."""
        key = self.canonical(key)
        before = self.refs(key)
        after = {name: commit for name, commit in before.items() if name not in set(names)}
        if after != before:
            self.note_change(key)
            self.view.put_refs(key, after)
            write_refs(self.layout.refs(key), self.layout.ref_log(key), before, after)

    def forget_repo(self, key: RepoKey) -> None:
        """Let a repo go that has no ref and no snapshot any more; what was seen of it stays."""
        if self.refs(key) or self.commits(key):
            return
        self.note_change(key)
        for alias in [one for one, target in self.aliases().items() if target == key]:
            self.note_change(alias)
            self.view.remove_repo(alias)
            end_alias(self.layout, alias)
        self.view.remove_repo(key)
        folder = self.layout.repo(key)
        with disk_errors(folder), contextlib.suppress(FileNotFoundError):
            (folder / "refs.json").unlink(missing_ok=True)
            (folder / "commits").rmdir()

    def add_alias(self, alias: RepoKey, target: RepoKey) -> None:
        """Let ``alias`` be another name of ``target``: the id asked for, and the one it has now.

        If ``alias`` was mirrored itself (it was renamed upstream since), its snapshots
        become snapshots of ``target``: the same repo, and the same commits.
        """
        if alias.repo_type != target.repo_type:
            raise UsageError(f"{alias} cannot be a name of {target}: another type of repo")
        if alias == target or _same_folder(self.layout.repo(alias), self.layout.repo(target)):
            return
        self.note_change(alias, target)
        end_alias(self.layout, target)
        if read_alias(self.layout, alias) is None:
            self._move_snapshots(alias, target)
            self._move_aliases(alias, target)
        write_alias(self.layout, alias, target)
        self.view.put_alias(alias, self.canonical(target))
        self._remove_moved(alias)

    def observe(self, key: RepoKey, observation: Observation) -> None:
        """Write down what upstream said. Not synced: the next run looks again anyway."""
        key = self.canonical(key)
        self.note_change(key)
        append_records(self.layout.history(key), [observation.as_json()])

    def add_history(self, key: RepoKey, observations: Iterable[Observation]) -> None:
        """Take over what another mirror has seen upstream; what is known is not told again."""
        key = self.canonical(key)
        there = set(self.history(key))
        fresh = [one.as_json() for one in observations if one not in there]
        if fresh:
            self.note_change(key)
            append_records(self.layout.history(key), fresh)

    def note_change(self, *keys: RepoKey) -> None:
        """Remember that the catalog does not know these repos as they will be in a moment.

        Before the change, so that a process killed in between leaves too many, not too few.
        """
        append_records(self.layout.changes, [{"repo": str(key)} for key in keys])

    def changes(self) -> frozenset[RepoKey]:
        """Give the repos that have changed since the last :meth:`forget_changes`."""
        found = set()
        for record in read_records(self.layout.changes):
            with contextlib.suppress(BadNameError):
                found.add(RepoKey.parse(str(record.get("repo"))))
        return frozenset(found)

    def forget_changes(self) -> None:
        """Note that the catalog is up to date. The write lock is held since it was not."""
        with disk_errors(self.layout.changes):
            self.layout.changes.unlink(missing_ok=True)

    def write_report(self, report: Mapping[str, Any], started: datetime) -> Path:
        """Keep the report of a run, under the time it started."""
        return write_report(self.layout.runs, report, started)

    # --- steps of the above ---------------------------------------------------

    def _what_is_there(self, key: RepoKey) -> str:
        refs = self.refs(key)
        there = sorted(refs) or [commit[:12] for commit in self.commits(key)]
        if not there:
            return "mirror sync fetches what mirror.toml selects"
        more = f" and {len(there) - 20} more" if len(there) > 20 else ""
        return f"the mirror has {', '.join(there[:20])}{more}"

    def _require_blobs(self, manifest: Manifest) -> None:
        if missing := self.missing(manifest):
            first = missing[0]
            raise DamagedError(
                f"{manifest.key} at {manifest.commit}: the blob of {first.path} "
                f"({first.sha256}) is not in the store",
                hint="run mirror sync again: it fetches what is missing",
            )

    def _stage_manifest(self, staging: Staging, key: RepoKey, manifest: Manifest) -> None:
        """Write the manifest beside its place, unless the same is there; keep its first date."""
        path = self.layout.manifest(key, manifest.commit)
        try:
            data = read_regular(path)
            first = decode_manifest(data, str(path)).created
        except (OSError, DamagedError):  # not there, or in need of being written anew
            data, first = b"", manifest.created
        encoded = encode_manifest(manifest.model_copy(update={"created": first}))
        if encoded != data:
            staging.write(path, encoded)
            self._barrier.mark()

    def _move_snapshots(self, old: RepoKey, new: RepoKey) -> None:
        """Copy what was mirrored under the old id; repeatable until the alias is written."""
        commits = self.commits(old)
        if not commits:
            return
        here = set(self.commits(new))
        for commit in commits:
            manifest = self.manifest(new if commit in here else old, commit)
            manifest = manifest.model_copy(update={"repo_id": new.repo_id})
            with Staging() as staging:
                self._stage_manifest(staging, new, manifest)
                self._barrier.wait()
                staging.place(self.layout.manifest(new, commit))
            self.view.put_snapshot(manifest)
        merge_journals(self.layout.history(old), self.layout.history(new))
        merge_journals(self.layout.ref_log(old), self.layout.ref_log(new))
        merge_journals(self.layout.provenance(old), self.layout.provenance(new))
        before = read_refs(self.layout.refs(new))
        after = {**read_refs(self.layout.refs(old)), **before}
        if after != before:
            write_refs(self.layout.refs(new), self.layout.ref_log(new), before, after)
        self.view.put_refs(new, after)

    def _move_aliases(self, old: RepoKey, new: RepoKey) -> None:
        """Let older names lead straight on: ``old`` may become the name of another repo."""
        if not self.layout.repo(old).is_dir():
            return  # no name can lead here; spares looking through all folders
        for alias in list(alias_keys(self.layout, old.repo_type)):
            if read_alias(self.layout, alias) == old:
                write_alias(self.layout, alias, new)
                self.view.put_alias(alias, new)

    def _remove_moved(self, old: RepoKey) -> None:
        folder = self.layout.repo(old)
        with disk_errors(folder):
            for name in ("refs.json", "ref_log.jsonl", "history.jsonl", "provenance.jsonl"):
                (folder / name).unlink(missing_ok=True)
            if (folder / "commits").is_symlink():
                (folder / "commits").unlink()
            elif (folder / "commits").is_dir():
                shutil.rmtree(folder / "commits")


def git_pairs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Give (git sha1, sha256) of the present files whose ``blob_id`` is of the content."""
    for file in manifest.present_files:
        if file.lfs_sha256 is None and file.sha256 is not None:
            yield file.blob_id, file.sha256


def _corrected(place: Path, manifest: Manifest) -> frozenset[str]:
    """Give the paths whose content is another one than the manifest there says.

    A commit never changes; but what was adopted from a folder may have been wrong.
    """
    try:
        earlier = decode_manifest(read_regular(place), str(place))
    except (OSError, DamagedError):
        return frozenset()
    before = {file.path: file.sha256 for file in earlier.present_files}
    return frozenset(
        file.path
        for file in manifest.present_files
        if before.get(file.path, file.sha256) != file.sha256
    )


def _checked_refs(names: Iterable[str], commit: str) -> list[str]:
    checked = [check_ref_name(name) for name in names]
    for name in checked:
        if is_commit(name) and name != commit:
            raise BadNameError(f"the ref {name} looks like a commit, but would point at {commit}")
    return checked


def _stamp(path: Path) -> object | None:
    """Give what tells one version of a file from another; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _absolute(root: Path | str) -> Path:
    return Path(root).expanduser().absolute()


def _same_folder(one: Path, other: Path) -> bool:
    """Whether two names are one folder: they are where case makes no difference."""
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
