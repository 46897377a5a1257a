"""Which repos there are: the folders of ``repos/``, read by name only."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mirror.errors import BadNameError
from mirror.names import NO_NAMESPACE, RepoKey, RepoType
from mirror.store.layout import Layout


def repo_folders(
    layout: Layout, repo_type: RepoType | None = None
) -> Iterator[tuple[RepoKey, set[str]]]:
    """Give every folder that can be a repo or an alias, with the names in it.

    10,000 repos take 0.2 to 0.8 s (measured, the longer one with a cold disk).
    """
    for kind in [repo_type] if repo_type else RepoType:
        top = f"{layout.repos}/{kind.plural}"
        for namespace in folder_names(top):
            for name in folder_names(f"{top}/{namespace}"):
                repo_id = name if namespace == NO_NAMESPACE else f"{namespace}/{name}"
                try:
                    key = RepoKey(kind, repo_id)
                except BadNameError:
                    continue  # not ours
                yield key, set(folder_names(f"{top}/{namespace}/{name}"))


def alias_keys(layout: Layout, repo_type: RepoType | None = None) -> Iterator[RepoKey]:
    """Give every name that stands for another repo."""
    for key, names in repo_folders(layout, repo_type):
        if "alias" in names:
            yield key


def folder_names(folder: str) -> list[str]:
    """Give the names in a folder, sorted; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
