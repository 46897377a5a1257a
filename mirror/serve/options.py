"""What an endpoint is started with. A plain value: nothing is read from anywhere here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, in bytes. What a connection may is in ``connection``."""

    target: int = 8 << 10
    """Path and query together; the longest file path in a mirror has 2 KiB, quoted 6 KiB."""
    headers: int = 32 << 10
    """All headers of a request together."""
    body: int = 4 << 20
    """Of a POST: paths-info of 100,000 paths."""
    manifest_files: int = 100_000
    """Files of all manifests that are kept in memory, together: about 1 KB each."""


@dataclass(frozen=True)
class ServeOptions:
    """How to answer."""

    public_url: str | None = None
    """What clients call us, where a proxy hides it (``https://hub.lab``); no trailing slash.

    ``None``: the scheme and the Host header of each request.
    """
    accel: str | None = None
    """The path of a location of nginx that is the folder ``blobs``; no slash at its end."""
    strict: bool = False
    """Whether what was asked for and is not mirrored is remembered (``Shelf.misses``)."""
    limits: Limits = Limits()
