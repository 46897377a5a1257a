"""``--wait``: for the commands that cron runs, where another one may be at work just then."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from mirror.cli.app import F, remember

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN: Final = re.compile(r"([0-9]{1,6})\s*([smhd])")


class SpanType(click.ParamType[float]):
    """A length of time such as ``30m``; gives seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read ``90s``, ``30m``, ``2h`` or ``1d``."""
        if isinstance(value, float):
            return value
        if (match := _SPAN.fullmatch(str(value).strip().lower())) is None:
            self.fail(f"{value!r} is no length of time; write 90s, 30m, 2h or 1d", param, ctx)
        return float(int(match[1]) * _SECONDS[match[2]])


def wait_option(command: F) -> F:
    """Add ``--wait``."""
    return click.option(
        "--wait",
        metavar="TIME",
        type=SpanType(),
        expose_value=False,
        callback=remember("wait"),
        help="Wait so long (30m, 2h) for another process that writes.",
    )(command)
