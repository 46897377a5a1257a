"""What images and sounds say of themselves in their first bytes: type, size, duration.

Headers alone are read, never pixels or samples, and of those no more than a bound: the
bytes are anybody's. What is not understood is ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

#: Bytes that tell the type.
HEAD: Final = 16
#: Segments of a JPEG, chunks of a WAV, that are passed over to find the one that counts.
_MAX_STEPS: Final = 1_000
#: JPEG: the markers of a frame, which has the size.
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})

Size = tuple[int, int]


def media_type(head: bytes) -> str | None:
    """Give the content type of what begins like that, of a short list that browsers show."""
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[:2] == b"\xff\xfb" or head[:2] in {b"\xff\xf3", b"\xff\xf2"}:
        return "audio/mpeg"
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), None)


def image_size(stream: BinaryIO) -> Size | None:
    """Give width and height of an image, from where the stream stands at its beginning."""
    head = stream.read(30)
    reader = _SIZES.get(media_type(head) or "")
    return None if reader is None else reader(head, stream)


def audio_seconds(stream: BinaryIO) -> float | None:
    """Give how long a WAV or FLAC is."""
    head = stream.read(26)
    kind = media_type(head)
    if kind == "audio/wav":
        return _wav_seconds(stream)
    if kind == "audio/flac" and len(head) == 26:
        packed = int.from_bytes(head[18:26], "big")
        rate, samples = packed >> 44, packed & (1 << 36) - 1
        return samples / rate if rate and samples else None
    return None


def _png(head: bytes, stream: BinaryIO) -> Size | None:
    if head[12:16] != b"IHDR" or len(head) < 24:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _gif(head: bytes, stream: BinaryIO) -> Size | None:
    if len(head) < 10:
        return None
    return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")


def _bmp(head: bytes, stream: BinaryIO) -> Size | None:
    if len(head) < 26 or int.from_bytes(head[14:18], "little") < 40:
        return None
    width = int.from_bytes(head[18:22], "little", signed=True)
    height = int.from_bytes(head[22:26], "little", signed=True)
    return width, abs(height)  # a negative one: the rows come from the top


def _webp(head: bytes, stream: BinaryIO) -> Size | None:
    if len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        packed = int.from_bytes(head[21:25], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if head[12:16] == b"VP8 ":
        width, height = head[26:28], head[28:30]
        return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF
    return None


def _jpeg(head: bytes, stream: BinaryIO) -> Size | None:
    stream.seek(2 - len(head), 1)
    for _ in range(_MAX_STEPS):
        start = stream.read(4)
        if len(start) < 4 or start[0] != 0xFF:
            return None
        if start[1] == 0xFF:  # filling before a marker
            stream.seek(-3, 1)
            continue
        if start[1] in _FRAMES:
            frame = stream.read(5)
            size = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
            return (size[0], size[1]) if len(frame) == 5 else None
        length = int.from_bytes(start[2:4], "big")
        if length < 2:
            return None
        stream.seek(length - 2, 1)
    return None


def _wav_seconds(stream: BinaryIO) -> float | None:
    stream.seek(12 - 26, 1)
    rate = 0
    for _ in range(_MAX_STEPS):
        chunk = stream.read(8)
        if len(chunk) < 8:
            return None
        length = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"data":
            return length / rate if rate else None
        place = 0
        if chunk[:4] == b"fmt " and length >= 16:
            rate, place = int.from_bytes(stream.read(12)[8:12], "little"), 12
        stream.seek(length + length % 2 - place, 1)
    return None


_STARTS: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"BM": "image/bmp",
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
}
_SIZES: Final[dict[str, Callable[[bytes, BinaryIO], Size | None]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/webp": _webp,
}
