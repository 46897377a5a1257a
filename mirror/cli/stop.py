"""Ctrl-C and SIGTERM: the first stops the command in order, another one at once.

systemd and cron stop a command by SIGTERM, and it ends as with Ctrl-C. What it was doing is
taken back or left for the same command to go on with; that may take a moment on a slow disk.
Who cannot wait presses again, and loses no more than by a kill. A sync and a server have
their own way of stopping, and put these back afterwards.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Final

#: As a shell sees a program that Ctrl-C ended.
EXIT_INTERRUPTED: Final = 130

_SHOW_CURSOR: Final = b"\x1b[?25h\n"


def stop_on_signals() -> None:
    """Let signals end this process as said above; call it once, in the main thread."""
    signal.signal(signal.SIGTERM, _first)
    # What a shell starts in the background does not get the Ctrl-C of its terminal.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)


def _first(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(other) is _first:
            signal.signal(other, _again)
    raise KeyboardInterrupt


def _again(number: int, frame: FrameType | None) -> None:
    if sys.stderr.isatty():  # a progress bar has hidden it
        os.write(sys.stderr.fileno(), _SHOW_CURSOR)
    os._exit(EXIT_INTERRUPTED)
