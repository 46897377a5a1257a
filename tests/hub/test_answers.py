from __future__ import annotations

import pytest
from multidict import CIMultiDict
from yarl import URL

from mirror.errors import (
    BadAnswerError,
    FileGoneError,
    RepoDisabledError,
    RepoGatedError,
    RepoGoneError,
    RepoUnauthorizedError,
    RevisionGoneError,
    TransportError,
    UpstreamError,
)
from mirror.hub.answers import absolute, error_of, next_link, printable

HUB = URL("https://hub.example")
PAGE = URL("https://hub.example/api/models?limit=2")
DISABLED = {"X-Error-Message": "Access to this resource is disabled."}


@pytest.mark.parametrize(
    ("status", "headers", "is_file", "expected"),
    [
        (401, {}, False, RepoUnauthorizedError),
        (401, {"X-Error-Code": "RepoNotFound"}, False, RepoUnauthorizedError),
        (401, {"X-Error-Code": "GatedRepo"}, True, RepoGatedError),
        (403, {"X-Error-Code": "GatedRepo"}, False, RepoGatedError),
        (403, DISABLED, False, RepoDisabledError),
        (401, DISABLED, True, RepoDisabledError),
        (403, {}, False, RepoUnauthorizedError),
        (404, {"X-Error-Code": "RepoNotFound"}, False, RepoGoneError),
        (404, {"X-Error-Code": "RevisionNotFound"}, False, RevisionGoneError),
        (404, {"X-Error-Code": "EntryNotFound"}, True, FileGoneError),
        (404, {}, False, RepoGoneError),
        (404, {}, True, FileGoneError),
        (410, {}, False, RepoGoneError),
        (451, {}, False, RepoDisabledError),
        (400, {}, False, UpstreamError),
        (416, {}, True, UpstreamError),
        (204, {}, False, BadAnswerError),
        (304, {}, True, BadAnswerError),
        (408, {}, False, TransportError),
        (500, {}, False, TransportError),
        (503, {"X-Error-Code": "RepoNotFound"}, False, TransportError),
    ],
)
def test_an_error_says_what_upstream_said(
    status: int, headers: dict[str, str], is_file: bool, expected: type[Exception]
) -> None:
    error = error_of(status, CIMultiDict(headers), PAGE, is_file=is_file)
    assert type(error) is expected
    assert str(status) in str(error)
    assert "https://hub.example/api/models" in str(error)


def test_a_token_that_upstream_does_not_accept_is_told_apart() -> None:
    headers = {"X-Error-Message": "Invalid credentials in Authorization header"}
    error = error_of(401, CIMultiDict(headers), PAGE, is_file=False)
    assert error.hint is not None
    assert "does not accept our token" in error.hint


def test_messages_hide_signatures_and_control_characters() -> None:
    url = URL("https://cdn.example/x?X-Amz-Signature=secret")
    headers = CIMultiDict({"X-Error-Message": "no\x1b[31m\x07" + "!" * 500})
    message = str(error_of(403, headers, url, is_file=True))
    assert "secret" not in message
    assert message.isprintable()
    assert len(message) < 400


def test_printable_cuts_and_cleans() -> None:
    assert printable("a\nb\x00" + "c" * 10, limit=5) == "a�b�c"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", None),
        ('<https://hub.example/api/models?cursor=a%2Fb%3D>; rel="prev"', None),
        (
            '<https://hub.example/api/models?cursor=a%2Fb%3D>; rel="next"',
            "https://hub.example/api/models?cursor=a%2Fb%3D",
        ),
        ("<https://hub.example:443/x>; rel=next", "https://hub.example/x"),
        ('</api/models?c=1>; rel="next"', "https://hub.example/api/models?c=1"),
        (
            '<https://hub.example/a>; rel="first", <https://hub.example/b>; rel="next"',
            "https://hub.example/b",
        ),
    ],
)
def test_the_next_page_is_read_from_the_link_header(link: str, expected: str | None) -> None:
    found = next_link(CIMultiDict({"Link": link} if link else {}), PAGE, HUB)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/api/models",
        "http://hub.example/api/models",
        "https://hub.example:8443/api/models",
        "//evil.example/api/models",
        "https://hub.example@evil.example/",
        "https://user:pw@hub.example/",
        "https://hub.example.evil.example/",
        "file:///etc/passwd",
        "https://hub.example:port/",
    ],
)
def test_a_next_page_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(BadAnswerError, match=r"hub\.example/api/models"):
        next_link(CIMultiDict({"Link": f'<{target}>; rel="next"'}), PAGE, HUB)


def test_quoting_of_an_address_stays_as_it_is() -> None:
    signed = "https://cdn.example/a%2Fb%20c?sig=x%2By%3D&p=%E2%82%AC"
    assert str(absolute(signed, HUB)) == signed
    assert str(absolute("/한글?q=가", HUB)).isascii()
