"""The small answers, and limits for what one client may take."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from mirror.serve.access import gate_for
from mirror.serve.connection import Limits
from mirror.serve.front import make_front
from mirror.serve.options import ServeOptions
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen

KLUE = "datasets/klue/klue"


@contextmanager
def fronted(root: Path, limits: Limits | None = None) -> Iterator[str]:
    """Serve a mirror with everything that stands before it."""
    listener = listen("127.0.0.1", 0)
    front = make_front(root, ServeOptions(), gate_for(root, local=True, required=False))
    with ServerThread(front.app, listener, limits):
        yield endpoint_of(listener)


@pytest.fixture(scope="module")
def endpoint(lab_root: Path) -> Iterator[str]:
    with fronted(lab_root) as found:
        yield found


def metrics(endpoint: str, *expected: str) -> str:
    """Give the numbers once these lines are among them: an answer is counted when it is sent."""
    for _ in range(100):
        text = httpx2.get(f"{endpoint}/metrics").text
        if all(line in text for line in expected):
            return text
        time.sleep(0.05)
    raise AssertionError(text)


class TestAnswers:
    def test_whoami_without_a_token_of_ours(self, endpoint: str) -> None:
        with pytest.raises(HfHubHTTPError, match="Invalid"):
            HfApi(endpoint=endpoint, token="hf_of_the_real_hub").whoami()

    def test_auth_check(self, endpoint: str) -> None:
        api = HfApi(endpoint=endpoint)
        api.auth_check("klue/klue", repo_type="dataset")
        api.auth_check("gpt2")
        with pytest.raises(RepositoryNotFoundError):
            api.auth_check("lab/nowhere")

    def test_agent_harnesses(self, endpoint: str) -> None:
        found = httpx2.get(f"{endpoint}/api/agent-harnesses").json()
        assert {"standardEnvVars": [], "harnesses": {}} == found

    def test_no_xet(self, endpoint: str) -> None:
        answer = httpx2.get(f"{endpoint}/api/{KLUE}/xet-read-token/main")
        assert 404 == answer.status_code
        assert "x-error-code" not in answer.headers
        assert not any(name.startswith("x-xet") for name in answer.headers)

    def test_a_person_with_a_browser_is_told_what_this_is(self, endpoint: str) -> None:
        answer = httpx2.get(f"{endpoint}/")
        assert 200 == answer.status_code
        assert f"export HF_ENDPOINT={endpoint}\n" in answer.text
        addresses = [line.strip() for line in answer.text.splitlines() if "/api/" in line]
        assert [200, 200] == [httpx2.get(address).status_code for address in addresses]

    def test_an_upload_is_told_that_this_is_for_reading(self, endpoint: str) -> None:
        api = HfApi(endpoint=endpoint, token="hf_of_the_real_hub")
        with pytest.raises(HfHubHTTPError, match="for reading"):
            api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="gpt2")
        with pytest.raises(HfHubHTTPError, match="for reading"):
            api.create_repo("lab/new")
        assert 405 == httpx2.post(f"{endpoint}/api/models", json={}).status_code

    def test_what_a_mirror_does_not_answer_says_so(self, endpoint: str) -> None:
        with pytest.raises(HfHubHTTPError, match="does not answer /api/collections"):
            list(HfApi(endpoint=endpoint).list_collections(limit=1))
        answer = httpx2.get(f"{endpoint}/api/%ED%95%9C%0D%0Ax")
        assert 404 == answer.status_code
        assert "does not answer" in answer.headers["x-error-message"]

    def test_health(self, own_root: Path) -> None:
        with fronted(own_root) as endpoint:
            assert 200 == httpx2.get(f"{endpoint}/healthz").status_code
            (own_root / "format").rename(own_root / "away")
            assert 503 == httpx2.get(f"{endpoint}/healthz").status_code

    def test_metrics_count_what_was_answered(self, lab_root: Path) -> None:
        with fronted(lab_root) as endpoint:
            size = len(httpx2.get(f"{endpoint}/{KLUE}/resolve/main/README.md").content)
            httpx2.get(f"{endpoint}/{KLUE}/resolve/main/nowhere")
            httpx2.request("BREW", f"{endpoint}/api/models/lab/nowhere")
            text = metrics(
                endpoint,
                'mirror_requests_total{method="GET",route="file",status="200"} 1.0',
                'mirror_requests_total{method="GET",route="file",status="404"} 1.0',
            )

        assert "BREW" not in text
        sent = next(
            x for x in text.splitlines() if x.startswith('mirror_sent_bytes_total{route="f')
        )
        assert size <= float(sent.split()[-1]) <= size + 500

    def test_a_label_for_each_path_would_never_end(self, lab_root: Path) -> None:
        with fronted(lab_root) as endpoint:
            for number in range(50):
                httpx2.get(f"{endpoint}/no/{number}")
            line = 'mirror_requests_total{method="GET",route="other",status="404"} 50.0'
            text = metrics(endpoint, line)
        assert text.count("mirror_requests_total{") <= 2  # and perhaps that of the numbers


def speak(endpoint: str, data: bytes, pause: float = 0) -> bytes:
    """Send bytes as they are, and give all that comes until the server closes."""
    host, port = endpoint.removeprefix("http://").split(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(data)
            time.sleep(pause)
            while part := connection.recv(65536):
                said += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return said


@pytest.fixture(scope="module")
def strict(lab_root: Path) -> Iterator[str]:
    """An endpoint with little patience."""
    limits = Limits(head_bytes=4000, body_bytes=2000, request_seconds=0.5, stall_seconds=0.5)
    with fronted(lab_root, limits) as endpoint:
        yield endpoint


class TestLimits:
    @pytest.fixture(autouse=True)
    def goes_on(self, strict: str) -> Iterator[None]:
        """Whatever one client does, the next is answered."""
        yield
        assert 200 == httpx2.get(f"{strict}/healthz").status_code

    @pytest.mark.parametrize("size", [3_000, 20_000, 2_000_000])
    def test_a_huge_head(self, strict: str, size: int) -> None:
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"x" * size
        status = b"200" if size < 4000 else b"431"
        answer = speak(strict, head + b"\r\n\r\n")
        assert status == answer.split(b" ", 2)[1] if answer else size > 65536

    def test_a_head_that_never_ends(self, strict: str) -> None:
        answer = speak(strict, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000)
        assert answer.startswith(b"HTTP/1.1 431 ")

    @pytest.mark.parametrize("data", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n"])
    def test_a_client_that_says_no_more(self, strict: str, data: bytes) -> None:
        assert speak(strict, data).startswith(b"HTTP/1.1 408 ")

    def test_a_body_that_does_not_come(self, strict: str) -> None:
        head = f"POST /api/{KLUE}/paths-info/main HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        assert speak(strict, head.encode()).split(b" ")[1] in {b"408", b"404"}

    def test_a_huge_body(self, strict: str) -> None:
        head = f"POST /api/{KLUE}/paths-info/main HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999"
        answer = speak(strict, head.encode() + b"\r\n\r\n" + b"x" * 200_000)
        assert not answer.startswith(b"HTTP/1.1 200 ")

    def test_a_form_that_breaks_off_is_no_fault(
        self, strict: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        target = f"POST /api/{KLUE}/paths-info/main HTTP/1.1\r\nHost: x\r\n"
        head = f"{target}Content-Length: 1500\r\n\r\n".encode()
        host, port = strict.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(head + b"paths=x")
        metrics(strict, 'status="400"')
        assert not [record for record in caplog.records if record.exc_info]

    def test_a_long_form_is_told_how_long_one_may_be(self, endpoint: str) -> None:
        form = {"paths": ["x" * 100] * 45_000}
        answer = httpx2.post(f"{endpoint}/api/{KLUE}/paths-info/main", data=form)
        assert 413 == answer.status_code
        assert "A form has at most" in answer.headers["x-error-message"]

    @pytest.mark.parametrize(
        "data",
        [
            b"\x00\x01\x02\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ],
    )
    def test_what_is_no_http(self, strict: str, data: bytes) -> None:
        answer = speak(strict, data)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
        assert b"Traceback" not in answer

    @pytest.mark.parametrize(
        "more",
        [
            "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x",
            "Connection: Upgrade, close\r\nUpgrade: h2c",
            "Connection: close\r\nExpect: 100-continue",
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0",
        ],
    )
    def test_offers_that_are_not_taken(self, strict: str, more: str) -> None:
        answer = speak(strict, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n".encode())
        assert b'{"status":"ok"}' in answer

    def test_two_requests_on_one_connection(self, strict: str) -> None:
        one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert 2 == speak(strict, one + last).count(b"HTTP/1.1 200 ")

    def test_a_second_request_that_does_not_come_whole(self, strict: str) -> None:
        host, port = strict.removeprefix("http://").split(":")
        one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(one)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            connection.sendall(one[:20])
            assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")

    def test_a_client_that_takes_nothing(self, strict: str) -> None:
        """Its connection is cut, and what was kept for it is free again."""
        host, port = strict.removeprefix("http://").split(":")
        path = "/klue/roberta-small/resolve/main/model.safetensors"
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(request * 300)
            time.sleep(1.5)
            taken = 0
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(1 << 20):
                    taken += len(part)
        assert taken < 300 * 102_400
        metrics(strict, "mirror_active 1.0")
