"""The command line. The only room that turns values and errors into text.

Data goes to stdout, talk to stderr. Everything is done through :mod:`mirror.api`;
its modules, and rich, are imported where a command needs them, because ``mirror
search`` must answer as fast as ``grep``.
"""

from __future__ import annotations

import io
import signal
import sys

from mirror.cli.app import App

__all__ = ["app", "main"]

app = App()


def main() -> None:
    """Run the command ``mirror``: the console entry point."""
    # systemd stops a unit with SIGTERM: end as with Ctrl-C, with a report.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale without Korean is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    app.main(prog_name="mirror")
