"""What was adopted is compared with upstream by the next sync, once, and put right."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirror.store import Store, repair, verify
from mirror.sync.model import Change
from tests.adopt.making import FILES, KEY, WEIGHTS, adopt, download, manifest_of
from tests.store.making import overwrite
from tests.sync.lab import Lab, check, check_complete, files_of, picture


@pytest.fixture
def adopted(lab: Lab, tmp_path: Path) -> Lab:
    """A mirror that has adopted the head; its hub has forgotten who asked for what."""
    adopt(lab.store, download(lab.hub, tmp_path / "hf"))
    lab.hub.clear()
    return lab


def changes(lab: Lab) -> list[Change]:
    return [plan.change for plan in lab.sync().published]


def test_nothing_that_matches_is_fetched_again(adopted: Lab) -> None:
    blobs = sorted(adopted.store.blobs)

    report = adopted.sync()

    assert (0, [Change.FILL], 0) == (
        report.exit_code,
        [plan.change for plan in report.published],
        report.fetched.files,
    )
    assert {"info": 1, "tree": 1} == dict(adopted.hub.counts)
    assert (0, blobs) == (report.received_bytes, sorted(adopted.store.blobs))
    manifest = manifest_of(adopted.store)
    assert (None, adopted.hub.endpoint) == (manifest.adopted, manifest.endpoint)
    assert "acme/tiny" == manifest.upstream["id"]
    check_complete(adopted, KEY)


def test_then_the_mirror_is_as_if_it_had_been_synced(adopted: Lab, tmp_path: Path) -> None:
    adopted.sync()

    other = replace(adopted, store=Store.create(tmp_path / "other"))
    other.sync()
    assert picture(other.store) == picture(adopted.store)


def test_it_is_compared_once(adopted: Lab) -> None:
    adopted.sync()
    adopted.hub.clear()

    report = adopted.sync()

    assert ([], 1) == ([*report.published], report.unchanged)
    assert [] == adopted.hub.asked("tree")


def test_also_where_a_list_says_that_the_head_has_not_moved(lab: Lab, tmp_path: Path) -> None:
    """Detection by lists knows heads only: an unmoved head is no reason not to look."""
    lab.hub.add_repo("model", "acme/other", {"a.txt": b"a"})
    lab.selection += '[[models]]\nid = "acme/other"\n'
    download(lab.hub, tmp_path / "hf", repo_id="acme/other")
    adopt(lab.store, download(lab.hub, tmp_path / "hf").parent)
    lab.hub.clear()

    report = lab.sync()

    assert "models: 1 lists by author, 0 info calls" == report.requests["detection"]
    assert ([Change.FILL] * 2, 2) == (
        [plan.change for plan in report.published],
        len(lab.hub.asked("tree")),
    )
    manifest = manifest_of(lab.store)
    assert (None, "acme/tiny") == (manifest.adopted, manifest.upstream.get("id"))


def test_what_is_missing_is_fetched(lab: Lab, tmp_path: Path) -> None:
    cache = download(lab.hub, tmp_path / "hf", allow_patterns=["*.json"])
    shutil.rmtree(cache / "trees")
    adopt(lab.store, cache)
    assert ["config.json"] == [file.path for file in manifest_of(lab.store).files]

    report = lab.sync()

    assert len(FILES) - 1 == report.fetched.files
    check_complete(lab, KEY)


def test_a_selection_leaves_out_what_is_not_there(lab: Lab, tmp_path: Path) -> None:
    adopt(lab.store, download(lab.hub, tmp_path / "hf", ignore_patterns=["*.txt"]))
    lab.selection += 'exclude = ["*.txt", "*.safetensors"]\n'

    lab.sync()

    assert {"README.md", "config.json", "model.safetensors"} == files_of(lab.store, KEY).keys()
    reasons = {f.path: f.absent_because for f in manifest_of(lab.store).files if not f.present}
    assert {"exclude *.txt"} == set(reasons.values())
    check(lab.store)


class TestWrong:
    """A folder can be wrong with all its claims, and still agree with itself."""

    @pytest.fixture
    def forged(self, lab: Lab, tmp_path: Path) -> Lab:
        cache = download(lab.hub, tmp_path / "hf")
        shutil.rmtree(cache / "trees")
        snapshot = cache / "snapshots" / lab.hub.repo("model", "acme/tiny").sha
        for path, data in (("model.safetensors", b"y" * len(WEIGHTS)), ("extra.txt", b"extra")):
            (snapshot / path).unlink(missing_ok=True)
            (snapshot / path).write_bytes(data)  # the same size: only the bytes tell
        assert 0 == adopt(lab.store, cache).exit_code
        assert b"y" * len(WEIGHTS) == files_of(lab.store, KEY)["model.safetensors"]
        return lab

    def test_it_is_put_right(self, forged: Lab) -> None:
        report = forged.sync()

        assert (0, 1) == (report.exit_code, report.fetched.files)
        assert FILES == files_of(forged.store, KEY)
        check_complete(forged, KEY)

    def test_also_where_the_selection_leaves_it_out(self, forged: Lab) -> None:
        forged.selection += 'exclude = "*.safetensors"\n'

        forged.sync()

        assert FILES.keys() - {"model.safetensors"} == files_of(forged.store, KEY).keys()
        check(forged.store)

    def test_a_client_never_meets_a_listed_file_that_is_missing(self, forged: Lab) -> None:
        forged.sync()
        folder = forged.store.layout.view(KEY)
        commit = manifest_of(forged.store).commit
        listed: dict[str, Any] = json.loads((folder / "trees" / f"{commit}.json").read_text())
        assert FILES.keys() == listed["files"].keys()

    def test_upstream_does_not_have_the_commit(self, forged: Lab) -> None:
        new = forged.hub.repo("model", "acme/tiny").commit({"config.json": b"{}"})

        assert [Change.UPDATE] == changes(forged)
        assert new == manifest_of(forged.store).commit
        check(forged.store)


def test_upstream_does_not_answer(adopted: Lab) -> None:
    adopted.hub.down()

    assert 6 == adopted.sync().exit_code
    assert FILES == files_of(adopted.store, KEY)
    assert None is not manifest_of(adopted.store).adopted


def test_the_policy_is_asked_by_the_sync(adopted: Lab) -> None:
    adopted.selection += '[policy]\nallow_licenses = ["apache-2.0"]\n'

    report = adopted.sync()

    assert ["policy.allow_licenses"] == [refusal.rule for refusal in report.refused]
    assert FILES == files_of(adopted.store, KEY)


def test_a_repo_that_was_renamed_upstream(adopted: Lab) -> None:
    adopted.hub.rename("model", "acme/tiny", "acme-labs/tiny")

    report = adopted.sync()

    now = replace(KEY, repo_id="acme-labs/tiny")
    assert (0, 0) == (report.exit_code, report.fetched.files)
    assert ({KEY: now}, [now]) == (dict(adopted.store.aliases()), [*adopted.store.repos()])
    assert None is manifest_of(adopted.store, key=now).adopted
    check_complete(adopted, now)


def test_a_pinned_commit(adopted: Lab) -> None:
    commit = manifest_of(adopted.store).commit
    adopted.selection += f'revision = "{commit}"\n'

    adopted.sync()

    assert None is manifest_of(adopted.store).adopted
    assert [] == adopted.hub.asked("resolve")


@pytest.mark.parametrize("how", ["away", "damaged"])
def test_a_repair_asks_upstream_what_is_right(adopted: Lab, how: str) -> None:
    file = manifest_of(adopted.store).file("model.safetensors")
    assert file is not None
    blob = adopted.store.blobs.path(str(file.sha256))
    if how == "away":
        blob.unlink()
    else:
        overwrite(blob, b"x" * file.size)
    with adopted.store.write_lock("repair"):
        done = repair(adopted.store, verify(adopted.store).findings)

    report = adopted.repair(*done.to_fetch)

    assert (0, 1, 1) == (
        report.exit_code,
        report.fetched.files,
        len(adopted.hub.asked("tree")),
    )
    assert (None, "acme/tiny") == (
        manifest_of(adopted.store).adopted,
        manifest_of(adopted.store).upstream.get("id"),
    )
    assert FILES == files_of(adopted.store, KEY)
    check(adopted.store)
