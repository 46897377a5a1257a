"""``python -m scripts.benches.plain_app PORT FOLDER``: what one writes first.

Starlette's own FileResponse on uvicorn with its own settings (and no access log, as ours
in the same run), for the files of one folder at the paths of the Hub.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

REPO = "bench/repo"


def make_app(folder: Path) -> Starlette:
    """Serve the files of a folder, with the headers that a client of the Hub needs."""

    async def resolve(request: Request) -> FileResponse:
        path = folder / request.path_params["path"]
        if not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, headers={"X-Repo-Commit": "0" * 40})

    return Starlette(routes=[Route(f"/{REPO}/resolve/main/{{path:path}}", resolve)])


if __name__ == "__main__":
    uvicorn.run(
        make_app(Path(sys.argv[2])),
        port=int(sys.argv[1]),
        access_log=False,
        log_level="warning",
    )
