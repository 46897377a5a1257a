"""The command line. The only room that turns values and errors into text.

Data goes to stdout, talk to stderr. Everything is done through :mod:`mirror.api`;
its modules, and rich, are imported where a command needs them, because ``mirror
search`` must answer as fast as ``grep``.
"""

from __future__ import annotations

import io
import sys

from mirror.cli.app import App
from mirror.cli.stop import stop_on_signals

__all__ = ["app", "main"]

app = App()


def main() -> None:
    """Run the command ``mirror``: the console entry point."""
    stop_on_signals()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale without Korean is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    app.main(prog_name="mirror")
