"""Lengths of time as people type them, and the option that waits for one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import click

from mirror.cli.app import F, remember

_SPAN: Final = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SpanType(click.ParamType[timedelta]):
    """A length of time such as ``36h``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read ``30s``, ``90m``, ``36h``, ``8d`` or ``2w``."""
        if isinstance(value, timedelta):
            return value
        if (match := _SPAN.fullmatch(str(value).strip().lower())) is None:
            self.fail("expected a time such as 90m, 36h, 8d or 2w", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


def wait_option(command: F) -> F:
    """Add ``--wait``: for what cron runs, where another process may write just then."""
    return click.option(
        "--wait",
        metavar="TIME",
        type=SpanType(),
        expose_value=False,
        callback=remember("wait"),
        help="Wait so long (30m, 2h) for another process that writes.",
    )(command)
