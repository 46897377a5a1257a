"""Where everything is in a mirror folder (format 1, docs/store-format.md).

Only names are made here: nothing is read, created or checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror.names import RepoKey

FORMAT: Final = "1"


@dataclass(frozen=True)
class Layout:
    """The paths of one mirror."""

    root: Path

    @property
    def format(self) -> Path:
        """The number of the on-disk format."""
        return self.root / "format"

    @property
    def lock(self) -> Path:
        """Locked by the one writer; holds who it is."""
        return self.root / "lock"

    @property
    def settings(self) -> Path:
        """mirror.toml."""
        return self.root / "mirror.toml"

    @property
    def catalog(self) -> Path:
        """The derived SQLite database (written by the catalog, not here)."""
        return self.root / "catalog.db"

    @property
    def changes(self) -> Path:
        """The repos that have changed since the catalog was last brought up to date."""
        return self.root / "changes.jsonl"

    @property
    def blobs(self) -> Path:
        """Content by sha256."""
        return self.root / "blobs"

    @property
    def repos(self) -> Path:
        """Manifests, refs, history."""
        return self.root / "repos"

    @property
    def hub(self) -> Path:
        """The derived Hugging Face cache (``HF_HUB_CACHE``)."""
        return self.root / "hub"

    @property
    def runs(self) -> Path:
        """Reports."""
        return self.root / "runs"

    @property
    def partial(self) -> Path:
        """Files being fetched."""
        return self.root / "partial"

    @property
    def git_index(self) -> Path:
        """The derived index from git's sha1 to sha256."""
        return self.root / "git-index"

    @property
    def quarantine(self) -> Path:
        """What ``verify`` found to be damaged and moved away."""
        return self.root / "quarantine"

    @property
    def exchange(self) -> Path:
        """What was exchanged with other mirrors by bundles and receipts."""
        return self.root / "exchange"

    @property
    def damaged(self) -> Path:
        """What a server met and could not deliver, noted for ``verify``."""
        return self.root / "damaged.jsonl"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a new mirror has."""
        return (self.blobs, self.repos, self.hub, self.runs, self.partial)

    def repo(self, key: RepoKey) -> Path:
        """The folder of one repo."""
        return self.repos / key.folder

    def refs(self, key: RepoKey) -> Path:
        """Which commit each ref points at."""
        return self.repo(key) / "refs.json"

    def ref_log(self, key: RepoKey) -> Path:
        """Every move of every ref."""
        return self.repo(key) / "ref_log.jsonl"

    def history(self, key: RepoKey) -> Path:
        """What upstream said, run after run."""
        return self.repo(key) / "history.jsonl"

    def provenance(self, key: RepoKey) -> Path:
        """In which bundle each snapshot came."""
        return self.repo(key) / "provenance.jsonl"

    def passed(self, key: RepoKey) -> Path:
        """Which refs a server has set, passing requests through to upstream."""
        return self.repo(key) / "passed.json"

    def alias(self, key: RepoKey) -> Path:
        """The file that says: this is another name of …"""
        return self.repo(key) / "alias"

    def commits(self, key: RepoKey) -> Path:
        """The folder of a repo's manifests."""
        return self.repo(key) / "commits"

    def manifest(self, key: RepoKey, commit: str) -> Path:
        """The manifest of one commit."""
        return self.repo(key) / "commits" / f"{commit}.json"

    def view(self, key: RepoKey) -> Path:
        """The repo's folder in the Hugging Face cache."""
        return self.hub / key.cache_folder

    def snapshot(self, key: RepoKey, commit: str) -> Path:
        """The plain files of one commit."""
        return self.hub / key.cache_folder / "snapshots" / commit
