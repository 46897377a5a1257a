"""What upstream said about a repo, run after run: ``history.jsonl``.

Also what it said when it said no (``state``): a repo that is gone upstream stays in
the mirror, and this is where that is written down.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

State = Literal["ok", "gone", "unauthorized", "gated", "disabled"]
STATES: Final[tuple[str, ...]] = get_args(State)
_TEXTS: Final = frozenset({"commit", "license", "detail"})


@dataclass(frozen=True)
class Observation:
    """One look at one repo upstream."""

    time: str
    """ISO 8601, UTC."""
    state: State = "ok"
    """``gone`` is a 404, ``unauthorized`` a 401 (missing or private: it does not tell)."""
    commit: str | None = None
    """Head of the revision looked at."""
    downloads: int | None = None
    """Of the last 30 days, as the Hub counts."""
    likes: int | None = None
    license: str | None = None
    gated: bool | str | None = None
    """``False``, ``"auto"`` or ``"manual"``, as the Hub says it."""
    detail: str | None = None
    """What upstream said, where it said no."""

    def as_json(self) -> dict[str, Any]:
        """One line of history.jsonl: without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Observation | None:
        """Read a line; ``None`` if it is not an observation. Unknown keys are ignored."""
        if not isinstance(record.get("time"), str) or record.get("state") not in STATES:
            return None
        known = {field.name for field in fields(cls)}
        return cls(
            **{
                name: value
                for name, value in record.items()
                if name in known and (name not in _TEXTS or isinstance(value, str))
            }
        )
