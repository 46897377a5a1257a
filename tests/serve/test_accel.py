"""nginx in front, which sends the bytes: the same answers as the mirror's own."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfFileSystem, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from mirror.serve.access import Tokens, gate_for
from mirror.serve.front import make_front
from mirror.serve.log import open_log
from mirror.serve.options import ServeOptions
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from mirror.store import Observation
from tests.serve import nginx
from tests.serve.conftest import serving

WEIGHTS = "klue/roberta-small/resolve/main/model.safetensors"
CONTENT = bytes(range(256)) * 400
ETAG = hashlib.sha256(CONTENT).hexdigest()
KLUE = RepoKey(RepoType.DATASET, "klue/klue")

needs_nginx = pytest.mark.skipif(nginx.NGINX is None, reason="nginx is not installed")

#: What a request may say of the part that it wants, and the status.
CONDITIONS = [
    ({}, 200),
    ({"range": "bytes=0-0"}, 206),
    ({"range": "bytes=-5"}, 206),
    ({"range": "bytes=102000-"}, 206),
    ({"range": "bytes=102000-999999"}, 206),
    ({"range": "bytes=102400-"}, 416),
    ({"range": "bytes=-0"}, 416),
    ({"range": "bytes=5-2"}, 200),
    ({"range": "bytes=0-1,4-5"}, 200),
    ({"range": "lines=1-2"}, 200),
    ({"if-none-match": f'"{ETAG}"'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": '"other"'}, 200),
    ({"if-none-match": '"other"', "range": "bytes=0-4"}, 206),
    ({"if-range": f'"{ETAG}"', "range": "bytes=0-4"}, 206),
    ({"if-range": '"other"', "range": "bytes=0-4"}, 200),
    ({"if-range": "Tue, 24 Nov 2026 00:00:00 GMT", "range": "bytes=0-4"}, 200),
    ({"if-modified-since": "Tue, 24 Nov 2099 00:00:00 GMT"}, 200),
    ({"if-unmodified-since": "Tue, 24 Nov 1999 00:00:00 GMT"}, 200),
    ({"if-match": f'"{ETAG}"'}, 200),
    ({"accept-encoding": "gzip"}, 200),
]


@dataclass(frozen=True)
class Pair:
    """A mirror, and an nginx before it."""

    own: str
    front: str
    log: io.StringIO

    def answers(self) -> list[dict[str, Any]]:
        """Give the lines of the access log."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@contextmanager
def pair(root: Path, folder: Path, *, required: bool = False) -> Iterator[Pair]:
    log, port, listener = io.StringIO(), nginx.free_port(), listen("127.0.0.1", 0)
    gate = gate_for(root, local=True, required=required)
    front = make_front(root, ServeOptions(accel="/.blobs"), gate, open_log(log))
    own = endpoint_of(listener)
    server = nginx.documented(port, own, root, accel=True)
    with ServerThread(front.app, listener), nginx.running(folder, port, server):
        yield Pair(own, f"http://127.0.0.1:{port}", log)


@pytest.fixture(scope="module")
def lab(lab_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(lab_root, tmp_path_factory.mktemp("nginx")) as found:
        yield found


@needs_nginx
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "status"), CONDITIONS)
def test_every_answer_is_that_of_the_mirror(
    lab: Pair, method: str, headers: dict[str, str], status: int
) -> None:
    expected, got = (
        httpx2.request(method, f"{endpoint}/{WEIGHTS}", headers=headers)
        for endpoint in (lab.own, lab.front)
    )
    assert status == expected.status_code
    assert _of(expected) == _of(got)


@needs_nginx
@pytest.mark.parametrize(
    "path",
    [
        "datasets/acme/names/resolve/main/sub/a%20b+c%2520&d.txt",
        "datasets/acme/names/resolve/main/empty.bin",
        "klue/roberta-small/resolve/main/config.json",
        "klue/roberta-small/resolve/main/no.bin",
        "gpt2/resolve/main/config.json",
        "api/models/klue/roberta-small",
        "healthz",
    ],
)
def test_and_of_every_other_address(lab: Pair, path: str) -> None:
    expected, got = (httpx2.get(f"{endpoint}/{path}") for endpoint in (lab.own, lab.front))
    assert _of(expected) == _of(got)


@needs_nginx
def test_nginx_sends_the_bytes_and_the_log_says_so(lab_root: Path, tmp_path: Path) -> None:
    with pair(lab_root, tmp_path) as lab:
        for headers in ({}, {"range": "bytes=1-2"}, {"range": "bytes=0-1,4-5"}):
            httpx2.get(f"{lab.front}/{WEIGHTS}", headers=headers)
        httpx2.head(f"{lab.front}/{WEIGHTS}")
        httpx2.get(f"{lab.own}/{WEIGHTS}")
    # The server has ended: a client may have its answer before the line is written.
    found = [(line["bytes"], line.get("sent_by")) for line in lab.answers()]
    odd = whole = (len(CONTENT), None)
    assert [(0, "nginx"), (0, "nginx"), odd, (0, None), whole] == found


@needs_nginx
def test_the_real_client_downloads(lab: Pair, tmp_path: Path) -> None:
    where = {"endpoint": lab.front, "cache_dir": tmp_path}
    assert (
        CONTENT
        == Path(hf_hub_download("klue/roberta-small", "model.safetensors", **where)).read_bytes()
    )
    folder = Path(snapshot_download("acme/names", repo_type="dataset", **where))
    assert "7\n" == (folder / "많은 파일" / "07.txt").read_text()
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("klue/roberta-small", "no.bin", **where)
    files = HfFileSystem(endpoint=lab.front, skip_instance_cache=True)
    with files.open("klue/roberta-small/model.safetensors", "rb") as stream:
        stream.seek(300)
        assert CONTENT[300:310] == stream.read(10)


@needs_nginx
def test_blobs_have_no_address_of_their_own(lab: Pair) -> None:
    for path in (f".blobs/{ETAG[:2]}/{ETAG}", f"x/../.blobs/{ETAG[:2]}/{ETAG}"):
        assert 404 == httpx2.get(f"{lab.front}/{path}").status_code
    forged = {"x-accel-redirect": f"/.blobs/{ETAG[:2]}/{ETAG}", "x-accel-prefix": "/elsewhere"}
    answer = httpx2.get(f"{lab.front}/{WEIGHTS}", headers=forged)
    assert (200, CONTENT) == (answer.status_code, answer.content)


@needs_nginx
def test_who_may_read_is_decided_here(own_root: Path, tmp_path: Path) -> None:
    seen = Observation(time="2026-11-24T00:00:00+00:00", gated="auto")
    Mirror(own_root).store.observe(KLUE, seen)
    with pair(own_root, tmp_path, required=True) as lab:
        assert 401 == httpx2.get(f"{lab.front}/{WEIGHTS}").status_code
        secret = Tokens(own_root).create("class")
        where = {"endpoint": lab.front, "cache_dir": tmp_path, "token": secret}
        hf_hub_download("klue/roberta-small", "model.safetensors", **where)
        with pytest.raises(GatedRepoError):
            hf_hub_download("klue/klue", "README.md", repo_type="dataset", **where)


@needs_nginx
def test_a_damaged_file_is_our_500(own_root: Path, tmp_path: Path) -> None:
    Mirror(own_root).store.blobs.path(ETAG).unlink()
    with pair(own_root, tmp_path) as lab:
        answer = httpx2.get(f"{lab.front}/{WEIGHTS}")
    assert 500 == answer.status_code
    assert "mirror verify --repair" in answer.headers["x-error-message"]


@pytest.mark.parametrize(
    ("headers", "bytes_of_ours"),
    [({}, len(CONTENT)), ({"x-accel-prefix": "/x"}, len(CONTENT)), ({"x-accel-prefix": "/.b"}, 0)],
    ids=["nobody", "another", "nginx"],
)
def test_only_who_can_send_it_is_told_to(
    lab_root: Path, headers: dict[str, str], bytes_of_ours: int
) -> None:
    with serving(lab_root, ServeOptions(accel="/.b")) as endpoint:
        answer = httpx2.get(f"{endpoint}/{WEIGHTS}", headers=headers)
    assert bytes_of_ours == len(answer.content)
    expected = None if bytes_of_ours else f"/.b/{ETAG[:2]}/{ETAG}"
    assert expected == answer.headers.get("x-accel-redirect")


def test_without_the_option_nobody_is(served: str) -> None:
    answer = httpx2.get(f"{served}/{WEIGHTS}", headers={"x-accel-prefix": "/.blobs"})
    assert (CONTENT, False) == (answer.content, "x-accel-redirect" in answer.headers)


@needs_nginx
def test_the_plain_proxy_of_the_page_passes_bytes_on(
    lab_root: Path, served: str, tmp_path: Path
) -> None:
    port = nginx.free_port()
    with nginx.running(tmp_path, port, nginx.documented(port, served, lab_root, accel=False)):
        for path in (WEIGHTS, "datasets/sample-lab/korean-qa/resolve/refs%2Fconvert%2Fparquet/x"):
            expected, got = (
                httpx2.get(f"{endpoint}/{path}")
                for endpoint in (served, f"http://127.0.0.1:{port}")
            )
            assert _of(expected) == _of(got)


def _of(answer: httpx2.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Give all that clients read; each header once, as it came."""
    ignored = {b"date", b"server", b"connection"}
    if answer.status_code == 206:  # old versions of nginx leave it out; the status says as much
        ignored.add(b"accept-ranges")
    lines = [(name.lower(), value) for name, value in answer.headers.raw]
    lines = sorted(line for line in lines if line[0] not in ignored)
    return answer.status_code, lines, answer.content
