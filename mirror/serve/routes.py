"""All routes of the endpoint, in the order in which they are tried."""

from __future__ import annotations

from typing import Final

from starlette.routing import BaseRoute

from mirror.serve import lists, small
from mirror.serve.history import commits, refs
from mirror.serve.info import info
from mirror.serve.options import ServeOptions
from mirror.serve.raw import raw
from mirror.serve.repos import READ_METHODS, Handler, RepoRoute
from mirror.serve.resolve import resolve
from mirror.serve.shelf import Shelf
from mirror.serve.tree import paths_info, tree
from mirror.serve.viewer import routes as viewer

#: What answers about one repo: methods and handler by action.
REPO_HANDLERS: Final[dict[str, tuple[frozenset[str], Handler]]] = {
    "info": (READ_METHODS, info),
    "tree": (READ_METHODS, tree),
    "paths-info": (frozenset({"POST"}), paths_info),
    "refs": (READ_METHODS, refs),
    "commits": (READ_METHODS, commits),
    "resolve": (READ_METHODS, resolve),
    "raw": (READ_METHODS, raw),
    **small.REPO_HANDLERS,
}


def all_routes(shelf: Shelf, options: ServeOptions) -> list[BaseRoute]:
    """Join the routes of the modules; those about one repo take what is left."""
    return [
        *small.routes(shelf, options),
        *lists.routes(shelf, options),
        *viewer.routes(shelf, options),
        RepoRoute(shelf, options, REPO_HANDLERS),
    ]
