"""The datasets-server: what is in a data set, and its rows, from the mirrored files.

Answers as a virtual host (``datasets-server.hub.lab/rows?…``, which the ``datasets``
library asks) and below ``/datasets-server/``. The shapes are those of the public server.
Questions of the public server that it does not answer are refused with a 501.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType
from mirror.serve.admission import may_see
from mirror.serve.errors import HubError, Miss
from mirror.serve.guard import reader_of
from mirror.serve.options import ServeOptions
from mirror.serve.reply import UNTRUSTED, base_url, json_reply, read_query
from mirror.serve.shelf import Shelf

if TYPE_CHECKING:
    from mirror.serve.viewer.data import DataSet, DataSets

_HOST: Final = b"datasets-server."
_FOLDER: Final = "datasets-server"
#: Requests that read rows at once: they must not take all threads from those for files.
_AT_ONCE: Final = 4
#: What is answered: the names of ``answers.ANSWERS``.
ANSWERED: Final = frozenset(
    {"is-valid", "splits", "info", "size", "parquet", "first-rows", "rows", "search", "filter"}
    | {"statistics", "assets"}
)
_MISSING: Final = "DatasetNotFoundError"
_UNANSWERED: Final = frozenset({"opt-in-out-urls", "croissant"})


def routes(shelf: Shelf, options: ServeOptions) -> list[BaseRoute]:
    """Give the route of the viewer; it must stand before those of the Hub itself."""
    return [ViewerRoute(shelf, options)]


class ViewerRoute(BaseRoute):
    """Takes the viewer's questions, on its virtual host and below its folder."""

    def __init__(self, shelf: Shelf, options: ServeOptions) -> None:
        self.shelf = shelf
        self.options = options
        self._limiter: CapacityLimiter | None = None

    @cached_property
    def data_sets(self) -> DataSets:
        """What is known of data sets; with what reads cards, which a start need not wait for."""
        from mirror.serve.viewer.data import DataSets

        return DataSets(self.shelf)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the names of questions, and nothing else."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return Match.NONE, {}
        parts = scope["path"].lstrip("/").split("/")
        if len(parts) == 2 and parts[0] == _FOLDER:
            parts = parts[1:]
        elif not _is_virtual(scope):
            return Match.NONE, {}
        known = len(parts) == 1 and (parts[0] in ANSWERED or parts[0] in _UNANSWERED)
        return (Match.FULL, {"mirror.question": parts[0]}) if known else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, in a thread: everything here reads files."""
        request = Request(scope, receive)
        if self._limiter is None:
            self._limiter = CapacityLimiter(_AT_ONCE)
        name = scope["mirror.question"]
        if name in _UNANSWERED:
            raise HubError(501, "NotImplemented", f"This mirror does not answer /{name}")
        response = await to_thread.run_sync(self._answer, name, request, limiter=self._limiter)
        await response(scope, receive, send)

    def _answer(self, name: str, request: Request) -> Response:
        from mirror.serve.viewer.answers import ANSWERS
        from mirror.serve.viewer.question import Question, needed

        fields = read_query(request)
        data_set = self._data_set(request, needed(fields, "dataset"))
        base = base_url(request, self.options).replace(f"://{_HOST.decode()}", "://", 1)
        question = Question(
            dataset=data_set.manifest.repo_id,
            fields=fields,
            base=base,
            shelf=self.shelf,
            data_sets=self.data_sets,
            data_set=data_set,
        )
        headers = {"x-revision": data_set.manifest.commit}
        answer = ANSWERS[name](question)
        if isinstance(answer, dict):
            return json_reply(answer, headers)
        return Response(answer.data, 200, {**headers, **UNTRUSTED}, answer.content_type)

    def _data_set(self, request: Request, repo_id: str) -> DataSet:
        """Give the data set that is asked for, if it is here and theirs to read."""
        try:
            key = RepoKey(RepoType.DATASET, repo_id)
        except BadNameError:
            raise HubError(404, _MISSING, "The dataset does not exist: that is no id") from None
        message = f"The dataset does not exist in this mirror (mirror add {key})"
        refusal = HubError(404, _MISSING, message, miss=Miss(key))
        if not self.shelf.has(key):
            raise refusal
        data_set = self.data_sets.get(self.shelf.canonical(key))
        if data_set is None:
            raise refusal
        manifest = data_set.manifest
        if not may_see(reader_of(request.scope), self.shelf, manifest.key):
            raise HubError(404, _MISSING, message)
        return data_set


def _is_virtual(scope: Scope) -> bool:
    return any(name == b"host" and host.startswith(_HOST) for name, host in scope["headers"])
