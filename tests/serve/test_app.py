"""The skeleton: what cannot be asked, and what is not here."""

from __future__ import annotations

import httpx2 as httpx
import pytest


def test_a_missing_repo_is_a_404_with_a_code_in_place_of_a_401(served: str) -> None:
    answer = httpx.get(f"{served}/api/models/acme/not-here")
    assert (404, "RepoNotFound") == (answer.status_code, answer.headers["x-error-code"])
    assert "models/acme/not-here is not in this mirror" in answer.headers["x-error-message"]


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/favicon.ico", "/api/models/a/b/c"])
def test_what_the_endpoint_does_not_know_is_a_plain_404(served: str, path: str) -> None:
    answer = httpx.get(served + path)
    assert 404 == answer.status_code
    assert "x-error-code" not in answer.headers


def test_headers_and_addresses_without_end_are_refused(served: str) -> None:
    long = httpx.get(f"{served}/api/models/{'a' * 9000}")
    wide = httpx.get(f"{served}/api/models/a", headers={"x-wide": "a" * 40_000})
    assert (414, 431) == (long.status_code, wide.status_code)
