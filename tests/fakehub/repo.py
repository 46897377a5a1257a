"""A repo of the fake Hub: commits, refs, and the facts that the info call tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.fakehub.content import Content, File, LfsRule, as_content, is_lfs

FileValue = Content | bytes | str | Path
EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Commit:
    """A commit: all its files, and what ``/commits`` says about it."""

    files: Mapping[str, File]
    title: str
    date: datetime
    parent: Commit | None = None
    author: str = "sample-author"
    salt: str = ""

    @cached_property
    def id(self) -> str:
        """40 hex digits that depend on content and history, the same in every run."""
        digest = hashlib.sha1(usedforsecurity=False)
        parent = self.parent.id if self.parent else ""
        digest.update(f"{self.salt}\0{self.title}\0{self.date}\0{parent}\0".encode())
        for path, file in sorted(self.files.items()):
            name = path.encode(errors="surrogatepass")
            digest.update(b"%s\0%s\0" % (name, file.etag.encode()))
        return digest.hexdigest()

    @property
    def date_text(self) -> str:
        """ISO 8601 with milliseconds, as the Hub writes it."""
        return self.date.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def history(self) -> list[Commit]:
        """This commit and all before it, newest first."""
        found: list[Commit] = []
        commit: Commit | None = self
        while commit is not None:
            found.append(commit)
            commit = commit.parent
        return found

    @cached_property
    def last_changes(self) -> dict[str, Commit]:
        """For every file, the commit that gave it its present content."""
        found: dict[str, Commit] = {}
        for path, file in self.files.items():
            commit = self
            while commit.parent and (old := commit.parent.files.get(path)):
                if old.etag != file.etag:
                    break
                commit = commit.parent
            found[path] = commit
        return found


@dataclass
class FakeRepo:
    """One repo. Its attributes may be changed by a test at any time.

    ``extra`` overrides anything in the info JSON, or adds to it.
    """

    repo_type: str
    repo_id: str
    private: bool = False
    gated: str | bool = False
    disabled: bool = False
    gone: bool = False
    downloads: int = 0
    likes: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    lfs: LfsRule = None
    created: datetime = EPOCH
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    converts: dict[str, str] = field(default_factory=dict)
    """``parquet`` → commit: the ref ``refs/convert/parquet``."""
    pulls: dict[str, str] = field(default_factory=dict)
    """``1`` → commit: the ref ``refs/pr/1``."""
    commits: dict[str, Commit] = field(default_factory=dict)
    info_cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def plural(self) -> str:
        """``models``, ``datasets`` or ``spaces``."""
        return f"{self.repo_type}s"

    @property
    def head(self) -> Commit:
        """The commit of ``main``."""
        return self.commits[self.branches["main"]]

    @property
    def sha(self) -> str:
        """The commit hash of ``main``."""
        return self.branches["main"]

    def commit(
        self,
        files: Mapping[str, FileValue] | None = None,
        *,
        delete: tuple[str, ...] = (),
        title: str = "Update",
        ref: str = "main",
        parent: str | None = None,
        only: bool = False,
    ) -> str:
        """Commit changed files on top of ``ref`` (or ``parent``) and move the ref there.

        ``only`` starts from nothing instead of from the parent's files. ``ref`` is a branch,
        ``refs/convert/…`` or ``refs/pr/…``. Gives the new commit hash.
        """
        before = self.find(parent or ref)
        all_files = {} if only or before is None else dict(before.files)
        for path in delete:
            del all_files[path]
        for path, value in (files or {}).items():
            content = as_content(value)
            all_files[path] = File(content, is_lfs(path, content.size, self.lfs))
        commit = Commit(
            files=all_files,
            title=title,
            date=(before.date if before else self.created) + timedelta(days=1, minutes=7),
            parent=before,
            salt=f"{self.repo_type}/{self.repo_id}",
        )
        self.commits[commit.id] = commit
        self.move(ref, commit.id)
        return commit.id

    def move(self, ref: str, commit: str) -> None:
        """Let a branch (or ``refs/convert/…``, ``refs/pr/…``) point at a commit."""
        table, name = self._table(ref)
        table[name] = self.commits[commit].id

    def tag(self, name: str, commit: str | None = None) -> None:
        """Put a tag on a commit (the head of main by default)."""
        self.tags[name] = commit or self.sha

    def find(self, revision: str) -> Commit | None:
        """Resolve a branch, tag, ``refs/…``, full or short commit, or ``HEAD``."""
        if revision == "HEAD":
            revision = "main"
        table, name = self._table(revision)
        commit = table.get(name) or self.tags.get(revision)
        if commit is None and 7 <= len(revision) <= 40:
            matches = [full for full in self.commits if full.startswith(revision)]
            commit = matches[0] if len(matches) == 1 else None
        return self.commits.get(commit) if commit else None

    def _table(self, ref: str) -> tuple[dict[str, str], str]:
        for prefix, table in (
            ("refs/convert/", self.converts),
            ("refs/pr/", self.pulls),
            ("refs/heads/", self.branches),
            ("refs/tags/", self.tags),
        ):
            if ref.startswith(prefix):
                return table, ref.removeprefix(prefix)
        return self.branches, ref


def folder_files(folder: Path, keep: Callable[[str], bool] | None = None) -> dict[str, FileValue]:
    """List a folder's files to be served from disk (``.git`` left out)."""
    found: dict[str, FileValue] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".git/") and (keep is None or keep(name)):
            found[name] = path
    return found


def read_json(commit: Commit, path: str) -> Any:
    """Give a small JSON file of a commit, ``None`` where it is missing or broken."""
    file = commit.files.get(path)
    if file is None or file.content.size > 4 << 20:
        return None
    try:
        return json.loads(file.content.bytes())
    except ValueError:
        return None
