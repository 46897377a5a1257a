"""In which bundle each snapshot of a repo came: ``provenance.jsonl``.

Written by an import; a repo that was only synced has none. The bundle's head and signature
are kept in ``exchange/imports/<id>/``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mirror.names import is_commit, is_digest
from mirror.store.journal import append_records, read_records


@dataclass(frozen=True)
class Origin:
    """An earlier bundle in which the snapshot had come to the sender."""

    bundle: str
    sender: str
    signer: str = ""
    """Whose signature was found good here; empty where nobody here knows the key."""
    key: str = ""
    """The fingerprint of the signing key, ``SHA256:…``; empty where nobody signed."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Provenance:
    """One snapshot came in one bundle."""

    time: str
    """When it was taken in, ISO 8601, UTC."""
    commit: str
    refs: tuple[str, ...]
    bundle: str
    sequence: int
    sender: str
    signer: str = ""
    """Whose signature was found good; empty where none was asked for or known."""
    key: str = ""
    """The fingerprint of the signing key; empty where the bundle was not signed."""
    origins: tuple[Origin, ...] = ()
    """Where the sender had it from, if not from the Hub; the nearest first."""

    def as_json(self) -> dict[str, Any]:
        """One line of the file, and the form of ``--json``."""
        form = asdict(self)
        form["refs"] = list(self.refs)
        form["origins"] = [origin.as_json() for origin in self.origins]
        return form


def add_provenance(path: Path, entries: Iterable[Provenance]) -> None:
    """Add lines; a snapshot that is known to have come in that bundle is not told again."""
    there = {(entry.bundle, entry.commit) for entry in read_provenance(path)}
    fresh = [entry for entry in entries if (entry.bundle, entry.commit) not in there]
    append_records(path, [entry.as_json() for entry in fresh])


def read_provenance(path: Path) -> list[Provenance]:
    """Give the lines, oldest first; those that cannot be read are left out."""
    found = (_from_json(record) for record in read_records(path))
    return [entry for entry in found if entry is not None]


def _from_json(record: dict[str, Any]) -> Provenance | None:
    texts = [record.get(name) for name in ("time", "commit", "bundle", "sender")]
    if not all(isinstance(text, str) for text in texts):
        return None
    if not (is_commit(record["commit"]) and is_digest(record["bundle"])):
        return None
    sequence, refs, origins = (record.get(name) for name in ("sequence", "refs", "origins"))
    return Provenance(
        time=record["time"],
        commit=record["commit"],
        refs=tuple(ref for ref in refs if isinstance(ref, str)) if isinstance(refs, list) else (),
        bundle=record["bundle"],
        sequence=sequence if isinstance(sequence, int) else 0,
        sender=record["sender"],
        signer=str(record.get("signer") or ""),
        key=str(record.get("key") or ""),
        origins=tuple(_origins(origins)) if isinstance(origins, list) else (),
    )


def _origins(items: Iterable[object]) -> Iterable[Origin]:
    for item in items:
        if isinstance(item, dict) and is_digest(str(item.get("bundle"))):
            texts = (str(item.get(name) or "") for name in ("bundle", "sender", "signer", "key"))
            yield Origin(*texts)
