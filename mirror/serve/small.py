"""The small answers: who am I, am I let in, how is the server."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from mirror.serve.access import ANONYMOUS, EVERYTHING
from mirror.serve.errors import HubError
from mirror.serve.guard import reader_of
from mirror.serve.log import METRICS, Metrics
from mirror.serve.options import ServeOptions
from mirror.serve.rawpath import RepoPath
from mirror.serve.reply import base_url, json_reply
from mirror.serve.repos import READ_METHODS, Handler
from mirror.serve.shelf import Shelf

_WELCOME: Final = """\
A mirror of the Hugging Face Hub, for reading, for programs. On your machine:

  export HF_ENDPOINT={base}

What is here, by their downloads:

  {base}/api/models?sort=downloads
  {base}/api/datasets?sort=downloads
"""


def routes(shelf: Shelf, options: ServeOptions) -> list[BaseRoute]:
    """Give the routes that are about no repo."""

    async def healthz(_request: Request) -> Response:
        """Ready once it answers; 503 where the mirror's folder has gone away."""
        there = shelf.store.layout.format.is_file()
        body: dict[str, object] = {"status": "ok" if there else "the mirror folder is gone"}
        reply = json_reply(body, {"cache-control": "no-store"})
        reply.status_code = 200 if there else 503
        return reply

    async def welcome(request: Request) -> Response:
        """Tell a person with a browser what this is."""
        return PlainTextResponse(_WELCOME.format(base=base_url(request, options)))

    return [
        Route("/", welcome),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
        Route("/api/whoami-v2", whoami),
        Route("/api/agent-harnesses", harnesses),
    ]


async def whoami(request: Request) -> Response:
    """Say whose token it is; a client without one expects 401."""
    reader = reader_of(request.scope)
    if reader is EVERYTHING or reader is ANONYMOUS:
        raise HubError(401, None, "Invalid username or password.")
    return json_reply(
        {
            "type": "user",
            "id": reader.name,
            "name": reader.name,
            "fullname": reader.name,
            "isPro": False,
            "orgs": [],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": reader.name, "role": "read"},
            },
        },
        {"cache-control": "no-store"},
    )


async def harnesses(_request: Request) -> Response:
    """Name no program that a client should look out for."""
    return json_reply({"standardEnvVars": [], "harnesses": {}})


async def metrics(request: Request) -> Response:
    """Give the numbers since the start, for Prometheus."""
    numbers: Metrics | None = request.scope.get(METRICS)
    text = numbers.text().decode() if numbers else ""
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def auth_check(
    _request: Request, _place: RepoPath, _shelf: Shelf, _options: ServeOptions
) -> Response:
    """Whoever comes as far as this may read the repo."""
    return json_reply({"status": "ok"})


async def no_xet(
    _request: Request, _place: RepoPath, _shelf: Shelf, _options: ServeOptions
) -> Response:
    """Say that files come by HTTP alone."""
    raise HubError(404, None, "This mirror sends files by HTTP only: set HF_HUB_DISABLE_XET=1")


#: Answers about one repo, for its route.
REPO_HANDLERS: Final[dict[str, tuple[frozenset[str], Handler]]] = {
    "auth-check": (READ_METHODS, auth_check),
    "xet-read-token": (READ_METHODS, no_xet),
}
