"""The whole of what is served: the read API, behind the guard and under observation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.serve.access import Gate
from mirror.serve.app import create_app
from mirror.serve.guard import TokenGuard
from mirror.serve.log import Metrics, Observer
from mirror.serve.options import ServeOptions
from mirror.serve.shelf import Shelf

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@dataclass(frozen=True)
class Front:
    """An app for :mod:`mirror.serve.runner`, and what it has noticed."""

    app: ASGIApp
    shelf: Shelf


def make_front(root: Path, options: ServeOptions, gate: Gate, log: Any | None = None) -> Front:
    """Put the endpoint of a mirror together.

    Args:
        root: the mirror's folder.
        options: how to answer.
        gate: who may ask.
        log: of :func:`mirror.serve.log.open_log`; ``None`` for no access log.

    Raises:
        NotAMirrorError, UnknownFormatError: it cannot be served.
    """
    app = create_app(root, options)
    return Front(Observer(TokenGuard(app, gate), Metrics(), log), app.state.shelf)
