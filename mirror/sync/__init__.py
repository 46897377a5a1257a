"""From a selection to published snapshots: detect, plan, fetch, publish, report."""
