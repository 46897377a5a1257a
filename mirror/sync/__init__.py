"""From a selection to published snapshots: detect, plan, fetch, publish, report.

Names are loaded on first use: a command that only shows progress must not pay for HTTP.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mirror.sync.dry import plan_sync
    from mirror.sync.ledger import with_problem
    from mirror.sync.model import Progress, RunReport, SyncPlan
    from mirror.sync.run import run_repair, run_sync

__all__ = [
    "Progress",
    "RunReport",
    "SyncPlan",
    "plan_sync",
    "run_repair",
    "run_sync",
    "with_problem",
]

_PLACES: Final = {
    "plan_sync": "dry", "with_problem": "ledger", "run_repair": "run", "run_sync": "run",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'model')}"), name)
