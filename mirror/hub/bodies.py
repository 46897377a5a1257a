"""Checking that an answer's headers promise the bytes that were asked for.

An answer that says beforehand that it will not do is refused before a byte of it is
written. What the bytes are is checked by their digest alone: an ETag may come from a
content delivery network, and then it says nothing about the tree.
"""

from __future__ import annotations

import re
from typing import Final

import aiohttp
from yarl import URL

from mirror.errors import BadAnswerError
from mirror.hub.answers import printable, shown

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


def check_whole(response: aiohttp.ClientResponse, size: int) -> None:
    """Refuse an answer that cannot be a whole file of ``size``."""
    _check_encoding(response)
    if response.status != 200:
        raise BadAnswerError(f"{shown(response.url)} answers {response.status} to a plain GET")
    length = response.content_length
    if length is not None and length != size:
        raise wrong_size(response.url, str(length), size)


def check_range(response: aiohttp.ClientResponse, start: int, end: int, size: int) -> int:
    """Refuse an answer that is not the range ``start…end``; give where it really ends.

    A server may send less than was asked for (RFC 9110), but it must begin there.
    """
    _check_encoding(response)
    said = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(said)
    if match is None:
        raise BadAnswerError(
            f"{shown(response.url)} answers 206 with Content-Range {printable(said)!r}"
        )
    first, stop = int(match[1]), int(match[2]) + 1
    if first != start or not start < stop <= end or match[3] not in {"*", str(size)}:
        raise BadAnswerError(
            f"{shown(response.url)} answers with {printable(said)!r}, "
            f"bytes {start}-{end - 1}/{size} were asked for"
        )
    if response.content_length not in {None, stop - start}:
        raise wrong_size(response.url, str(response.content_length), stop - start)
    return stop


def wrong_size(url: URL, sent: str, wanted: int) -> BadAnswerError:
    """Say that the number of bytes is not what was to come."""
    return BadAnswerError(f"{shown(url)} has {sent} bytes, and {wanted} were to come")


def _check_encoding(response: aiohttp.ClientResponse) -> None:
    """Refuse compressed bytes: their length and ranges would mean something else."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise BadAnswerError(
            f"{shown(response.url)} answers with Content-Encoding {printable(encoding)!r}"
        )
