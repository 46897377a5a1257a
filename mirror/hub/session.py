"""One HTTP session with upstream: GETs, redirects, proxies, and who gets the token.

The token goes to the endpoint's exact origin (scheme, host and port) and nowhere else,
whatever an answer says. Redirects are followed by hand for that reason; from https to
http they are refused. Every failure of the transport leaves here as
:class:`TransportError`, and every request passes the gate of its kind (``limits``).
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Self, TypeGuard
from urllib.request import getproxies, proxy_bypass

import aiohttp
import huggingface_hub
from multidict import CIMultiDict
from yarl import URL

from mirror.errors import (
    BadAnswerError,
    MirrorError,
    RateLimitError,
    SettingsError,
    TransportError,
)
from mirror.hub.answers import absolute, discard, error_of, printable, same_origin, shown
from mirror.hub.counts import RequestCounts
from mirror.hub.limits import Gate
from mirror.hub.retry import Backoff
from mirror.settings import TransferSettings, UpstreamSettings

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: A connection buffers up to twice this: 16 files × 8 connections stay within 64 MiB.
_READ_BUFFER: Final = 262_144
#: Metadata and small files: no answer takes so many read time-outs.
_TOTAL_FACTOR: Final = 10


@dataclass(frozen=True)
class _Proxy:
    """How to reach an origin: directly where ``url`` is ``None``."""

    url: URL | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """For the proxy, beside the request's own: http passes through it as it is."""
    connect_headers: Mapping[str, str] = field(default_factory=dict)
    """For the proxy alone: it makes a tunnel for https."""


@dataclass(frozen=True)
class _Call:
    """What stays the same over the redirects of one GET."""

    gate: Gate
    headers: Mapping[str, str]
    own_headers: Mapping[str, str]
    """With the token: for the endpoint's origin alone."""
    decompress: bool
    timeout: aiohttp.ClientTimeout


class Session:
    """GETs to one endpoint; an async context manager."""

    def __init__(
        self,
        upstream: UpstreamSettings,
        transfer: TransferSettings,
        *,
        token: str | None,
        counts: RequestCounts,
        backoff: Backoff,
    ) -> None:
        self.endpoint = upstream.endpoint
        self.origin = URL(upstream.endpoint).origin()
        self.counts = counts
        self.backoff = backoff
        self.api = Gate("api", counts, max_wait=transfer.max_wait, backoff=backoff)
        self.resolve = Gate("resolve", counts, max_wait=transfer.max_wait, backoff=backoff)
        self._transfer = transfer
        self._token = token
        self._patient = aiohttp.ClientTimeout(
            total=None, sock_connect=transfer.connect_timeout, sock_read=transfer.read_timeout
        )
        self._brief = aiohttp.ClientTimeout(
            total=_TOTAL_FACTOR * transfer.read_timeout,
            sock_connect=transfer.connect_timeout,
            sock_read=transfer.read_timeout,
        )
        self._proxies: dict[URL, _Proxy] = {}
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        transfer = self._transfer
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=transfer.workers * (transfer.connections_per_file + 1), ttl_dns_cache=300
            ),
            timeout=self._patient,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent()},
            read_bufsize=_READ_BUFFER,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @asynccontextmanager
    async def get_json(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET from the API: a 200, its body not read yet, decompressed as it is read."""
        call = self._call(self.api, {}, decompress=True, timeout=self._brief)
        with _transport_errors(url):
            response = await self._follow(url, call)
            async with response:
                if response.status != 200:
                    await discard(response)
                    raise self._refusal(response, url, is_file=False)
                yield response

    @asynccontextmanager
    async def get_file(
        self, url: URL, *, ranges: str | None = None, brief: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET (a range of) a file: a 200 or 206, its body not read yet, never compressed.

        ``brief`` limits the time of the whole answer as well, for small files.
        """
        headers = {"Accept-Encoding": "identity"}
        if ranges is not None:
            headers["Range"] = ranges
        timeout = self._brief if brief else self._patient
        call = self._call(self.resolve, headers, decompress=False, timeout=timeout)
        with _transport_errors(url):
            response = await self._follow(url, call)
            async with response:
                if response.status not in {200, 206}:
                    await discard(response)
                    raise self._refusal(response, response.url, is_file=True)
                yield response

    def _refusal(self, response: aiohttp.ClientResponse, url: URL, *, is_file: bool) -> MirrorError:
        """Turn an answer into our error, without the token should upstream send it back."""
        secret = self._token or "\0"
        headers = CIMultiDict(
            (name, value.replace(secret, "…")) for name, value in response.headers.items()
        )
        return error_of(response.status, headers, url, is_file=is_file)

    def _call(
        self,
        gate: Gate,
        headers: Mapping[str, str],
        *,
        decompress: bool,
        timeout: aiohttp.ClientTimeout,
    ) -> _Call:
        token = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        return _Call(gate, headers, {**headers, **token}, decompress, timeout)

    async def _follow(self, url: URL, call: _Call) -> aiohttp.ClientResponse:
        """Send a GET, and again where a redirect or a 429 says so."""
        target, redirects, waited = url, 0, 0.0
        while True:
            response = await self._send(target, call)
            if response.status == 429:
                waited += call.gate.refused(response.headers)
                self._check_patience(waited, target)
                async with response:
                    await discard(response)
            elif response.status in _REDIRECTS and "Location" in response.headers:
                redirects += 1
                async with response:
                    await discard(response)
                target = self._redirected(response, target, redirects)
            else:
                return response

    async def _send(self, url: URL, call: _Call) -> aiohttp.ClientResponse:
        """Send one GET through the gate; other origins have no gate, and get no token."""
        if self._client is None:
            raise RuntimeError("use this as an async context manager")
        own = same_origin(url, self.origin)
        await call.gate.enter(counted=own)
        if call.gate is self.api:
            self.counts.api += 1
        else:
            self.counts.resolve += 1
        proxy = self._proxy(url)
        answer: Mapping[str, str] | None = None
        try:
            response = await self._client.get(
                url,
                headers={**(call.own_headers if own else call.headers), **proxy.headers},
                allow_redirects=False,
                auto_decompress=call.decompress,
                timeout=call.timeout,
                proxy=proxy.url,
                proxy_headers=proxy.connect_headers,
            )
            answer = response.headers
        finally:
            if own:
                call.gate.leave(answer)
        if response.status < 400:
            call.gate.served()
        elif response.status == 503 and "Retry-After" in response.headers:
            call.gate.refused(response.headers)
        return response

    def _check_patience(self, waited: float, url: URL) -> None:
        if waited > self._transfer.max_wait:
            raise RateLimitError(
                f"upstream answers 429 for {shown(url)} and asks for {waited:.0f} s of waiting; "
                f"transfer.max_wait is {self._transfer.max_wait:.0f} s",
                hint="run the same command later: what is fetched stays fetched",
            )

    @staticmethod
    def _redirected(response: aiohttp.ClientResponse, url: URL, redirects: int) -> URL:
        target = absolute(response.headers["Location"], url)
        if redirects > MAX_REDIRECTS:
            raise BadAnswerError(f"{shown(url)}: more than {MAX_REDIRECTS} redirects")
        if url.scheme == "https" and target.scheme == "http":
            raise BadAnswerError(f"{shown(url)} redirects from https to http, to {shown(target)}")
        return target

    def _proxy(self, url: URL) -> _Proxy:
        origin = url.origin()
        if origin not in self._proxies:
            self._proxies[origin] = find_proxy(origin)
        return self._proxies[origin]


def user_agent() -> str:
    """Say who asks, as the Hub's own client does: program and library versions."""
    try:
        ours = version("hub-mirror")
    except PackageNotFoundError:
        # Run from a folder of sources that was never installed.
        ours = "0"
    return f"hub-mirror/{ours}; hf_hub/{huggingface_hub.__version__}"


def find_proxy(origin: URL) -> _Proxy:
    """Read HTTP_PROXY, HTTPS_PROXY and NO_PROXY for one origin.

    aiohttp's own ``trust_env`` would also send passwords from ~/.netrc, and goes
    through a thread twice for every request.

    Raises:
        SettingsError: the variable names no http proxy.
    """
    text = getproxies().get(origin.scheme)
    if not text or proxy_bypass(f"{origin.host}:{origin.port}"):
        return _Proxy()
    try:
        url = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise SettingsError(
            f"{origin.scheme}_proxy names no proxy of http",
            hint=f"unset {origin.scheme}_proxy, or list {origin.host} in no_proxy",
        )
    if url.user is None:
        return _Proxy(url)
    secret = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    headers = {"Proxy-Authorization": f"Basic {secret}"}
    if origin.scheme == "https":
        return _Proxy(url.with_user(None), connect_headers=headers)
    return _Proxy(url.with_user(None), headers)


@contextmanager
def _transport_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise TransportError(f"no answer in time from {shown(url)}") from error
    except aiohttp.ClientPayloadError as error:
        raise TransportError(f"{shown(url)} ends before its end") from error
    except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
        raise TransportError(f"{shown(url)}: {_what(error)}{_said(error)}") from error


def _what(error: Exception) -> str:
    return "no connection" if _is_no_connection(error) else type(error).__name__


def _is_no_connection(error: Exception) -> TypeGuard[aiohttp.ClientConnectorError]:
    """Whether a host was not found or does not listen; that its certificate is bad is another."""
    return isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, ssl.SSLError)


def _said(error: Exception) -> str:
    """Give what an error says, where it cannot be an address with its signature, or headers."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f": the proxy answers {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return ": what came is not HTTP"
    if _is_no_connection(error):
        number = error.os_error.errno or 0
        reason = (
            os.strerror(number) if number > 0 else str(error.os_error.strerror or error.os_error)
        )
        return f" to {printable(f'{error.host}:{error.port}')}: {printable(reason)}"
    return "" if isinstance(error, aiohttp.InvalidURL) else f": {printable(str(error))}"
