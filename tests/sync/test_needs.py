"""What a repo needs from other repos is said when it is synced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirror.names import RepoKey, RepoType
from mirror.settings import parse_settings
from mirror.store import Store
from mirror.sync import run_sync
from mirror.sync.needs import repos_needed
from tests.fakehub import FakeHub, serve


def model(repo_id: str) -> RepoKey:
    return RepoKey(RepoType.MODEL, repo_id)


@pytest.mark.parametrize(
    ("path", "config", "expected"),
    [
        ("adapter_config.json", {"base_model_name_or_path": "acme/base"}, {model("acme/base")}),
        ("adapter_config.json", {"base_model_name_or_path": "/home/me/models/base"}, set()),
        ("adapter_config.json", {"base_model_name_or_path": None}, set()),
        ("config.json", {"base_model_name_or_path": "acme/base"}, set()),
        ("config.json", {"auto_map": {"AutoModel": "acme/code--m.Model"}}, {model("acme/code")}),
        ("config.json", {"auto_map": {"AutoModel": "modeling.Model"}}, set()),
        (
            "tokenizer_config.json",
            {"auto_map": {"AutoTokenizer": ["acme/a--t.Slow", None]}},
            {model("acme/a")},
        ),
        ("config.json", {"auto_map": "acme/code--m.Model"}, set()),
        ("config.json", ["auto_map"], set()),
    ],
)
def test_reads_references_to_other_repos(path: str, config: object, expected: set[RepoKey]) -> None:
    assert expected == set(repos_needed({path: json.dumps(config).encode()}))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_config_needs_nothing(data: bytes) -> None:
    assert {} == repos_needed({"config.json": data})


def test_a_sync_names_what_is_missing_and_the_command_that_adds_it(tmp_path: Path) -> None:
    hub = FakeHub()
    adapter = json.dumps({"base_model_name_or_path": "acme/base"}).encode()
    hub.add_repo("model", "acme/lora", {"adapter_config.json": adapter})
    hub.add_repo("model", "acme/base", {"config.json": b"{}"})
    store = Store.create(tmp_path / "a")
    with serve(hub) as endpoint:
        entries = f'[upstream]\nendpoint = "{endpoint}"\n[[models]]\nid = "acme/lora"\n'
        report = run_sync(store, parse_settings(entries))
        (warning,) = report.published[0].warnings
        assert warning.startswith("needs models/acme/base (an adapter of it)")
        assert warning.endswith("mirror add models/acme/base")

        both = entries + '[[models]]\nid = "acme/base"\n'
        again = run_sync(Store.create(tmp_path / "b"), parse_settings(both))
        assert [(), ()] == [change.warnings for change in again.published]
