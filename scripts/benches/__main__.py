"""``scripts/bench [--rounds N] [--only CASE] [transfer]``."""

from __future__ import annotations

import argparse

from scripts.benches import transfer

SUITES = {"transfer": transfer.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=sorted(SUITES), default="transfer")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair runs")
    parser.add_argument("--only", help="one case of the suite; docs/benchmarks.md stays")
    arguments = parser.parse_args()
    SUITES[arguments.suite](arguments.rounds, arguments.only)


main()
