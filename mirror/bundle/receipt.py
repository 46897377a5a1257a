"""A receipt: what the lab's mirror has, in one small file that goes the way back.

It also carries wishes, and what clients asked for in vain. Its ``id`` is the sha256 of all
else that it says. A signature lies beside it: ``receipt.json.sig``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirror.bundle import form
from mirror.bundle.canonical import encode_canonical, id_of
from mirror.bundle.head import Parent
from mirror.bundle.inventory import Inventory, decode_inventory, encode_inventory, take_inventory
from mirror.bundle.log import read_remembered
from mirror.bundle.signing import RECEIPT, Signer, check_signature, read_signature
from mirror.errors import DamagedBundleError, NotFoundError, UnknownBundleFormatError
from mirror.store import Store
from mirror.store.opening import open_regular

MAX_RECEIPT_BYTES: Final = 1 << 30
_MAX_ITEMS: Final = 100_000


@dataclass(frozen=True)
class LastImport:
    """The newest bundle of one sender that the lab took in."""

    bundle: str
    sequence: int
    sender: str


@dataclass(frozen=True)
class Receipt:
    """What a lab says of itself."""

    id: str
    name: str
    created: str
    imports: tuple[LastImport, ...]
    inventory: Inventory
    requests: tuple[Mapping[str, Any], ...] = ()
    """Wishes, as ``requests`` writes them."""
    misses: tuple[Mapping[str, Any], ...] = ()
    """What clients asked the lab's server for, and did not get."""

    def parent(self, sender: str) -> Parent:
        """Give what a bundle for this receipt builds on."""
        numbers = [one.sequence for one in self.imports if one.sender == sender]
        return Parent(kind="receipt", id=self.id, sequence=max(numbers, default=0))


def make_receipt(
    store: Store,
    name: str,
    created: str,
    requests: Sequence[Mapping[str, Any]] = (),
    misses: Sequence[Mapping[str, Any]] = (),
) -> Receipt:
    """Say what is in a mirror now.

    Raises:
        DamagedError: a manifest or a list of refs cannot be read.
    """
    newest = {record.sender: record for record in read_remembered(store).imports}
    draft = Receipt(
        id="",
        name=name,
        created=created,
        imports=tuple(
            LastImport(one.bundle, one.sequence, sender) for sender, one in sorted(newest.items())
        ),
        inventory=take_inventory(store),
        requests=tuple(requests),
        misses=tuple(misses),
    )
    return Receipt(**{**draft.__dict__, "id": id_of(_as_json(draft))})


def encode_receipt(receipt: Receipt) -> bytes:
    """Give the text of the file."""
    return encode_canonical(_as_json(receipt))


def read_receipt(path: Path, allowed: Path | None = None) -> tuple[Receipt, Signer]:
    """Read a receipt, and say who has signed it.

    Raises:
        NotFoundError: no such file.
        DamagedBundleError: it is no receipt.
        UnknownBundleFormatError: of another version.
        BadSignatureError, MissingSignatureError, UnknownSignerError: see ``signing``.
    """
    try:
        with open_regular(path) as stream:
            data = stream.read(MAX_RECEIPT_BYTES + 1)
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be read: {error.strerror}", hint="mirror receipt makes one, in the lab"
        ) from error
    if len(data) > MAX_RECEIPT_BYTES:
        raise DamagedBundleError(f"{path} is larger than any receipt")
    signature = read_signature(path.with_name(f"{path.name}.sig"))
    signer = check_signature(data, signature, path, RECEIPT, allowed)
    return decode_receipt(data, str(path)), signer


def decode_receipt(data: bytes, source: str) -> Receipt:
    """Read the text of a receipt; raises as :func:`read_receipt`."""
    try:
        value = json.loads(data)
        if value["kind"] != "receipt":
            raise ValueError("it is something else")
        if value["format"] != form.FORMAT:
            raise UnknownBundleFormatError(source, value["format"])
        receipt = Receipt(
            id=str(value["id"]),
            name=str(value["name"])[:200],
            created=str(value["created"])[:40],
            imports=tuple(_imports_of(value["imports"])),
            inventory=decode_inventory(value["inventory"]),
            requests=_items(value["requests"]),
            misses=_items(value["misses"]),
        )
        own_id = id_of(value)  # also raises: half a surrogate pair is no text
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RecursionError,
    ) as error:
        raise DamagedBundleError(
            f"{source} is not a receipt ({str(error)[:200]})",
            hint="mirror receipt makes one, in the lab",
        ) from error
    if own_id != receipt.id:
        raise DamagedBundleError(f"{source} has another id than its content")
    return receipt


def _imports_of(items: Sequence[Mapping[str, Any]]) -> list[LastImport]:
    return [
        LastImport(str(one["bundle"]), int(one["sequence"]), str(one["sender"])[:200])
        for one in items[:_MAX_ITEMS]
    ]


def _items(value: object) -> tuple[Mapping[str, Any], ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items[:_MAX_ITEMS] if isinstance(item, dict))


def _as_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "kind": "receipt",
        "format": form.FORMAT,
        "id": receipt.id,
        "name": receipt.name,
        "created": receipt.created,
        "imports": [one.__dict__ for one in receipt.imports],
        "inventory": encode_inventory(receipt.inventory),
        "requests": list(receipt.requests),
        "misses": list(receipt.misses),
    }
