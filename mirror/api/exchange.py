"""Bundles and receipts of one mirror: what crosses the gap, and what goes the way back."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mirror.api.carrying import answers_for, count_unseen, note_carried, to_carry
from mirror.api.lookup import find_each, find_in_store
from mirror.bundle import form
from mirror.bundle.head import Parent, decode_head
from mirror.bundle.log import add_receipt
from mirror.bundle.receipt import Receipt, encode_receipt, make_receipt, read_receipt
from mirror.bundle.signing import RECEIPT, Signer, require_key, sign_file
from mirror.bundle.take.importing import (
    Arrival,
    ImportReport,
    admit_arrivals,
    import_bundle,
    inspect,
)
from mirror.bundle.take.reading import find_volumes, open_plain
from mirror.bundle.write.export import Exported, ExportOptions, export_bundle
from mirror.bundle.write.plan import Addressee, ExportPlan, plan_export
from mirror.errors import NotFoundError, ReplayedBundleError, UsageError
from mirror.names import RepoKey
from mirror.settings import ExchangeSettings, Settings
from mirror.store import Store
from mirror.store.atomic import write_atomic

Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class WrittenReceipt:
    """A receipt that was made."""

    receipt: Receipt
    path: Path
    signed: bool

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "receipt": self.receipt.id,
            "name": self.receipt.name,
            "created": self.receipt.created,
            "repos": len(self.receipt.inventory.repos),
            "requests": len(self.receipt.requests),
            "misses": len(self.receipt.misses),
            "path": str(self.path),
            "signed": self.signed,
        }


class Exchange:
    """What one mirror gives to others, and takes from them.

    Args:
        store: the mirror.
        settings: its mirror.toml.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings

    @property
    def name(self) -> str:
        """What this mirror is called in bundles and receipts."""
        return self._own.name or platform.node() or "mirror"

    @property
    def _own(self) -> ExchangeSettings:
        return self.settings.exchange

    # --- out --------------------------------------------------------------------------

    def plan_export(
        self,
        repos: Iterable[str | RepoKey] = (),
        *,
        receipt: Path | None = None,
        since: Path | None = None,
        full: bool = False,
        allowed_signers: Path | None = None,
    ) -> ExportPlan:
        """Say what a bundle would hold; writes nothing.

        Args:
            repos: these alone; none for all.
            receipt: of the lab: exactly what it lacks is sent.
            since: an earlier bundle, taken to be delivered: what came after it is sent.
            full: everything, whatever the lab has.
            allowed_signers: who may have signed the receipt; else as mirror.toml says.

        Raises:
            UsageError: ``since`` with ``receipt`` or ``full``.
            NotFoundError: a repo, the receipt or the bundle is not there.
            BundleError: the receipt or bundle is refused.
            DamagedError: a manifest cannot be read, or a content is missing.
        """
        if since is not None and (receipt is not None or full):
            raise UsageError("--since does not go with --for or --full: name one of them")
        addressee, came = Addressee(), None
        if receipt is not None:
            came, _ = read_receipt(receipt, self._allowed(allowed_signers))
            addressee = self._by_receipt(came, full=full)
        elif since is not None:
            addressee = _by_bundle(since)
        known = addressee.known.repos
        keys = find_each(repos, lambda name: self._find(name, known))
        if came is not None:
            addressee = replace(
                addressee,
                answers=answers_for(self.store, came, keys),
                unseen=count_unseen(self.store, came),
            )
        return plan_export(
            self.store,
            keys,
            addressee,
            sender=self.name,
            endpoint=self.settings.upstream.endpoint,
        )

    def export(
        self,
        plan: ExportPlan,
        out: Path,
        *,
        volume_size: int | None = None,
        key: Path | None = None,
        expires: str | None = None,
        progress: Watch | None = None,
    ) -> Exported:
        """Write the bundle of a plan into the folder ``out``.

        Args:
            plan: of :meth:`plan_export`.
            out: a new or empty folder, or one in which this export was begun.
            volume_size: bytes of one volume; none for one folder of any size.
            key: what it is signed with; else as mirror.toml says, or not.
            expires: until when it may be taken in, ISO 8601 UTC.
            progress: called with (bytes written, bytes to write).

        Raises:
            UsageError: ``out`` holds something else; volumes too small; the key cannot sign.
            DiskError: it does not fit, or cannot be written.
            DamagedError: a content of the mirror is damaged.
        """
        options = ExportOptions(volume_size, self._key(key), expires)
        return export_bundle(self.store, plan, out, options, progress)

    def _by_receipt(self, receipt: Receipt, *, full: bool) -> Addressee:
        if full:
            return Addressee(receipt.name)
        return Addressee(receipt.name, receipt.inventory, receipt.parent(self.name))

    # --- in ---------------------------------------------------------------------------

    def inspect(
        self, paths: Sequence[Path], *, allowed_signers: Path | None = None
    ) -> tuple[Arrival, ...]:
        """Look at bundles that somebody has brought: frames, signatures, what is in them.

        Raises:
            BundleError: a volume is refused.
            NotFoundError: a path has no bundle in it.
        """
        return inspect(self.store, paths, self._allowed(allowed_signers))

    def admit(self, *arrivals: Arrival) -> None:
        """Say whether bundles may come in, one after the other; raises if not.

        As :meth:`take_in` does, which this changes nothing for.
        """
        admit_arrivals(self.store, arrivals)

    def take_in(
        self,
        arrival: Arrival,
        *,
        allowed_signers: Path | None = None,
        progress: Watch | None = None,
    ) -> ImportReport:
        """Take a bundle in: publish it when all its volumes are here, then index.

        Raises:
            BundleError: refused; what can be seen has not changed.
            DiskError: full, or refused.
            LockedError: another process writes.
        """
        from mirror.api.indexing import index_changes  # SQL: 1 s of imports

        try:
            report = import_bundle(self.store, arrival, self._allowed(allowed_signers), progress)
        except ReplayedBundleError:
            if self.store.changes():  # the import that brought it was killed before this
                index_changes(self.store)
            raise
        if report.record is not None:
            index_changes(self.store)
        return report

    # --- the way back -----------------------------------------------------------------

    def receipt(self, path: Path, *, key: Path | None = None) -> WrittenReceipt:
        """Write down what is here, for the other side, with what is wished for (``wishes``).

        Raises:
            UsageError: the key cannot sign.
            DamagedError: a manifest or a list of refs cannot be read.
            LockedError, DiskError: the mirror, or ``path``, cannot be written.
        """
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent} for the receipt")
        if (signing := self._key(key)) is not None:
            require_key(signing)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        with self.store.write_lock("receipt"):
            along = to_carry(self.store)
            receipt = make_receipt(self.store, self.name, created, along.requests, along.misses)
            add_receipt(self.store, receipt.id, created)
            note_carried(self.store, receipt.id, along, created)
        write_atomic(path, encode_receipt(receipt))
        # One that lies there is of the receipt before.
        path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
        if signing is not None:
            sign_file(path, signing, RECEIPT)
        return WrittenReceipt(receipt, path, signing is not None)

    def read_receipt(
        self, path: Path, *, allowed_signers: Path | None = None
    ) -> tuple[Receipt, Signer]:
        """Read a receipt of a lab; raises as :meth:`plan_export`."""
        return read_receipt(path, self._allowed(allowed_signers))

    # --- what mirror.toml says where the caller does not ---------------------------------

    def _allowed(self, given: Path | None) -> Path | None:
        return given or self._in_mirror(self._own.allowed_signers)

    def _key(self, given: Path | None) -> Path | None:
        return given or self._in_mirror(self._own.signing_key)

    def _in_mirror(self, path: Path | None) -> Path | None:
        return None if path is None else self.store.root / path.expanduser()

    def _find(self, name: str, known: Collection[RepoKey]) -> RepoKey:
        """Find a repo that is here, or that the receiver has: its removal can be proposed."""
        try:
            return find_in_store(self.store, name)
        except NotFoundError:
            gone = [key for key in known if name in {str(key), key.repo_id}]
            if len(gone) == 1:
                return gone[0]
            raise


def _by_bundle(path: Path) -> Addressee:
    """Take a bundle to be delivered: its own head says what the receiver has then."""
    source = path if path.is_file() else find_volumes([path])[0] / form.HEAD
    with open_plain(source) as stream:
        head = decode_head(stream.read(form.MAX_HEAD_BYTES), str(source))
    parent = Parent(kind="bundle", id=head.id, sequence=head.sequence)
    return Addressee(head.recipient, head.known_inventory(), parent, assumed=True)
