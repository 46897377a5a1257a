"""One list of operations, many clients: at a mirror's endpoint, and at the hub it mirrors.

Every client gets an environment of its own, made once and kept below the user's cache. The
matrix of docs/clients.md is written from what was seen, nothing by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "scripts")]

from clients.environments import (  # noqa: E402
    ENVIRONMENTS,
    HERE_ALREADY,
    Environment,
    UnavailableError,
)
from clients.report import Cell, compare, write_page  # noqa: E402

from mirror import Mirror  # noqa: E402
from tests.fakehub import FakeHub, serve  # noqa: E402
from tests.fakehub.faults import Truncate  # noqa: E402
from tests.samples import build_samples  # noqa: E402
from tests.serve.conftest import lab_hub, make_lab, serving  # noqa: E402
from tests.serve.cutting import cut_line  # noqa: E402

PAGE: Final = CHECKOUT / "docs" / "clients.md"
CUT_AFTER: Final = 25_000_000
"""More than two of the pieces that clients write, in bytes: some of it is on disk by then."""

#: A request for the rest of a file.
RESUMED: Final = re.compile(r"range: bytes=[1-9]\d*-")

Records = Mapping[str, dict[str, Any]]


#: A tokenizer in the files of 2019, which every client can read.
WORDS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##ness")
BERT: Final = {
    "config.json": b'{"model_type": "bert", "architectures": ["BertForMaskedLM"]}',
    "tokenizer_config.json": b'{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}',
    "vocab.txt": "\n".join((*WORDS, "")).encode(),
}


def make_hub(folder: Path) -> FakeHub:
    """Give the hub of the tests, with a file large enough to break off, and an old tokenizer."""
    build_samples(folder)
    hub = lab_hub(folder)
    hub.add_repo("model", "acme/large", {"model.safetensors": bytes(range(256)) * 125_000})
    hub.add_repo("model", "google-bert/bert-base-uncased", BERT)
    hub.alias("model", "bert-base-uncased", "google-bert/bert-base-uncased")
    return hub


def make_mirror(root: Path, hub: FakeHub) -> Path:
    """Mirror all of it that the clients ask for."""
    mirror: Mirror = make_lab(root, hub)
    for repo_id in ("acme/large", "bert-base-uncased"):
        mirror.add("model", id=repo_id)
    report = mirror.sync()
    if report.exit_code:
        raise SystemExit(f"the mirror could not be made: {report.failed}")
    return root


@contextmanager
def both(folder: Path) -> Iterator[tuple[FakeHub, str]]:
    """Serve the hub and a mirror of it; gives the hub and the mirror's endpoint."""
    hub = make_hub(folder / "samples")
    with ExitStack() as stack:
        stack.enter_context(serve(hub))
        root = make_mirror(folder / "mirror", hub)
        yield hub, stack.enter_context(serving(root))


def clean_environment(endpoint: str, cut: str, home: Path) -> dict[str, str]:
    """The environment of a client: HF_ENDPOINT, an empty cache, nothing of the user's own."""
    foreign = re.compile(r"(HF_|HUGGING|MIRROR_|PYTHON|VIRTUAL_ENV|.*_proxy$)", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    return kept | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "PROBE_CUT": cut,
    }


def at_hub(environment: Environment, hub: FakeHub, home: Path) -> Records:
    """Run the operations at the hub, which breaks one large answer."""
    hub.clear_faults()
    hub.fault("cdn", kind=Truncate(at=CUT_AFTER), method="GET", times=1)
    return environment.probe(clean_environment(hub.endpoint, hub.endpoint, home))


def at_mirror(environment: Environment, endpoint: str, home: Path) -> Records:
    """Run the operations at the mirror's endpoint, one of them over a line that breaks."""
    with cut_line(endpoint, CUT_AFTER) as line:
        found = environment.probe(clean_environment(endpoint, line.endpoint, home))
    resumed = found.get("download, resumed")
    if resumed and resumed["outcome"] == "ok" and not line.cuts:
        resumed |= {"outcome": "failed", "seen": "the line was never cut"}
    elif resumed and not any(RESUMED.search(head) for head in line.requests):
        resumed |= {"note": "from the start"}
    return found


def run(environment: Environment, hub: FakeHub, endpoint: str) -> dict[str, Cell]:
    """Run one client at both places; gives operation -> what came of it."""
    with tempfile.TemporaryDirectory(prefix="clients-") as homes:
        seen = at_hub(environment, hub, Path(homes, "hub"))
        mirrored = at_mirror(environment, endpoint, Path(homes, "mirror"))
    return compare(seen, mirrored, {hub.endpoint: "ENDPOINT", endpoint: "ENDPOINT"})


def main() -> int:
    """Run the clients named; 1 if one of them fares worse at the mirror than at the hub."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("clients", nargs="*", help=f"of {', '.join(ENVIRONMENTS)}; default: all")
    parser.add_argument("--no-page", action="store_true", help="leave docs/clients.md as it is")
    parser.add_argument("--here", action="store_true", help="only the libraries of this .venv")
    words = parser.parse_args()
    if unknown := set(words.clients) - set(ENVIRONMENTS):
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    chosen = [ENVIRONMENTS[name] for name in words.clients or ENVIRONMENTS]
    results = run_all([HERE_ALREADY] if words.here else chosen)
    if not (words.no_page or words.here):
        write_page(PAGE, ENVIRONMENTS, results)
    return int(any(cell.worse for found in results.values() for cell in found.values()))


def run_all(environments: Iterable[Environment]) -> dict[str, dict[str, Cell]]:
    """Run every client that can be had here; gives name -> operation -> what came of it."""
    results: dict[str, dict[str, Cell]] = {}
    with tempfile.TemporaryDirectory(prefix="clients-") as folder, both(Path(folder)) as place:
        for environment in environments:
            print(f"{environment.name}: {environment.title}", flush=True)
            try:
                environment.make()
            except UnavailableError as error:
                print(f"  left out: {error}")
                continue
            results[environment.name] = run(environment, *place)
            show(results[environment.name])
    return results


def show(found: Mapping[str, Cell]) -> None:
    """Print one client's column, with why where it is not the same."""
    for operation, cell in found.items():
        print(f"  {operation:35}  {cell.text}")
        if cell.why:
            print("      " + json.dumps(cell.why, ensure_ascii=False)[:1500])
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
