"""Which kind of folder a path is, and what it holds: the one way from a path to snapshots."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.adopt.git_clone import (
    HUB_HOSTS,
    GitFolder,
    git_folder,
    key_of_clone,
    read_clone,
)
from mirror.adopt.hf_cache import is_repo_folder, read_repo_folder, repo_folders
from mirror.adopt.local_dir import is_local_dir, read_local_dir
from mirror.adopt.model import FoundSnapshot, Trouble
from mirror.adopt.record import read_record
from mirror.errors import StoreError, UsageError
from mirror.names import RepoKey, check_ref_name, is_commit

_DEFAULT_REF = "main"


@dataclass(frozen=True)
class Told:
    """What the person says about a folder that does not say it itself."""

    key: RepoKey | None = None
    commit: str | None = None
    ref: str | None = None
    hosts: Collection[str] = HUB_HOSTS
    """Where a remote of git is a repo of the Hub."""

    def check(self) -> None:
        """Refuse what can be neither a commit nor a ref.

        Raises:
            UsageError: says which.
        """
        if self.commit is not None and not is_commit(self.commit):
            raise UsageError(
                f"{self.commit[:60]!r} is not a commit",
                hint="a commit has 40 digits, 0 to 9 and a to f",
            )
        if self.ref is not None:
            check_ref_name(self.ref)


@dataclass(frozen=True)
class Holdings:
    """Everything that some folders hold."""

    snapshots: tuple[FoundSnapshot, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_folders(folders: Iterable[Path], told: Told) -> Holdings:
    """Read every folder; one that is nothing we know stops all of it, before anything is done.

    Raises:
        UsageError: a folder is not there, or nothing that can be adopted, or does not say
            which repo or commit it is.
        StoreError: a folder cannot be read.
    """
    told.check()
    found = [_read(folder, told) for folder in dict.fromkeys(map(_named, folders))]
    return Holdings(
        tuple(snapshot for one in found for snapshot in one.snapshots),
        tuple(trouble for one in found for trouble in one.troubles),
        tuple(note for one in found for note in one.notes),
    )


def _named(folder: Path) -> Path:
    """Give the folder with a name of its own, which ``.`` has not; a link keeps its name."""
    path = folder.expanduser().absolute()
    return path.resolve() if ".." in path.parts else path


def _read(folder: Path, told: Told) -> Holdings:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="mirror adopt takes folders")
    if is_repo_folder(folder):
        return _read_cache([folder], folder, told, [])
    for place in (folder, folder / "hub"):  # ~/.cache/huggingface has hub/
        repos, notes = repo_folders(place)
        if repos:
            return _read_cache(repos, folder, told, notes)
    if is_local_dir(folder):
        return _read_plain(folder, told)
    if (git := git_folder(folder)) is not None:
        return _read_git(folder, git, told)
    if told.key is not None and told.commit is not None:
        return _read_plain(folder, told)
    raise UsageError(
        f"{folder} is no Hugging Face cache, no folder of hf download, and no git clone",
        hint="plain files are adopted if you say what they are: "
        f"mirror adopt {shlex.quote(str(folder))} --repo models/acme/tiny --commit HASH",
    )


def _read_cache(repos: list[Path], folder: Path, told: Told, notes: list[str]) -> Holdings:
    if told.key or told.commit or told.ref:
        raise UsageError(
            f"{folder} is a Hugging Face cache, and says itself which repos and commits it has",
            hint="leave out --repo, --commit and --ref",
        )
    snapshots: list[FoundSnapshot] = []
    troubles: list[Trouble] = []
    for repo in repos:
        try:
            found, wrong = read_repo_folder(repo)
        except StoreError as error:
            troubles.append(Trouble(str(repo), str(error)))
            continue
        if not found and not wrong:
            notes = [*notes, f"{repo.name} has no snapshot in it"]
        snapshots += found
        troubles += wrong
    return Holdings(tuple(snapshots), tuple(troubles), tuple(notes))


def _read_plain(folder: Path, told: Told) -> Holdings:
    record = read_record(folder)
    key = told.key or (record.key if record else None)
    if key is None:
        raise UsageError(
            f"{folder} does not say which repo it is of",
            hint=f"name it: {_with_repo(folder)}",
        )
    return Holdings((read_local_dir(folder, key, told.ref or _DEFAULT_REF, told.commit),))


def _read_git(folder: Path, git: GitFolder, told: Told) -> Holdings:
    key = told.key or key_of_clone(git, told.hosts)
    if key is None:
        raise UsageError(
            f"{folder} is a git clone, but no remote of it is at {', '.join(sorted(told.hosts))}",
            hint=f"name its repo: {_with_repo(folder)}",
        )
    return Holdings((read_clone(folder, git, key, told.ref, told.commit),))


def _with_repo(folder: Path) -> str:
    return f"mirror adopt {shlex.quote(str(folder))} --repo models/{shlex.quote(folder.name)}"
