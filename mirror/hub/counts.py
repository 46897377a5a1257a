"""What a run asked of upstream, counted while it happens; the report of the run shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class RequestCounts:
    """Live counters of one :class:`~mirror.hub.upstream.Upstream`."""

    api: int = 0
    """Requests to the API, every attempt counted."""
    resolve: int = 0
    """Requests for bytes of files, every attempt and every range counted."""
    bytes: int = 0
    """Bytes of file bodies that came in."""
    waited: float = 0.0
    """Seconds that upstream's rate limit kept us waiting; waiting together counts once."""
    retries: int = 0
    """Attempts after a failure of the transport."""

    def as_json(self) -> dict[str, Any]:
        """The form of ``--json`` and of reports."""
        return asdict(self)
