"""Other names of a repo: the id a user asks for, when upstream answers with another one.

An alias is a folder of ``repos/`` with one file ``alias`` in it, which holds the id it
stands for (of the same repo type). Names can lead on to names, after several renames.
"""

from __future__ import annotations

from typing import Final

from mirror.errors import BadNameError, DamagedError
from mirror.names import RepoKey
from mirror.store.atomic import disk_errors, write_atomic
from mirror.store.layout import Layout
from mirror.store.opening import open_regular

#: Renames of renames that are followed; a longer chain is a circle.
_MAX_STEPS: Final = 10
_MAX_BYTES: Final = 1000


def read_alias(layout: Layout, key: RepoKey) -> RepoKey | None:
    """Give what ``key`` stands for, one step; ``None`` if it is no alias.

    Raises:
        DamagedError: the file does not name a repo.
    """
    path = layout.alias(key)
    try:
        with open_regular(path) as stream:
            text = stream.read(_MAX_BYTES).decode()
        return RepoKey(key.repo_type, text.strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, BadNameError) as error:
        raise _damaged(layout, key, "does not name a repo") from error


def follow_aliases(layout: Layout, key: RepoKey) -> RepoKey:
    """Give what ``key`` stands for in the end; itself if it is no alias."""
    start = key
    for _ in range(_MAX_STEPS):
        target = read_alias(layout, key)
        if target is None:
            return key
        key = target
    raise _damaged(layout, start, "leads round in a circle")


def write_alias(layout: Layout, alias: RepoKey, target: RepoKey) -> None:
    """Let ``alias`` stand for ``target`` from now on."""
    path = layout.alias(alias)
    if read_alias(layout, alias) != target:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Also where it is not mirrored yet: that folder says that names may lead here.
            layout.repo(target).mkdir(parents=True, exist_ok=True)
        write_atomic(path, f"{target.repo_id}\n".encode())


def end_alias(layout: Layout, key: RepoKey) -> None:
    """Upstream answers with this id itself (again): it is a repo, not an alias."""
    path = layout.alias(key)
    with disk_errors(path):
        path.unlink(missing_ok=True)


def _damaged(layout: Layout, key: RepoKey, what: str) -> DamagedError:
    return DamagedError(
        f"{layout.alias(key)} {what}", hint="delete that file, then run mirror sync"
    )
