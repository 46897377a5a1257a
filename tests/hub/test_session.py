"""Who is asked, by which way, and who gets the token."""

from __future__ import annotations

from pathlib import Path

import pytest
from multidict import CIMultiDict
from yarl import URL

from mirror.errors import BadAnswerError, FileGoneError, SettingsError, TransportError
from mirror.hub import Upstream
from mirror.hub.session import MAX_REDIRECTS, Session, find_proxy
from tests.fakehub import FakeHub, Reset, Status
from tests.hub.making import KEY, ask, fetch, left, noise, request_for
from tests.hub.raw import Asked, Raw, answer, part, serving

TOKEN = "hf_secret"
CONTENT = noise(5000)


async def good(asked: Asked, writer: object) -> bytes:
    return part(CONTENT, asked)


def redirecting_to(target: str) -> object:
    async def script(asked: Asked, writer: object) -> bytes:
        return answer(b"moved", "302 Found", location=target)

    return script


def tokens(server: Raw) -> list[str | None]:
    return [asked.headers.get("authorization") for asked in server.asked]


def test_the_token_goes_to_the_endpoint(hub: FakeHub, tmp_path: Path) -> None:
    repo = hub.add_repo("model", "acme/tiny", {"a.txt": CONTENT}, private=True)
    hub.add_token(TOKEN)
    info, _ = ask(hub.endpoint, lambda up: up.repo_info(KEY), token=TOKEN)
    assert info.commit == repo.sha
    assert [asked.token for asked in hub.asked()] == [TOKEN]


def test_the_token_stays_with_us_on_a_redirect_to_another_origin(tmp_path: Path) -> None:
    """Another port of the same host is another origin already."""
    with serving(good) as other, serving(redirecting_to(f"{other.endpoint}/x?sig=a%2Fb")) as hub:
        fetch(hub.endpoint, request_for(CONTENT), tmp_path, token=TOKEN)
        assert tokens(hub) == [f"Bearer {TOKEN}"]
        assert tokens(other) == [None]
        assert other.asked[0].target == "/x?sig=a%2Fb"
        assert other.asked[0].headers["accept-encoding"] == "identity"


def test_the_token_stays_with_us_with_the_api_too() -> None:
    async def info(asked: Asked, writer: object) -> bytes:
        return answer(b'{"id": "acme/tiny", "sha": "%s"}' % (b"a" * 40))

    with serving(info) as other, serving(redirecting_to(f"{other.endpoint}/api/x")) as hub:
        ask(hub.endpoint, lambda up: up.repo_info(KEY), token=TOKEN)
        assert tokens(other) == [None]


def test_a_redirect_within_the_endpoint_keeps_the_token(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        if asked.target.startswith("/moved"):
            return part(CONTENT, asked)
        return answer(
            b"", "307 Temporary Redirect", location="/moved/한글".encode().decode("latin-1")
        )

    with serving(script) as hub:
        fetch(hub.endpoint, request_for(CONTENT), tmp_path, token=TOKEN)
        assert tokens(hub) == [f"Bearer {TOKEN}"] * 2
        assert hub.connections == 1


@pytest.mark.parametrize(
    "target",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1:1/x",
        "http://127.0.0.1:99999/",
    ],
)
def test_a_redirect_to_nonsense_is_refused(tmp_path: Path, target: str) -> None:
    with serving(redirecting_to(target)) as hub, pytest.raises(BadAnswerError, match="no URL"):
        fetch(hub.endpoint, request_for(CONTENT), tmp_path)
    assert left(tmp_path) == []


def test_a_redirect_from_https_to_http_is_refused() -> None:
    class Answer:
        headers = CIMultiDict({"Location": "http://hub.example/x"})

    with pytest.raises(BadAnswerError, match="from https to http"):
        Session._redirected(Answer(), URL("https://hub.example/x"), 1)  # type: ignore[arg-type]


def test_redirects_without_end_are_refused(tmp_path: Path) -> None:
    with (
        serving(redirecting_to("/again")) as hub,
        pytest.raises(BadAnswerError, match="more than 5 redirects"),
    ):
        fetch(hub.endpoint, request_for(CONTENT), tmp_path)
    assert len(hub.asked) == MAX_REDIRECTS + 1


def test_connections_are_used_again(tmp_path: Path) -> None:
    """After an error too: its body is read to the end."""

    async def script(asked: Asked, writer: object) -> bytes:
        status = "404 Not Found" if "missing" in asked.target else "200 OK"
        return answer(CONTENT, status)

    async def many(up: Upstream) -> None:
        for number in range(9):
            await up.fetch(request_for(CONTENT, f"{number}.bin"), tmp_path)
            with pytest.raises(FileGoneError):
                await up.fetch(request_for(CONTENT, "missing"), tmp_path)

    with serving(script) as server:
        ask(server.endpoint, many)
        assert len(server.asked) == 18
        assert server.connections == 1


def test_cookies_are_not_kept(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        return answer(CONTENT, set_cookie="session=1; Path=/")

    async def twice(up: Upstream) -> None:
        for path in ("a", "b"):
            await up.fetch(request_for(CONTENT, path), tmp_path)

    with serving(script) as server:
        ask(server.endpoint, twice)
        assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


@pytest.mark.parametrize(
    ("kind", "times"), [(Status(500), 2), (Status(502), 1), (Status(503), 2), (Reset(None), 2)]
)
def test_a_failure_of_the_transport_is_tried_again(
    hub: FakeHub, kind: Status | Reset, times: int
) -> None:
    repo = hub.add_repo("model", "acme/tiny", {"a.txt": CONTENT})
    hub.fault("info", kind=kind, times=times)
    info, there = ask(hub.endpoint, lambda up: up.repo_info(KEY))
    assert info.commit == repo.sha
    # aiohttp sends a GET once more by itself where a kept-alive connection was reset.
    assert there.counts.retries >= times - 1


def test_after_the_last_try_the_failure_is_told(hub: FakeHub) -> None:
    hub.fault("info", kind=Status(500), times=None)
    with pytest.raises(TransportError, match="500 for http://127"):
        ask(hub.endpoint, lambda up: up.repo_info(KEY), retries=3)
    assert hub.counts["info"] == 4


def test_nobody_at_home_is_a_failure_of_the_transport(hub: FakeHub) -> None:
    hub.down()
    place = hub.endpoint.removeprefix("http://")
    with pytest.raises(TransportError, match=f": no connection to {place}: Connection refused"):
        ask(hub.endpoint, lambda up: up.repo_info(KEY))


def test_what_is_not_http_is_a_failure_of_the_transport() -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        return b"SSH-2.0-OpenSSH_9.2\r\n\r\n"

    with serving(script) as server, pytest.raises(TransportError):
        ask(server.endpoint, lambda up: up.repo_info(KEY))


def test_an_answer_that_does_not_come_is_given_up() -> None:
    async def script(asked: Asked, writer: object) -> None:
        return None

    with serving(script) as server, pytest.raises(TransportError, match="no answer in time"):
        ask(server.endpoint, lambda up: up.repo_info(KEY), retries=0, read_timeout=0.1)


def test_an_answer_that_comes_in_drops_is_given_up() -> None:
    """One byte before every time-out must not hold us for ever."""
    import asyncio

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(content_length="100000"))
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    with serving(script) as server, pytest.raises(TransportError):
        ask(server.endpoint, lambda up: up.repo_info(KEY), retries=0, read_timeout=0.05)


# --- proxies ------------------------------------------------------------------------------


@pytest.fixture
def proxy_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_proxy_is_used_and_gets_its_password(
    proxy_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(good) as proxy:
        address = proxy.endpoint.replace("http://", "http://me:p%40ss@")
        proxy_environment.setenv("http_proxy", address)
        fetch("http://hub.invalid", request_for(CONTENT), tmp_path)
        assert proxy.asked[0].target.startswith("http://hub.invalid/acme/tiny/resolve/")
        assert proxy.asked[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
        assert proxy.asked[0].headers["host"] == "hub.invalid"


def test_no_proxy_is_heeded(proxy_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    proxy_environment.setenv("http_proxy", "http://127.0.0.1:9")
    proxy_environment.setenv("no_proxy", "127.0.0.1")
    with serving(good) as hub:
        fetch(hub.endpoint, request_for(CONTENT), tmp_path)
        assert len(hub.asked) == 1


def test_a_tunnel_for_https_gets_the_password_and_the_hub_does_not(
    proxy_environment: pytest.MonkeyPatch,
) -> None:
    proxy_environment.setenv("https_proxy", "me:pw@proxy.example:3128")
    proxy = find_proxy(URL("https://hub.example"))
    assert str(proxy.url) == "http://proxy.example:3128"
    assert proxy.headers == {}
    assert list(proxy.connect_headers) == ["Proxy-Authorization"]


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "http://", "http://[", "ftp://x"])
def test_a_proxy_that_we_cannot_use_is_told(
    proxy_environment: pytest.MonkeyPatch, value: str
) -> None:
    proxy_environment.setenv("https_proxy", value)
    with pytest.raises(SettingsError, match="https_proxy"):
        find_proxy(URL("https://hub.example"))


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "a..b", ".", ":secret@127.0.0.1", "xn--"])
def test_a_redirect_to_a_host_that_cannot_be_is_refused(host: str, tmp_path: Path) -> None:
    """And the message does not keep what may be a signature."""
    target = f"http://{host}/x?X-Amz-Signature=secret"
    with serving(redirecting_to(target)) as hub, pytest.raises(BadAnswerError) as caught:
        fetch(hub.endpoint, request_for(CONTENT), tmp_path)
    assert "Signature" not in str(caught.value)


@pytest.mark.parametrize("head", ["HTTP/1.1 \x1b[31m 200", "HTTP/1.1 200 OK\r\ncontent-length: x"])
def test_what_is_no_http_is_named_without_the_signed_address(head: str, tmp_path: Path) -> None:
    async def broken(asked: Asked, writer: object) -> bytes:
        return f"{head}\r\nx-sent: secret\r\n\r\n".encode()

    with serving(broken) as other:
        target = f"{other.endpoint}/x?X-Amz-Signature=secret"
        with serving(redirecting_to(target)) as hub, pytest.raises(TransportError) as caught:
            fetch(hub.endpoint, request_for(CONTENT), tmp_path, retries=0)
    assert "not HTTP" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
