"""What changed upstream, told from what was seen at each sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mirror.catalog.record.record import Event
from mirror.catalog.values import as_text, as_time
from mirror.store import Observation

#: The newest of one repo that are kept.
MAX_EVENTS: Final = 200


def find_events(history: Sequence[Observation]) -> tuple[Event, ...]:
    """Give every change of state, gate and licence, oldest first.

    What an observation does not say has not changed: upstream tells neither gate nor
    licence of a repo that is gone.
    """
    found: list[Event] = []
    known: dict[str, str] = {"state": "ok"}
    for observation in history:
        time = as_time(observation.time) or as_text(observation.time) or ""
        now = {
            "state": as_text(observation.state),
            "gated": _gate(observation.gated),
            "license": as_text(observation.license),
        }
        for what, after in now.items():
            if after is None:
                continue
            before = known.get(what)
            if before is not None and before != after:
                detail = as_text(observation.detail, 500) if what == "state" else None
                found.append(Event(time, what, before, after, detail))
            known[what] = after
    return tuple(found[-MAX_EVENTS:])


def gated_of(stated: object, history: Sequence[Observation]) -> str | None:
    """Give who lets people in, ``auto`` or ``manual``, as last seen; ``None``: open to all."""
    gate = _gate(stated)
    for observation in history:
        gate = _gate(observation.gated) or gate
    return gate if gate in {"auto", "manual"} else None


def _gate(value: object) -> str | None:
    """One word for what the Hub says: ``False``, ``True`` (of long ago), or a text."""
    if value is None:
        return None
    if value is False:
        return "no"
    return "auto" if value is True else as_text(value)
