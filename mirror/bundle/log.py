"""What a mirror remembers of bundles and receipts: the folder ``exchange/``.

``imports.jsonl`` has a line for each bundle that was taken in whole; ``imports/<id>/`` keeps
its head, its listing and its signature, and those of bundles that it came out of, so that a
first signature can be checked after any number of stations. ``receipts.jsonl`` has a line for
each receipt that was made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mirror.bundle import form
from mirror.bundle.head import Head, decode_head
from mirror.errors import DamagedError
from mirror.names import is_digest
from mirror.store import Store
from mirror.store.atomic import disk_errors, write_atomic
from mirror.store.journal import append_records, read_records
from mirror.store.opening import read_regular


@dataclass(frozen=True)
class ImportRecord:
    """A bundle that was taken in."""

    time: str
    bundle: str
    sequence: int
    sender: str
    created: str
    signer: str = ""
    key: str = ""
    removals: int = 0

    def as_json(self) -> dict[str, Any]:
        """One line of imports.jsonl."""
        return asdict(self)


@dataclass(frozen=True)
class Remembered:
    """All that decides whether a bundle may come in."""

    imports: tuple[ImportRecord, ...] = ()
    """Oldest first."""
    receipts: Mapping[str, str] = field(default_factory=dict)
    """Id → when it was made."""

    @property
    def bundles(self) -> Mapping[str, ImportRecord]:
        """What was taken in, by id."""
        return {record.bundle: record for record in self.imports}

    def newest(self, sender: str) -> ImportRecord | None:
        """Give the newest state that came from a sender."""
        came = [record for record in self.imports if record.sender == sender]
        return max(came, key=lambda record: (record.created, record.sequence), default=None)


def imports_path(store: Store) -> Path:
    """Where the log of imports is."""
    return store.layout.exchange / "imports.jsonl"


def receipts_path(store: Store) -> Path:
    """Where the log of receipts is."""
    return store.layout.exchange / "receipts.jsonl"


def proof_folder(store: Store, bundle: str) -> Path:
    """Where head, listing and signature of a bundle are kept."""
    if not is_digest(bundle):
        raise ValueError(f"{bundle!r} is not the id of a bundle")
    return store.layout.exchange / "imports" / bundle


def read_remembered(store: Store) -> Remembered:
    """Read both logs."""
    imports = (_import_of(record) for record in read_records(imports_path(store)))
    receipts = {
        record["receipt"]: str(record.get("time"))
        for record in read_records(receipts_path(store))
        if isinstance(record.get("receipt"), str)
    }
    return Remembered(tuple(record for record in imports if record is not None), receipts)


def add_import(store: Store, record: ImportRecord) -> None:
    """Note that a bundle was taken in whole; durable."""
    append_records(imports_path(store), [record.as_json()], durable=True)


def add_receipt(store: Store, receipt: str, time: str) -> None:
    """Note that a receipt was made here; durable."""
    record = {"time": time, "receipt": receipt}
    append_records(receipts_path(store), [record], durable=True)


def keep_proof(store: Store, bundle: str, files: Mapping[str, bytes]) -> None:
    """Keep head, listing and signature of a bundle: all from one volume, or as they are.

    The signature is the last, so what a kill cut short is not taken to be whole.
    """
    folder = proof_folder(store, bundle)
    if all((folder / name).is_file() for name in files):
        return
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / form.SIGNATURE).unlink(missing_ok=True)
    for name in sorted(files):
        write_atomic(folder / name, files[name])


def kept_head(store: Store, bundle: str) -> Head:
    """Read the head of a bundle that came in.

    Raises:
        DamagedError: it is not kept here any more.
    """
    path = proof_folder(store, bundle) / form.HEAD
    try:
        return decode_head(read_regular(path), str(path))
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from error


def _import_of(record: Mapping[str, Any]) -> ImportRecord | None:
    texts = [record.get(name) for name in ("time", "bundle", "sender", "created")]
    if not all(isinstance(text, str) for text in texts) or not is_digest(str(record["bundle"])):
        return None
    numbers = [record.get(name, 0) for name in ("sequence", "removals")]
    if not all(isinstance(number, int) for number in numbers):
        return None
    return ImportRecord(
        time=record["time"],
        bundle=record["bundle"],
        sequence=int(record.get("sequence", 0)),
        sender=record["sender"],
        created=record["created"],
        signer=str(record.get("signer") or ""),
        key=str(record.get("key") or ""),
        removals=int(record.get("removals", 0)),
    )
