"""Open what somebody has brought: find volumes, and check that each is what it states.

Nothing of a stick is trusted. Only plain files and folders are looked at, nothing through a
link, nothing larger than its kind may be; every file of the listing must be there with its
size, and nothing else. The content of the payload is not read here.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mirror.bundle import form
from mirror.bundle.head import Head, decode_head
from mirror.bundle.listing import decode_listing
from mirror.bundle.signing import BUNDLE, Signer, check_signature
from mirror.errors import (
    ChangedBytesError,
    DamagedBundleError,
    ExtraFilesError,
    IncompleteVolumeError,
    NotFoundError,
    UnsafeBundleError,
)

#: What operating systems leave on a stick by themselves. Never read; named to the person.
_OF_THE_SYSTEM: Final = re.compile(
    r"\._.*|\.DS_Store|\.Trash.*|\.fseventsd|\.Spotlight-V100|\.TemporaryItems|lost\+found"
    r"|System Volume Information|\$RECYCLE\.BIN|desktop\.ini|Thumbs\.db"
)
_DEEPEST: Final = 4


@dataclass(frozen=True)
class OpenVolume:
    """A volume whose frame is whole and whose files have the right names and sizes."""

    folder: Path
    number: int
    """Counted from 1, as in the head."""
    head: Head
    head_bytes: bytes
    listing_bytes: bytes
    signature_bytes: bytes | None
    """None where it is not signed."""
    signer: Signer
    ignored: tuple[str, ...]
    """What the operating system left on it."""

    @property
    def frame(self) -> dict[str, bytes]:
        """What proves the signature: head, listing, and the signature if there is one."""
        frame = {form.HEAD: self.head_bytes, form.LISTING: self.listing_bytes}
        if self.signature_bytes is not None:
            frame[form.SIGNATURE] = self.signature_bytes
        return frame


def find_volumes(paths: Iterable[Path]) -> list[Path]:
    """Find the folders of volumes: each path is one, or holds some.

    Raises:
        NotFoundError: a path has no bundle in it.
        IncompleteVolumeError: a bundle that was not finished, or a folder that cannot be read.
        UnsafeBundleError: a volume in it is a link.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise NotFoundError(f"{path} is not a folder", hint="name the folder of a bundle")
        volumes = [path] if _is_volume(path) else _volumes_in(path)
        if (path / form.UNFINISHED).exists():
            raise IncompleteVolumeError(
                f"{path} was not finished by the export",
                hint="run the same mirror export again where it was made; it goes on",
            )
        if not volumes:
            raise NotFoundError(
                f"there is no bundle in {path}: no {form.HEAD}",
                hint="name the folder that mirror export made, or that of one volume",
            )
        found.update(dict.fromkeys(volumes))
    return list(found)


def _is_volume(path: Path) -> bool:
    return os.path.lexists(path / form.HEAD)


def _volumes_in(path: Path) -> list[Path]:
    try:
        volumes = sorted(child for child in path.iterdir() if child.is_dir() and _is_volume(child))
    except OSError as error:
        raise IncompleteVolumeError(f"{path} cannot be read: {error.strerror}") from error
    for volume in volumes:
        if volume.is_symlink():
            raise UnsafeBundleError(f"{volume} is a link: no bundle has one")
    return volumes


def open_volume(folder: Path, allowed: Path | None) -> OpenVolume:
    """Check one volume, all but the content of its payload.

    The signature comes first: what nobody has vouched for is not even parsed.

    Raises:
        MissingSignatureError, BadSignatureError, UnknownSignerError: see ``signing``.
        DamagedBundleError: the frame is damaged, or does not fit together.
        IncompleteVolumeError: a file is missing, or of another size.
        ExtraFilesError: something is there that is not listed.
        UnsafeBundleError: a link, a device, or an absurd size.
        UnknownBundleFormatError: of another version.
    """
    there, ignored = _walk(folder)
    head_bytes = _read_frame(folder, form.HEAD, there, form.MAX_HEAD_BYTES)
    listing_bytes = _read_frame(folder, form.LISTING, there, form.MAX_LISTING_BYTES)
    document = _read_frame(folder, form.DOCUMENT, there, form.MAX_DOCUMENT_BYTES)
    signature = None
    if form.SIGNATURE in there:
        signature = _read_frame(folder, form.SIGNATURE, there, form.MAX_SIGNATURE_BYTES)
    signer = check_signature(listing_bytes, signature, folder, BUNDLE, allowed)
    listed = decode_listing(listing_bytes, str(folder / form.LISTING))
    for name, data in ((form.HEAD, head_bytes), (form.DOCUMENT, document)):
        if listed.pop(name, None) != hashlib.sha256(data).hexdigest():
            raise ChangedBytesError(f"{folder / name} is not what {form.LISTING} states")
    head = decode_head(head_bytes, str(folder / form.HEAD))
    number = _number_of(head, listed, folder)
    _compare(folder, {file.path: file.size for file in head.volumes[number - 1].files}, there)
    names = tuple(sorted(ignored))
    return OpenVolume(folder, number, head, head_bytes, listing_bytes, signature, signer, names)


def open_plain(path: Path) -> BinaryIO:
    """Open a file that somebody has brought, never through a link.

    Raises:
        UnsafeBundleError: no plain file.
        IncompleteVolumeError: it has gone, or the disk does not give it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise IncompleteVolumeError(f"{path} cannot be read: {error.strerror}") from error
    stream = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise UnsafeBundleError(f"{path} is not a plain file")
    return stream


def _walk(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Give the size of every file below ``folder``, and what is not ours to look at."""
    found: dict[str, int] = {}
    ignored: list[str] = []
    for path, entry in _entries(folder, "", 0):
        if len(found) > form.MAX_FILES:
            raise UnsafeBundleError(f"{folder} has more files than a bundle can have")
        if _OF_THE_SYSTEM.fullmatch(entry.name):
            ignored.append(path)
        elif entry.is_symlink():
            raise UnsafeBundleError(f"{folder / path} is a link: no bundle has one")
        elif not entry.is_dir(follow_symlinks=False):
            details = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(details.st_mode):
                raise UnsafeBundleError(f"{folder / path} is a device, a pipe or a socket")
            found[path] = details.st_size
    return found, ignored


def _entries(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder / prefix) as scan:
            entries = list(scan)
    except OSError as error:
        why = f"{folder / prefix} cannot be read: {error.strerror}"
        raise IncompleteVolumeError(why) from error
    for entry in entries:
        path = f"{prefix}{entry.name}"
        yield path, entry
        if entry.is_dir(follow_symlinks=False) and not _OF_THE_SYSTEM.fullmatch(entry.name):
            if depth >= _DEEPEST:
                raise ExtraFilesError(f"{folder / path} is deeper than a bundle goes")
            yield from _entries(folder, f"{path}/", depth + 1)


def _read_frame(folder: Path, name: str, there: Mapping[str, int], limit: int) -> bytes:
    if name not in there:
        raise IncompleteVolumeError(f"{folder} has no {name}")
    if there[name] > limit:
        raise UnsafeBundleError(f"{folder / name} has {there[name]:,} bytes: more than any can")
    with open_plain(folder / name) as stream:
        data = bytearray()
        while piece := stream.read(limit + 1 - len(data)):
            data += piece
        return bytes(data)


def _number_of(head: Head, listed: Mapping[str, str], folder: Path) -> int:
    """Find which volume of the head this is: the one with exactly these files."""
    for number, volume in enumerate(head.volumes, start=1):
        if {file.path: file.sha256 for file in volume.files} == listed:
            return number
    raise DamagedBundleError(f"{folder / form.LISTING} does not fit {form.HEAD} beside it")


def _compare(folder: Path, listed: Mapping[str, int], there: Mapping[str, int]) -> None:
    expected = {*listed, *form.FRAME}
    if extra := sorted(there.keys() - expected):
        more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
        raise ExtraFilesError(
            f"{folder} has {extra[0][:200]!r}{more}, which the bundle does not list",
            hint="take it away if you know where it comes from; else do not import this",
        )
    for path, size in listed.items():
        if path not in there:
            raise IncompleteVolumeError(f"{folder} has no {path}")
        if there[path] != size:
            raise IncompleteVolumeError(
                f"{folder / path} has {there[path]:,} bytes, and {size:,} are listed"
            )
