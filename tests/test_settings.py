"""mirror.toml is written by people, and copied from strangers: every fault of it has its words."""

from __future__ import annotations

import pytest

from mirror.errors import SettingsError
from mirror.settings import parse_settings


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://user:secret@hub.example",
        "https://:secret@hub.example",
        "https://secret@hub.example",
        "https://hub.example?token=secret",
        "https://hub.example#secret",
        "https://hub.example:99999",
        "https://a..b",
        "https://hub example",
        "https://[::1",
        "https://hub.example/\\u001b[31m",
        "ftp://hub.example",
        "hub.example",
    ],
)
def test_an_endpoint_that_cannot_be_asked_or_shown(endpoint: str) -> None:
    """It stands in every manifest and report: whatever could be a secret stays out of it."""
    with pytest.raises(SettingsError, match=r"endpoint: expected a URL such as") as caught:
        parse_settings(f'[upstream]\nendpoint = "{endpoint}"')
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:8080", "http://[::1]:80", "https://x.example/hub", "https://é.eu"],
)
def test_an_endpoint_that_can(endpoint: str) -> None:
    assert endpoint == parse_settings(f'[upstream]\nendpoint = "{endpoint}/"').upstream.endpoint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[transfer]\nbandwidth = 0", "transfer.bandwidth: .*greater than or equal to 1"),
        ("[transfer]\nread_timeout = inf", "transfer.read_timeout: .*finite"),
        (f'[policy]\nmax_repo_size = "{"9" * 400} GB"', "policy.max_repo_size: no disk"),
        (f"[retention]\nkeep = {'9' * 5000}", "not valid TOML"),
        (f"models = {'[' * 5000}", "not valid TOML"),
    ],
)
def test_numbers_and_nesting_without_end(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_settings(text)
