"""All routes of the endpoint, in the order in which they are tried."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mirror.serve.options import ServeOptions
from mirror.serve.repos import RepoRoute
from mirror.serve.shelf import Shelf


def all_routes(shelf: Shelf, options: ServeOptions) -> list[BaseRoute]:
    """Join the routes of the modules; those about one repo take what is left."""
    return [
        RepoRoute(shelf, options, {}),
    ]
