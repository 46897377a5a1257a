"""A card comes from outside: its data_files must not lead out of the repo."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror import Mirror
from mirror.api.loading import check_data_files
from mirror.errors import UnsafePathError
from tests.fakehub import FakeHub

_CARD = "---\nconfigs:\n- config_name: x\n  {field}: {value}\n---\n"


def folder_with(tmp_path: Path, value: str, field: str = "data_files") -> Path:
    (tmp_path / "README.md").write_text(_CARD.format(field=field, value=value))
    return tmp_path


@pytest.mark.parametrize(
    "value",
    [
        "https://example.org/data.csv",
        "[{split: train, path: ['a.csv', 's3://bucket/data.csv']}]",
        "'zip://data.csv::https://example.org/data.zip'",
        "hf://datasets/other/repo/data.csv",
        "../../other/data.csv",
        "data/../../other.csv",
        "/etc/passwd",
        "~/data.csv",
        "file:///etc/passwd",
    ],
)
def test_refuses_what_leads_out(tmp_path: Path, value: str) -> None:
    with pytest.raises(UnsafePathError, match="outside of its repo"):
        check_data_files(folder_with(tmp_path, value))


@pytest.mark.parametrize(
    "value",
    [
        "data.csv",
        "'data/**/*.parquet'",
        "'zip://*.csv::data.zip'",
        "[a..b.csv, {split: train, path: c.csv}]",
    ],
)
def test_takes_what_stays_in(tmp_path: Path, value: str) -> None:
    check_data_files(folder_with(tmp_path, value))


def test_data_dir_too(tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError):
        check_data_files(folder_with(tmp_path, "../secret", field="data_dir"))


def test_the_second_place_for_settings_too(tmp_path: Path) -> None:
    text = _CARD.format(field="data_files", value="https://example.org/x").replace("---\n", "")
    (tmp_path / ".huggingface.yaml").write_text(text)

    with pytest.raises(UnsafePathError):
        check_data_files(tmp_path)


def test_without_card(tmp_path: Path) -> None:
    check_data_files(tmp_path)


def test_nothing_is_asked_for_such_a_card(hub: FakeHub, tmp_path: Path) -> None:
    """``datasets`` alone follows the URL: six requests, offline or not."""
    url = f"{hub.endpoint}/datasets/acme/numbers/resolve/main/data.csv"
    card = _CARD.format(field="data_files", value=url)
    hub.add_repo("dataset", "acme/numbers", {"data.csv": b"n\n1\n"})
    hub.add_repo("dataset", "acme/leaky", {"README.md": card, "a.csv": b"n\n1\n"})
    mirror = Mirror.init(tmp_path / "mirror", hub.endpoint)
    mirror.add("dataset", id="acme/leaky")
    mirror.sync()
    hub.clear()

    with pytest.raises(UnsafePathError):
        mirror.load_dataset("acme/leaky", cache_dir=str(tmp_path / "cache"))

    assert [] == hub.requests
