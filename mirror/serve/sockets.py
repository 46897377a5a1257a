"""Where a server listens. Imports next to nothing: `mirror run` has a command to start."""

from __future__ import annotations

import errno
import ipaddress
import socket
from functools import lru_cache
from typing import Final

from mirror.errors import UsageError

BACKLOG: Final = 1024


def listen(host: str, port: int) -> socket.socket:
    """Give a socket that listens; from now on connections wait until the app is there.

    Args:
        host: a name or address of this machine; ``::`` is every address, IPv4 too.
        port: 0 for any that is free.

    Raises:
        UsageError: the port is taken or not ours to take, or no such address is here.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hints = {
            errno.EADDRINUSE: "another server has it (`ss -ltnp` says which): choose with --port",
            errno.EACCES: "ports below 1024 are for root; or choose another with --port",
            errno.EADDRNOTAVAIL: "this machine does not have that address: choose with --host",
        }
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint=hints.get(error.errno or 0),
        ) from error
    return listener


def is_local(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    return host == "localhost" or is_loopback(host)


def endpoint_of(listener: socket.socket, *, tls: bool = False) -> str:
    """Give what HF_ENDPOINT is set to, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def name_for_others(endpoint: str) -> str:
    """Give an endpoint as other machines write it: "every address" is none to connect to."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        endpoint = endpoint.replace(everywhere, f"//{socket.gethostname()}:")
    return endpoint


@lru_cache(1_024)
def is_loopback(address: str) -> bool:
    """Whether only this machine has an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
