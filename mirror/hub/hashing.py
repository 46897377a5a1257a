r"""Checking that bytes are the file that the tree states, while they come in.

The identity of an LFS file is its sha256; of any other file git's sha1, which covers
``blob <size>\0`` and the content. Blobs are named by sha256, so that is always taken.
"""

from __future__ import annotations

import hashlib

from mirror.errors import WrongBytesError
from mirror.hub.model import FileRequest


class ContentHash:
    """The digests of one file's content, fed in order."""

    def __init__(self, request: FileRequest) -> None:
        self._request = request
        self._sha256 = hashlib.sha256(usedforsecurity=False)
        self._git_sha1 = None
        if request.file.lfs_sha256 is None:
            self._git_sha1 = hashlib.sha1(b"blob %d\0" % request.file.size, usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Add the next bytes; above 2 KiB other threads run meanwhile."""
        self._sha256.update(data)
        if self._git_sha1 is not None:
            self._git_sha1.update(data)

    def verified_sha256(self) -> str:
        """Give the sha256 of the whole content.

        Raises:
            WrongBytesError: the content is not what the tree states.
        """
        sha256 = self._sha256.hexdigest()
        got = sha256 if self._git_sha1 is None else self._git_sha1.hexdigest()
        file = self._request.file
        if got != file.etag:
            raise WrongBytesError(
                f"{file.path!r} of {self._request.key}: upstream sent {file.size} bytes with "
                f"the digest {got}, the tree states {file.etag}"
            )
        return sha256
