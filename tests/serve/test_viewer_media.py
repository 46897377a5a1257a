"""Headers of images and sounds, against Pillow and the wave module; and against noise."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mirror.serve.viewer.media import audio_seconds, image_size, media_type
from tests.serve.real import picture, sound

KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "BMP": "image/bmp"}
BODIES = [*(picture(9, 7, kind) for kind in [*KINDS, "WEBP"]), sound(0.1), b"fLaC" + bytes(40)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (300, 20), (17, 1_025)])
def test_sizes_are_those_of_pillow(kind: str, size: tuple[int, int]) -> None:
    body = picture(*size, kind)
    assert size == Image.open(io.BytesIO(body)).size
    assert (KINDS[kind], size) == (media_type(body[:16]), image_size(io.BytesIO(body)))


@pytest.mark.parametrize(("lossless", "alpha"), [(True, 255), (False, 255), (False, 9)])
def test_sizes_of_webp_in_its_three_forms(lossless: bool, alpha: int) -> None:
    body = io.BytesIO()
    Image.new("RGBA", (321, 45), (1, 2, 3, alpha)).save(body, "WEBP", lossless=lossless)
    assert (321, 45) == image_size(io.BytesIO(body.getvalue()))
    assert "image/webp" == media_type(body.getvalue()[:16])


def test_a_jpeg_with_notes_before_its_frame() -> None:
    body = io.BytesIO()
    Image.new("RGB", (33, 44)).save(
        body, "JPEG", progressive=True, comment=b"x" * 60_000, icc_profile=b"y" * 90_000
    )
    assert (33, 44) == image_size(io.BytesIO(body.getvalue()))


@pytest.mark.parametrize("seconds", [0.5, 3.25])
def test_seconds_of_a_wav(seconds: float) -> None:
    body = sound(seconds)
    assert ("audio/wav", seconds) == (media_type(body[:16]), audio_seconds(io.BytesIO(body)))


def test_a_wav_with_a_note_of_odd_length_before_its_sound() -> None:
    body = sound(1.5)
    note = b"LIST\x03\0\0\0abc\0"
    assert 1.5 == audio_seconds(io.BytesIO(body[:12] + note + body[12:36] + note + body[36:]))


def test_seconds_of_a_flac() -> None:
    packed = (44_100 << 44 | 1 << 41 | 15 << 36 | 88_200).to_bytes(8, "big")
    body = b"fLaC\x80\0\0\x22" + bytes(10) + packed + bytes(16)
    assert ("audio/flac", 2.0) == (media_type(body[:16]), audio_seconds(io.BytesIO(body)))


@given(
    st.binary(max_size=80)
    | st.builds(
        lambda body, cut, noise: body[:cut] + noise,
        st.sampled_from(BODIES),
        st.integers(0, 80),
        st.binary(max_size=60),
    )
)
def test_any_bytes_have_a_size_or_none(body: bytes) -> None:
    size, seconds = image_size(io.BytesIO(body)), audio_seconds(io.BytesIO(body))
    assert size is None or all(isinstance(one, int) for one in size)
    assert seconds is None or seconds >= 0
    media_type(body[:16])


@pytest.mark.parametrize("body", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"%PDF"])
def test_what_a_browser_would_run_has_no_type(body: bytes) -> None:
    assert media_type(body[:16]) is None
