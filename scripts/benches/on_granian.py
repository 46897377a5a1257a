"""The app of ``mirror serve`` for granian, to compare servers: what ``scripts/bench serve`` runs.

granian is no dependency of the project; where ``.venv/bin/pip install granian`` has been
run, it is measured. It owns the connection: the limits of ``mirror/serve/connection.py``
are not there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mirror.serve.access import gate_for
from mirror.serve.front import make_front
from mirror.serve.options import ServeOptions


def app() -> Any:
    """Make the app; the mirror is in MIRROR_HOME, for granian calls this without arguments."""
    root = Path(os.environ["MIRROR_HOME"])
    return make_front(root, ServeOptions(), gate_for(root, local=True, required=False)).app


def command(port: int) -> Sequence[str] | None:
    """Give what starts it as ours is: one worker, uvloop; ``None`` where it is not installed."""
    if find_spec("granian") is None:
        return None
    options = ["--interface", "asginl", "--http", "1", "--no-ws", "--loop", "uvloop", "--factory"]
    start = [sys.executable, "-m", "granian", *options, "--port", str(port), "--no-log"]
    return [*start, f"{__name__}:app"]
