"""Making a mirror folder, and editing its mirror.toml: one editor at a time, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirror.api.selection_text import (
    add_entry,
    entry_lines,
    find_entries,
    remove_entries,
    starter_text,
)
from mirror.errors import SettingsError, UsageError
from mirror.names import RepoType
from mirror.settings import SETTINGS_FILE, load_settings, parse_settings
from mirror.store import Store
from mirror.store.atomic import write_atomic
from mirror.store.lock import alone_in


def create_mirror(root: Path, endpoint: str | None) -> Store:
    """Make ``root`` a mirror; a mirror.toml that is there stays as it is.

    Raises:
        SettingsError: ``endpoint`` is no URL, or differs from the one in that file.
    """
    text = starter_text(endpoint)
    path = root / SETTINGS_FILE
    if path.exists() and endpoint is not None:
        there = load_settings(path).upstream.endpoint
        if there != endpoint.rstrip("/"):
            raise SettingsError(
                f"{path} is there already, and says endpoint = {there!r}",
                hint="change it there, or choose another folder",
            )
    store = Store.create(root)
    if not path.exists():
        write_atomic(path, text.encode())
    return store


def add_to_file(
    root: Path, entries: Sequence[tuple[RepoType, Mapping[str, Any]]]
) -> tuple[str, ...]:
    """Add entries to mirror.toml, or none of them; give the lines of each."""

    def with_entries(text: str, source: str) -> str:
        for kind, entry in entries:
            text = add_entry(text, kind, entry, source)
        return text

    _edit(root, with_entries)
    return tuple(entry_lines(kind, entry) for kind, entry in entries)


def remove_from_file(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Take out the entries that ``names`` mean; give their places, as they were before."""
    removed: tuple[str, ...] = ()

    def without(text: str, source: str) -> str:
        nonlocal removed
        settings = parse_settings(text, source)
        found = (place for name in names for place in find_entries(settings, name, source))
        places = list(dict.fromkeys(found))
        removed = tuple(f"{kind.plural}.{number}" for kind, number in places)
        return remove_entries(text, places, source)

    _edit(root, without)
    return removed


def _edit(root: Path, change: Callable[[str, str], str]) -> None:
    path = (root / SETTINGS_FILE).resolve()  # a link into /etc stays one
    with alone_in(root):
        load_settings(path)  # says what is wrong with it, if anything
        try:
            data = change(path.read_bytes().decode(), str(path)).encode()
        except UnicodeEncodeError as error:
            raise UsageError("an entry has bytes in it that are not UTF-8") from error
        write_atomic(path, data)
