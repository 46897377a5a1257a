"""From a selection to published snapshots: detect, plan, fetch, publish, report."""

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
