"""Whether a bundle is welcome: pure, apart from the clock that is handed in.

The frame is whole and the signature known when it comes here. Each refusal says why, and
what would cure it.
"""

from __future__ import annotations

from datetime import datetime

from mirror.bundle.head import Head, Parent
from mirror.bundle.log import ImportRecord, Remembered
from mirror.errors import (
    ExpiredBundleError,
    MissingParentError,
    OlderBundleError,
    ReplayedBundleError,
)


def admit(head: Head, remembered: Remembered, now: datetime) -> None:
    """Let a bundle in, or raise.

    Raises:
        ReplayedBundleError: it was taken in before.
        ExpiredBundleError: its time is over.
        OlderBundleError: a newer state of the same sender is here.
        MissingParentError: it builds on what is not here.
    """
    if (before := remembered.bundles.get(head.id)) is not None:
        raise ReplayedBundleError(
            f"bundle {head.id[:12]} of {head.sender} was taken in already, on {before.time}",
            hint="mirror runs shows what came in; nothing is left to do with this one",
        )
    if head.expires is not None and datetime.fromisoformat(head.expires) < now:
        raise ExpiredBundleError(
            f"bundle {head.id[:12]} of {head.sender} was valid until {head.expires}",
            hint="ask for a new export; the clock of this machine says "
            f"{now.isoformat(timespec='seconds')}",
        )
    newest = remembered.newest(head.sender)
    if newest and newest.created > head.created and not _answers_later(head, remembered, newest):
        raise OlderBundleError(
            f"bundle {head.id[:12]} has the state of {head.created}, and from {head.sender} "
            f"that of {newest.created} is here (bundle {newest.bundle[:12]})",
            hint="nothing is needed of it; for a new one: mirror receipt, then export --for it",
        )
    for parent in head.parents:
        _require(parent, head, remembered)


def _answers_later(head: Head, remembered: Remembered, newest: ImportRecord) -> bool:
    """Whether it was made for a receipt that this mirror wrote after the newest import.

    Then the sender's state is newer, whatever his clock said before it was put right.
    """
    times = (remembered.receipts.get(parent.id, "") for parent in head.parents)
    return any(time >= newest.time for time in times)


def _require(parent: Parent, head: Head, remembered: Remembered) -> None:
    if parent.kind == "bundle" and parent.id not in remembered.bundles:
        raise MissingParentError(
            f"bundle {head.id[:12]} builds on bundle {parent.sequence} ({parent.id[:12]}) of "
            f"{head.sender}, which was not taken in here",
            hint=f"import bundle {parent.id[:12]} first; if it is lost: mirror receipt here, "
            "then mirror export --for that receipt there",
        )
    if parent.kind == "receipt" and parent.id not in remembered.receipts:
        raise MissingParentError(
            f"bundle {head.id[:12]} was made for the receipt {parent.id[:12]}, which is not of "
            "this mirror",
            hint="it is for another lab; for this one: mirror receipt here, then mirror export "
            "--for that receipt there",
        )
