"""The demo: sync from an embedded sample hub, search, then load without any network.

Every command is shown as it would be typed, and is really run. What it makes stays in one
folder below the user's cache, so that there is something to play with afterwards and a
second run has nothing to fetch.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from scripts.demo_stage import (  # noqa: E402 - the checkout's own
    Stage,
    clean_environment,
    mirror_environment,
    network_wall,
    typed,
)
from tests.fakehub import Throttle, serve  # noqa: E402
from tests.samples import build_samples, sample_hub  # noqa: E402

MODEL: Final = "sample-lab/tiny-bert-korean-sentiment"
DATASET: Final = "sample-lab/korean-english-reviews"

#: Bytes a second of one connection: without it the progress bars would be gone at once.
RATE: Final = 400_000


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the demo keeps its things: one folder, to be removed with one command."""
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hub-mirror-demo"


def usual_port(settings: Path) -> int:
    """The port that mirror.toml of an earlier run expects the hub at; 0 where there is none.

    Where something else listens there now, mirror.toml is changed to a free one.
    """
    text = settings.read_text(encoding="utf-8") if settings.exists() else ""
    known = re.search(r'^endpoint = "http://127\.0\.0\.1:(\d+)"', text, re.MULTILINE)
    if known is None:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(known[1])))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    line = f'endpoint = "http://127.0.0.1:{port}"'
    settings.write_text(text.replace(known[0], line), encoding="utf-8")
    return port


def choose_and_sync(stage: Stage, folder: Path) -> None:
    """The connected machine: choose, see the plan, sync."""
    mirror = folder / "mirror"
    hub = sample_hub(folder / "samples")
    hub.fault("resolve", kind=Throttle(RATE), times=None)
    with serve(hub, usual_port(mirror / "mirror.toml")) as endpoint:
        stage.heading("A sample hub, in this process, on loopback")
        counts = [sum(r.repo_type == kind for r in hub.repos.values()) for kind in KINDS]
        stage.say(
            f"{endpoint} has {counts[0]} models, {counts[1]} data sets and {counts[2]} space, all "
            f"small and made up. It sends {RATE // 1000} kB a second on each connection, so that "
            "there is something to see."
        )
        stage.heading("Choose what to mirror")
        print(f"\n$ export MIRROR_HOME={mirror}")
        if (mirror / "format").exists():
            stage.say("The mirror is there from an earlier run, with its mirror.toml.")
        else:
            select(stage, mirror, endpoint)
        stage.run("mirror", "plan")
        stage.heading("Fetch it")
        stage.run("mirror", "sync")
    asked = sum(hub.counts.values())
    stage.say(f"(The hub counted {asked} requests in all, {hub.counts['resolve']} of them files.)")


KINDS: Final = ("model", "dataset", "space")


def select(stage: Stage, mirror: Path, endpoint: str) -> None:
    """Make the mirror and say what it holds: a repo by name, and questions that find repos."""
    stage.run("mirror", "init", str(mirror), "--endpoint", endpoint)
    stage.run("mirror", "add", "models/sample-lab/tiny-gpt2", "--exclude", "*.bin")
    stage.run("mirror", "add", "--type", "model", "--author", "sample-lab", "--language", "ko")
    stage.run("mirror", "add", "--type", "dataset", "--author", "sample-lab")


def search(stage: Stage) -> None:
    """Any machine that has the folder: find things."""
    stage.heading("Search it (the hub is switched off from here on)")
    stage.run("mirror", "search", "--task", "text-classification", "--language", "ko")
    stage.run("mirror", "search", "감정 -license:unknown params:<1M")
    stage.run("mirror", "facets", "language:ko", "--field", "license")
    stage.run("mirror", "show", f"models/{MODEL}")
    stage.run("mirror", "leaderboard")


def load(stage: Stage) -> None:
    """The machine without internet: load with the calls that are used anyway."""
    stage.heading("Load it where there is no network")
    stage.run("mirror", "path", f"datasets/{DATASET}")
    print()
    script = "scripts/demo_load.py"
    wall = network_wall()
    if wall:
        stage.say(
            "The next program runs in a network namespace of its own: no interface is up in it, "
            "the kernel has nowhere to send a packet."
        )
    else:
        stage.say(
            "This machine does not permit unshare, so there is no empty network namespace to show. "
            "Instead the next program refuses every connection itself: a Python audit hook ends "
            "each attempt, before it leaves the process."
        )
    shown = typed([*wall, "python", script, *([] if wall else ["--audit"])])
    environment = {**stage.environment, **mirror_environment(stage.environment)}
    inner = Stage(environment)
    print('\n$ eval "$(mirror env)"')
    arguments = [] if wall else ["--audit"]
    inner.run(*wall, sys.executable, str(CHECKOUT / script), *arguments, shown=shown)


def conclude(stage: Stage, folder: Path) -> None:
    """Say what was shown, and what to type next."""
    stage.heading("What you have seen")
    print(
        "  - `mirror plan` says what a sync would fetch; a second `mirror sync` fetches nothing.\n"
        "  - `mirror search` finds by task, licence, language and text, Korean included, offline;\n"
        "    `mirror facets` counts what there is, `mirror leaderboard` compares results.\n"
        "  - transformers and datasets load from the mirror with their usual calls, unconnected.\n"
    )
    print("What to type next:")
    print(f"  export PATH={Path(sys.executable).parent}:$PATH MIRROR_HOME={folder / 'mirror'}")
    print("  mirror status")
    print("  mirror search --json 리뷰")
    print("  mirror verify")
    print(f"  less {folder / 'mirror' / 'mirror.toml'}")
    print("  scripts/demo --air-gap     how it crosses to a lab that no cable reaches")
    print("  scripts/samplehub          the sample hub again, to sync from by hand")
    print("For the real Hub: mirror init DIR, mirror add datasets/klue/klue, mirror sync.")
    print(f"\nNothing is left running. To remove what the demo made: rm -rf {folder}")


def main() -> int:
    """Run the demo that is asked for."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--air-gap", action="store_true", help="play the walk of a bundle to a lab without a cable"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no command stays behind
    if arguments.air_gap:
        from scripts.demo_air_gap import play

        play()
        return 0
    return show()


def show() -> int:
    """Show the whole way from a hub to a model that is loaded."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    build_samples(folder / "samples")
    stage = Stage(clean_environment(folder))
    print("mirror: an offline mirror and catalog of the Hugging Face Hub. A demo.")
    choose_and_sync(stage, folder)
    search(stage)
    load(stage)
    conclude(stage, folder)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
