"""Take bundles in: open, check who signed, admit, stage, and when all is here, publish.

One bundle may come on several volumes, in any order and at different times; what has come is
kept, verified. Until the last volume is in, the mirror is what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mirror.bundle import form
from mirror.bundle.head import Head
from mirror.bundle.log import ImportRecord, read_remembered
from mirror.bundle.signing import BUNDLE, Signer, check_signature
from mirror.bundle.take.admission import admit
from mirror.bundle.take.reading import OpenVolume, find_volumes, open_volume
from mirror.bundle.take.staging import Staging, Watch
from mirror.bundle.take.taking import (
    Records,
    check_all,
    make_record,
    proofs_in,
    read_origin,
    take_in,
)
from mirror.bundle.wishes.log import note_answers
from mirror.errors import BundleError, DamagedBundleError, UnknownSignerError
from mirror.store import Store
from mirror.store.provenance import Origin


@dataclass(frozen=True)
class Arrival:
    """The volumes of one bundle that somebody has brought; their frames are checked."""

    head: Head
    volumes: tuple[OpenVolume, ...]
    signer: Signer
    missing: tuple[int, ...]
    """Volumes that are neither here nor in already."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """What operating systems left on the volumes."""
        return tuple(str(one.folder / name) for one in self.volumes for name in one.ignored)

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        head = self.head.model_dump(mode="json", exclude={"volumes", "inventory"})
        return head | {
            "volumes": [one.number for one in self.volumes],
            "volumes_in_all": len(self.head.volumes),
            "missing_volumes": list(self.missing),
            "signer": self.signer.name,
            "key": self.signer.key,
            "size": self.head.size,
            "ignored": list(self.ignored),
        }


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    started: str
    finished: str
    head: Head
    signer: Signer
    missing: tuple[int, ...]
    """Volumes that have not come yet: nothing is published before."""
    record: ImportRecord | None
    """The line of the log; none while volumes are missing."""

    @property
    def exit_code(self) -> int:
        """0 taken in; 4 volumes are missing."""
        return 0 if self.record else 4

    @property
    def summary(self) -> str:
        """One line for a monitor."""
        counts = {
            "bundle": self.head.id[:12],
            "sender": self.head.sender,
            "published": len(self.head.snapshots) if self.record else 0,
            "missing_volumes": len(self.missing),
            "proposed_removals": len(self.head.removals),
        }
        word = "ok" if self.record else "partial"
        return " ".join([word, *(f"{name}={value}" for name, value in counts.items())])

    def as_json(self) -> dict[str, Any]:
        """The JSON form: also the report in ``runs/``."""
        published = [
            {
                "repo_type": entry.key.repo_type.value,
                "repo_id": entry.key.repo_id,
                "revision": ", ".join(entry.refs),
                "commit": entry.commit,
                "previous": entry.before,
                "change": entry.change,
            }
            for entry in self.head.snapshots
        ]
        return {
            "kind": "import",
            "outcome": "ok" if self.record else "partial",
            "exit_code": self.exit_code,
            "summary": self.summary,
            "started": self.started,
            "finished": self.finished,
            "bundle": self.head.id,
            "sequence": self.head.sequence,
            "sender": self.head.sender,
            "signer": self.signer.name,
            "key": self.signer.key,
            "endpoint": self.head.endpoint,
            "published": published if self.record else [],
            "removals": [removal.model_dump() for removal in self.head.removals],
            "answers": [answer.model_dump() for answer in self.head.answers],
            "missing_volumes": list(self.missing),
            "fetched": {"files": len(self.head.files), "bytes": self.head.size},
            "failed": [],
            "refused": [],
        }


def inspect(store: Store, paths: Sequence[Path], allowed: Path | None) -> tuple[Arrival, ...]:
    """Look at what somebody has brought, bundle by bundle, in the order to take them in.

    Args:
        store: the mirror.
        paths: folders of volumes, or folders that hold some.
        allowed: who may sign; none asks for no signature.

    Raises:
        BundleError: a volume is refused.
        NotFoundError: a path has no bundle in it.
    """
    bundles: dict[str, list[OpenVolume]] = {}
    for folder in find_volumes(paths):
        volume = open_volume(folder, allowed)
        bundles.setdefault(volume.head.id, []).append(volume)
    arrivals = [_arrival(store, volumes) for volumes in bundles.values()]
    return tuple(sorted(arrivals, key=lambda one: (one.head.created, one.head.sequence)))


def _arrival(store: Store, volumes: Sequence[OpenVolume]) -> Arrival:
    opened = {volume.number: volume for volume in volumes}
    signers = {volume.signer for volume in volumes}
    first = volumes[0]
    if any(volume.head_bytes != first.head_bytes for volume in volumes):
        raise DamagedBundleError(f"the volumes of bundle {first.head.id[:12]} differ in their head")
    if len(signers) > 1:
        raise UnknownSignerError(
            f"the volumes of bundle {first.head.id[:12]} are signed by different keys",
            hint="one of them was signed again: have all of them signed by the same key",
        )
    staging = Staging(store, first.head)
    missing = tuple(number for number in staging.missing_volumes if number not in opened)
    return Arrival(
        head=first.head,
        volumes=tuple(opened[number] for number in sorted(opened)),
        signer=next(iter(signers)),
        missing=missing,
    )


def admit_arrivals(store: Store, arrivals: Iterable[Arrival], now: datetime | None = None) -> None:
    """Let bundles in, each as if those before it were in already, or say why not; reads only.

    Raises:
        BundleError: one is refused; see ``admission``.
        DiskError: too little room.
    """
    remembered = read_remembered(store)
    for arrival in arrivals:
        admit(arrival.head, remembered, now or datetime.now(UTC))
        Staging(store, arrival.head).require_room()
        if not arrival.missing:
            record = make_record(arrival.head, arrival.signer, _now())
            remembered = replace(remembered, imports=(*remembered.imports, record))


def import_bundle(
    store: Store,
    arrival: Arrival,
    allowed: Path | None,
    progress: Watch | None = None,
    now: datetime | None = None,
) -> ImportReport:
    """Take in what has come of a bundle; publish it when it is all here.

    Raises:
        BundleError: refused; what is visible has not changed.
        DiskError: full, or refused.
        LockedError: another process writes.
    """
    started = _now()
    with store.write_lock("import"):
        staging = Staging(store, arrival.head)
        missing: tuple[int, ...] = ()
        record = _noted(store, staging, arrival.head)
        if record is None:
            admit_arrivals(store, [arrival], now)
            staging.begin(arrival.volumes[0].frame)
            for volume in arrival.volumes:
                staging.take(volume, progress)
            missing = staging.missing_volumes
        if record is None and not missing:
            record = _publish(store, arrival, staging, allowed, started)
        if record is not None:
            note_answers(store, arrival.head, started)
        report = ImportReport(started, _now(), arrival.head, arrival.signer, missing, record)
        store.write_report(report.as_json(), datetime.fromisoformat(started))
        if record is not None:
            staging.discard()
    return report


def _noted(store: Store, staging: Staging, head: Head) -> ImportRecord | None:
    """Give the note of an import that was killed after it, before its end."""
    return read_remembered(store).bundles.get(head.id) if staging.folder.is_dir() else None


def _publish(
    store: Store, arrival: Arrival, staging: Staging, allowed: Path | None, time: str
) -> ImportRecord:
    try:
        origins = find_origins(staging, allowed)
        records = Records(store, arrival.head, staging)
        check_all(arrival.head, staging, records)
    except BundleError:
        # Everything is here, and it is not right: what is staged can be of no use.
        staging.discard()
        raise
    return take_in(store, arrival.head, staging, records, arrival.signer, origins, time)


def find_origins(staging: Staging, allowed: Path | None) -> Mapping[str, tuple[Origin, ...]]:
    """Read the proofs of earlier bundles that came along: by the digest of a manifest.

    An earlier signer whom nobody here knows is told by his key alone: the sender, who is
    known, has vouched for it.

    Raises:
        UnsafeBundleError: a proof is not whole.
        BadSignatureError: a signature in it is not of its bytes.
    """
    heads: list[tuple[Head, Origin]] = []
    for bundle, files in proofs_in(staging).items():
        head = read_origin(bundle, files)
        signer = _signer_of(bundle, files, allowed)
        heads.append((head, Origin(bundle, head.sender, signer.name, signer.key)))
    found: dict[str, tuple[Origin, ...]] = {}
    for head, origin in sorted(heads, key=lambda pair: pair[0].created, reverse=True):
        for entry in head.snapshots:
            found[entry.digest] = (*found.get(entry.digest, ()), origin)
    return found


def _signer_of(bundle: str, files: Mapping[str, bytes], allowed: Path | None) -> Signer:
    listing, signature = files[form.LISTING], files.get(form.SIGNATURE)
    source = Path(form.ORIGINS, bundle)
    anybody = check_signature(listing, signature, source, BUNDLE, None)
    if allowed is None or not anybody.key:
        return anybody
    try:
        return check_signature(listing, signature, source, BUNDLE, allowed)
    except UnknownSignerError:
        return anybody


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
