"""``scripts/samplehub``: serve the sample hub by hand, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import tempfile
import threading
import time
from pathlib import Path

from tests.fakehub import FakeHub, serve
from tests.fakehub.hub import Request
from tests.samples import build_samples, sample_hub


def main() -> None:
    """Build, serve, say what can be done with it."""
    parser = argparse.ArgumentParser(prog="scripts/samplehub", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8799, help="0 for any that is free (8799)")
    parser.add_argument("--quiet", action="store_true", help="do not print the requests")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samplehub-") as folder:
        build_samples(Path(folder))
        hub = sample_hub(Path(folder))
        if not given.quiet:
            hub.on("any", _print, times=None)
        try:
            with serve(hub, given.port) as endpoint:
                _explain(hub, endpoint)
                _wait()
        except OSError as error:
            parser.exit(1, f"port {given.port}: {error.strerror}; take another with --port\n")


def _explain(hub: FakeHub, endpoint: str) -> None:
    print(f"The sample hub is at {endpoint} until Ctrl-C. It has:")
    for repo in hub.repos.values():
        print(f"  {repo.plural}/{repo.repo_id}")
    print("\nIn another terminal:")
    print(f"  mirror init /tmp/my-mirror --endpoint {endpoint}")
    print("  export MIRROR_HOME=/tmp/my-mirror")
    print("  mirror add --type dataset --author sample-lab")
    print("  mirror sync")
    print("or, as any other Hub:")
    print(f"  HF_ENDPOINT={endpoint} hf download sample-lab/tiny-gpt2\n", flush=True)


def _print(request: Request) -> None:
    query = f" {request.query}" if request.query else ""
    print(f"{time.strftime('%H:%M:%S')} {request.method} {request.path}{query}", flush=True)


def _wait() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    print("\nstopped")


if __name__ == "__main__":
    main()
