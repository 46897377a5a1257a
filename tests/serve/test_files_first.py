"""Files answered ahead of the routes: the same as by the usual way, and only what may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from mirror.serve.access import ANONYMOUS, Gate, Tokens
from mirror.serve.app import create_app
from mirror.serve.files_first import FilesFirst
from mirror.serve.guard import TokenGuard
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from mirror.store import Observation

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
README = "datasets/klue/klue/resolve/main/README.md"
WEIGHTS = "klue/roberta-small/resolve/main/model.safetensors"


class Usual:
    """The usual way, which counts who takes it."""

    def __init__(self, root: Path) -> None:
        self.app = create_app(root)
        self.taken: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.taken.append(scope["path"])
        await self.app(scope, receive, send)


@contextmanager
def both_ways(root: Path, gate: Gate | None = None) -> Iterator[tuple[str, Usual]]:
    usual = Usual(root)
    app = FilesFirst(usual, usual.app.state.shelf)
    listener = listen("127.0.0.1", 0)
    with ServerThread(TokenGuard(app, gate) if gate else app, listener):
        yield endpoint_of(listener), usual


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"range": "bytes=5-9"}, {"range": "bytes=102400-"}, {"if-none-match": "*"}],
    ids=["whole", "range", "behind", "known"],
)
def test_the_second_answer_is_the_first(
    lab_root: Path, method: str, headers: dict[str, str]
) -> None:
    with both_ways(lab_root) as (endpoint, usual):
        first, second = (
            httpx2.request(method, f"{endpoint}/{WEIGHTS}", headers=headers) for _ in range(2)
        )
    assert 1 == len(usual.taken)
    assert _of(first) == _of(second)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("gpt2/resolve/main/config.json", 307),
        ("klue/roberta-small/resolve/main/no.bin", 404),
        ("klue/roberta-small/resolve/v9/config.json", 404),
        ("klue/roberta-small/resolve/main/..%2fconfig.json", 404),
    ],
)
def test_what_is_no_file_here_takes_the_usual_way(lab_root: Path, path: str, status: int) -> None:
    with both_ways(lab_root) as (endpoint, usual):
        for here in (WEIGHTS, "openai-community/gpt2/resolve/main/config.json"):
            assert 200 == httpx2.get(f"{endpoint}/{here}").status_code
        usual.taken.clear()
        answers = [httpx2.get(f"{endpoint}/{path}").status_code for _ in range(3)]
    assert ([status] * 3, 3) == (answers, len(usual.taken))


def test_an_upload_takes_it_too(lab_root: Path) -> None:
    with both_ways(lab_root) as (endpoint, usual):
        httpx2.get(f"{endpoint}/{WEIGHTS}")
        assert 405 == httpx2.put(f"{endpoint}/{WEIGHTS}", content=b"x").status_code
    assert 2 == len(usual.taken)


def test_a_blob_that_goes_is_noticed_by_head(own_root: Path) -> None:
    with both_ways(own_root) as (endpoint, usual):
        etag = httpx2.head(f"{endpoint}/{WEIGHTS}").headers["etag"].strip('"')
        Mirror(own_root).store.blobs.path(etag).unlink()
        assert 500 == httpx2.head(f"{endpoint}/{WEIGHTS}").status_code
        assert [1] == list(usual.app.state.shelf.damages.values())


def test_terms_that_come_shut_out_who_has_no_token(own_root: Path) -> None:
    """Somebody without a token is answered ahead of the routes too, until the repo has terms."""
    url, gate = f"/{README}", Gate(Tokens(own_root), ANONYMOUS)
    with both_ways(own_root, gate) as (endpoint, usual):
        assert [200, 200] == [httpx2.get(f"{endpoint}{url}").status_code for _ in range(2)]
        assert 1 == len(usual.taken)

        seen = Observation(time="2026-11-24T00:00:00+00:00", gated="auto")
        Mirror(own_root).store.observe(KLUE, seen)

        assert [403, 403] == [httpx2.get(f"{endpoint}{url}").status_code for _ in range(2)]


def test_terms_of_any_commit_shut_them_out(own_root: Path) -> None:
    for path in (own_root / "repos" / KLUE.folder / "commits").glob("*.json"):
        found = json.loads(path.read_text())
        found["upstream"]["gated"] = "auto"
        path.chmod(0o644)
        path.write_text(json.dumps(found))
    with both_ways(own_root, Gate(Tokens(own_root), ANONYMOUS)) as (endpoint, _):
        answers = [httpx2.get(f"{endpoint}/{README}").status_code for _ in range(3)]
    assert [403] * 3 == answers


def test_patterns_of_a_token_hold(own_root: Path) -> None:
    tokens = Tokens(own_root)
    models, all_of_it = tokens.create("a", ["models/*"]), tokens.create("b", gated=["*"])
    with both_ways(own_root, Gate(tokens, None)) as (endpoint, _):
        for secret, status in ((all_of_it, 200), (models, 404), (all_of_it, 200), (models, 404)):
            headers = {"authorization": f"Bearer {secret}"}
            assert status == httpx2.get(f"{endpoint}/{README}", headers=headers).status_code


def _of(answer: httpx2.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, headers, answer.content
