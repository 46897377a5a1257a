"""``scripts/bench [transfer|catalog|relevance|serve|bundle]``."""

from __future__ import annotations

import argparse

from scripts.benches import bundle, catalog, relevance, serve, transfer


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    suites = parser.add_subparsers(dest="suite")
    syncs = suites.add_parser("transfer", help="mirror sync against hf download")
    syncs.add_argument("--rounds", type=int, default=3, help="how often each pair runs")
    syncs.add_argument("--only", help="one case of the suite; docs/benchmarks.md stays")
    searches = suites.add_parser("catalog", help="the catalog at the size of the Hub: half an hour")
    searches.add_argument(
        "--repos", type=_sizes, default=catalog.SIZES, help="sizes: 100000,1000000"
    )
    searches.add_argument("--rounds", type=int, default=15, help="runs of the whole process")
    suites.add_parser("relevance", help="what is found, against plain FTS5")
    asks = suites.add_parser("serve", help="mirror serve against a plain app, and nginx")
    asks.add_argument("--repos", type=int, default=100_000, help="of the catalog")
    asks.add_argument("--rounds", type=int, default=3, help="how often each server has its turn")
    asks.add_argument("--seconds", type=float, default=3, help="of each turn")
    asks.add_argument("--only", help="a case, lists, busy or start; no section is written")
    carries = suites.add_parser("bundle", help="mirror export and import against cp and sha256sum")
    carries.add_argument("--rounds", type=int, default=3, help="how often each pair runs")
    carries.add_argument("--only", help="small or large; docs/benchmarks.md stays")
    arguments = parser.parse_args()
    if arguments.suite == "catalog":
        catalog.run(arguments.repos, arguments.rounds)
    elif arguments.suite == "relevance":
        relevance.run()
    elif arguments.suite == "serve":
        serve.run(arguments.repos, arguments.rounds, arguments.seconds, arguments.only)
    elif arguments.suite == "bundle":
        bundle.run(arguments.rounds, arguments.only)
    else:
        transfer.run(getattr(arguments, "rounds", 3), getattr(arguments, "only", None))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(number.replace("_", "")) for number in text.split(","))


main()
