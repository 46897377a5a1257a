"""mirror.toml is written by people, and copied from strangers: every fault of it has its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.errors import SettingsError
from mirror.settings import UpstreamSettings, parse_settings, read_token


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


def test_a_token_comes_from_the_file_then_the_variable_then_the_file_it_names(
    tmp_path: Path,
) -> None:
    file, other = tmp_path / "token", tmp_path / "other"
    file.write_text("hf_file\n")
    other.write_text("hf_other\n")
    environ = {"HF_TOKEN": "hf_variable", "HF_TOKEN_PATH": str(other)}

    assert "hf_file" == read_token(UpstreamSettings(token_file=file), environ)
    assert "hf_variable" == read_token(UpstreamSettings(), environ)
    assert "hf_other" == read_token(UpstreamSettings(), {"HF_TOKEN_PATH": str(other)})
    assert read_token(UpstreamSettings(), {"HF_TOKEN_PATH": str(tmp_path / "none")}) is None


def test_a_token_that_cannot_be_read_is_named_by_what_named_it(tmp_path: Path) -> None:
    file = tmp_path / "token"

    with pytest.raises(SettingsError) as caught:
        read_token(UpstreamSettings(token_file=file), {})
    assert f"upstream.token_file {file}: No such file or directory" == str(caught.value)

    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"HF_TOKEN_PATH .*: this is no text, so no token"):
        read_token(UpstreamSettings(), {"HF_TOKEN_PATH": str(file)})
