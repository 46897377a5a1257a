"""``--upstream``: what is not mirrored is fetched when a client asks for it, verified, and kept."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi, hf_hub_download

from mirror import Mirror
from mirror.errors import DiskError
from mirror.names import RepoKey, RepoType
from mirror.serve.through import passing_for
from mirror.sync.passing import Patience
from tests.fakehub import FakeHub
from tests.fakehub.faults import Corrupt, Status
from tests.serve.conftest import serving
from tests.serve.passing import (
    CONFIG,
    FILES,
    TINY,
    get,
    head_of,
    policy,
    present,
    sha,
    synced,
    through,
    until,
    where,
)
from tests.sync.lab import check


class TestOneFile:
    def test_is_fetched_verified_and_kept(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            answer = get(endpoint, CONFIG)
            assert (200, FILES["config.json"]) == (answer.status_code, answer.content)
            assert head_of(hub) == answer.headers["x-repo-commit"]
        check(mirror.store)
        manifest = mirror.files("acme/tiny")
        assert (head_of(hub), ["config.json"]) == (manifest.commit, present(mirror))
        absent = {file.absent_because for file in manifest.files if not file.present}
        assert {"not asked for yet"} == absent
        tree = json.loads(
            (mirror.store.layout.view(TINY) / f"trees/{head_of(hub)}.json").read_text()
        )
        assert ["config.json"] == list(tree["files"])
        assert [TINY] == [repo.key for repo in mirror.list()]
        assert [TINY] == [hit.key for hit in mirror.search("tiny").hits]
        assert "bert" in (mirror.path("acme/tiny") / "config.json").read_text()
        assert [head_of(hub)] == [seen.commit for seen in mirror.store.history(TINY)]
        (report,) = mirror.runs()
        assert ("pass-through", "ok", 1) == (
            report["kind"],
            report["outcome"],
            report["published"][0]["fetch"]["files"],
        )

    def test_head_asks_for_no_bytes(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            answer = httpx.head(f"{endpoint}/acme/tiny/resolve/main/model.safetensors")
            assert (200, "10240") == (answer.status_code, answer.headers["content-length"])
            assert f'"{sha(FILES["model.safetensors"])}"' == answer.headers["etag"]
            assert 0 == hub.counts["resolve"]
        assert [] == list(mirror.store.repos())

    def test_a_range(self, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            answer = get(endpoint, "acme/tiny/resolve/main/model.safetensors", range="bytes=5-7")
        assert (206, b"\x05\x06\x07") == (answer.status_code, answer.content)
        assert "bytes 5-7/10240" == answer.headers["content-range"]

    def test_what_the_commit_does_not_have_is_no_question(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        with through(mirror) as endpoint:
            answers = [get(endpoint, "acme/tiny/resolve/main/no.txt") for _ in range(5)]
            assert {(404, "EntryNotFound", head_of(hub))} == {
                (a.status_code, a.headers["x-error-code"], a.headers["x-repo-commit"])
                for a in answers
            }
            assert {"info": 1, "tree": 1} == dict(hub.counts)

    def test_a_second_one_fills_the_commit_up(self, hub: FakeHub, mirror: Mirror) -> None:
        for path in ("config.json", "model.safetensors"):
            with through(mirror) as endpoint:
                assert 200 == get(endpoint, f"acme/tiny/resolve/main/{path}").status_code
        assert ["config.json", "model.safetensors"] == present(mirror)
        assert {"main": head_of(hub)} == mirror.store.refs(TINY)
        check(mirror.store)

    def test_bytes_that_another_repo_has_are_not_fetched(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        hub.add_repo("model", "acme/copy", {"model.safetensors": FILES["model.safetensors"]})
        with through(mirror) as endpoint:
            get(endpoint, "acme/copy/resolve/main/model.safetensors")
            get(endpoint, "acme/tiny/resolve/main/model.safetensors")
            assert 1 == hub.counts["resolve"]
        assert ["model.safetensors"] == present(mirror)

    def test_what_a_client_has_already_is_kept_by_a_head(
        self, hub: FakeHub, mirror: Mirror, tmp_path: Path
    ) -> None:
        """A client that knows the bytes by their etag asks for no more than HEAD."""
        repo = hub.repo("model", "acme/tiny")
        repo.tag("v1.0")
        repo.commit({"README.md": "# New\n"})
        with through(mirror) as endpoint:
            for revision in ("main", "v1.0"):
                hf_hub_download(
                    "acme/tiny", "config.json", revision=revision, **where(endpoint, tmp_path / "c")
                )
            assert 1 == hub.counts["resolve"]
        assert (["config.json"], ["config.json"]) == (present(mirror), present(mirror, "v1.0"))

    def test_an_old_name_leads_there_and_is_kept(self, hub: FakeHub, mirror: Mirror) -> None:
        hub.alias("model", "tiny", "acme/tiny")
        with through(mirror) as endpoint:
            moved = httpx.get(f"{endpoint}/tiny/resolve/main/config.json")
            assert (307, f"/{CONFIG}") == (moved.status_code, moved.headers["location"])
            assert 200 == get(endpoint, CONFIG).status_code
        assert TINY == mirror.store.canonical(RepoKey(RepoType.MODEL, "tiny"))

    def test_names_of_what_is_here_are_kept_too(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            get(endpoint, CONFIG)
        hub.alias("model", "tiny", "acme/tiny")
        hub.repo("model", "acme/tiny").tag("v1.0")
        with through(mirror) as endpoint:
            assert 307 == httpx.get(f"{endpoint}/tiny/resolve/main/config.json").status_code
            assert 200 == get(endpoint, "acme/tiny/resolve/v1.0/config.json").status_code
        hub.down()
        with serving(mirror.root) as endpoint:
            moved = httpx.get(f"{endpoint}/tiny/resolve/v1.0/config.json", follow_redirects=True)
            assert FILES["config.json"] == moved.content

    def test_a_tag_a_commit_and_a_short_one(self, hub: FakeHub, mirror: Mirror) -> None:
        repo = hub.repo("model", "acme/tiny")
        first = head_of(hub)
        repo.tag("v1.0")
        repo.commit({"config.json": b"{}"})
        with through(mirror) as endpoint:
            for revision in ("v1.0", head_of(hub), first[:9]):
                answer = get(endpoint, f"acme/tiny/resolve/{revision}/config.json")
                assert 200 == answer.status_code
            gone = get(endpoint, "acme/tiny/resolve/v9/config.json")
        assert (404, "RevisionNotFound") == (gone.status_code, gone.headers["x-error-code"])
        assert {"v1.0": first, head_of(hub): head_of(hub)} == mirror.store.refs(TINY)


class TestListings:
    def test_list_what_may_be_had(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            get(endpoint, CONFIG)
            api = HfApi(endpoint=endpoint, token=False)
            assert set(FILES) == set(api.list_repo_files("acme/tiny"))
            tree = api.list_repo_tree("acme/tiny", recursive=True)
            assert set(FILES) == {entry.path for entry in tree}
            infos = api.get_paths_info("acme/tiny", ["model.safetensors", "no"])
            assert [10240] == [entry.size for entry in infos]
        with serving(mirror.root) as endpoint:  # without upstream only what is here
            assert ["config.json"] == HfApi(endpoint=endpoint).list_repo_files("acme/tiny")

    def test_weights_that_the_policy_leaves_out_are_not_listed(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        policy(mirror, 'weights = "prefer_safetensors"')
        with through(mirror) as endpoint:
            files = HfApi(endpoint=endpoint).list_repo_files("acme/tiny")
            assert set(FILES) - {"pytorch_model.bin"} == set(files)
            answer = get(endpoint, "acme/tiny/resolve/main/pytorch_model.bin")
        assert (404, "EntryNotFound") == (answer.status_code, answer.headers["x-error-code"])
        assert "policy.weights" in answer.headers["x-error-message"]
        assert "x-repo-commit" not in answer.headers

    def test_what_a_selection_left_out_may_be_had(self, hub: FakeHub, mirror: Mirror) -> None:
        mirror.add("model", id="acme/tiny", include="*.json")
        mirror.sync()
        hub.clear()
        with through(mirror) as endpoint:
            answer = get(endpoint, "acme/tiny/resolve/main/README.md")
            assert FILES["README.md"] == answer.text
            assert {"resolve": 1} == dict(hub.counts)  # the commit is known already
        assert ["README.md", "config.json"] == present(mirror)


class TestFreshness:
    def test_what_a_sync_follows_is_answered_from_the_mirror(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        mirror.add("model", id="acme/tiny")
        mirror.sync()
        before = head_of(hub)
        hub.repo("model", "acme/tiny").commit({"config.json": b"{}"})
        hub.clear()
        with through(mirror, Patience(yes=0)) as endpoint:
            assert before == get(endpoint, CONFIG).headers["x-repo-commit"]
            assert {} == dict(hub.counts)

    def test_what_was_passed_through_is_asked_again_after_a_while(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        with through(mirror) as endpoint:
            before = get(endpoint, CONFIG).headers["x-repo-commit"]
            hub.repo("model", "acme/tiny").commit({"config.json": b"{}"})
            assert before == get(endpoint, CONFIG).headers["x-repo-commit"]
            assert 1 == hub.counts["info"]
        with through(mirror) as endpoint:  # as after the time is up
            answer = get(endpoint, CONFIG)
        assert (head_of(hub), b"{}") == (answer.headers["x-repo-commit"], answer.content)
        assert {"main": head_of(hub)} == mirror.store.refs(TINY)

    def test_a_ref_moves_only_to_what_takes_its_place(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            for path in ("config.json", "README.md", "model.safetensors"):
                get(endpoint, f"acme/tiny/resolve/main/{path}")
        before = head_of(hub)
        hub.repo("model", "acme/tiny").commit({"config.json": b"{}", "README.md": "new"})
        with through(mirror) as endpoint:
            assert "new" == get(endpoint, "acme/tiny/resolve/main/README.md").text
        assert {"main": before} == mirror.store.refs(TINY)  # the new one lacks config.json
        hub.down()
        with through(mirror) as endpoint:
            assert FILES["config.json"] == get(endpoint, CONFIG).content
        hub.up()
        with through(mirror) as endpoint:
            assert b"{}" == get(endpoint, CONFIG).content
        assert {"main": head_of(hub)} == mirror.store.refs(TINY)
        assert ["README.md", "config.json", "model.safetensors"] == present(mirror)
        check(mirror.store)

    def test_a_sync_takes_over(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            get(endpoint, CONFIG)
        mirror.add("model", id="acme/tiny")
        assert 0 == mirror.sync().exit_code
        assert sorted(FILES) == present(mirror)
        hub.repo("model", "acme/tiny").commit({"config.json": b"{}"})
        mirror.sync()
        hub.clear()
        with through(mirror, Patience(yes=0)) as endpoint:
            assert b"{}" == get(endpoint, CONFIG).content
            assert {} == dict(hub.counts)

    def test_a_ref_that_a_sync_has_moved_stays(self, hub: FakeHub, mirror: Mirror) -> None:
        old = head_of(hub)
        with through(mirror) as endpoint:
            assert 200 == get(endpoint, CONFIG).status_code
            until(lambda: list(mirror.runs()))
            mirror.add("model", id="acme/tiny", include="*.json")
            hub.repo("model", "acme/tiny").commit({"config.json": b"{}"})
            until(lambda: synced(mirror))
            assert b"{}" == get(endpoint, CONFIG).content
            path = f"acme/tiny/resolve/{old}/model.safetensors"
            assert FILES["model.safetensors"] == get(endpoint, path).content
        assert {"main": head_of(hub)} == mirror.store.refs(TINY)
        assert ["config.json", "model.safetensors"] == present(mirror, old)
        check(mirror.store)


class TestRefusals:
    def test_upstream_down_is_not_mirrored_with_the_reason(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        with through(mirror) as endpoint:
            get(endpoint, CONFIG)
            hub.down()
            other = get(endpoint, "acme/other/resolve/main/config.json")
            file = get(endpoint, "acme/tiny/resolve/main/README.md")
            here = get(endpoint, CONFIG)
        assert (404, "RepoNotFound") == (other.status_code, other.headers["x-error-code"])
        assert "is not in this mirror (mirror add models/acme/other)" in other.text
        assert "no connection" in other.headers["x-error-message"]
        assert (404, "EntryNotFound") == (file.status_code, file.headers["x-error-code"])
        assert "x-repo-commit" not in file.headers
        assert 200 == here.status_code

    def test_a_missing_repo_is_asked_for_once(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint, httpx.Client(base_url=endpoint) as client:
            answers = {client.get("/acme/no/resolve/main/a").status_code for _ in range(100)}
        assert ({404}, 1) == (answers, len(hub.requests))

    def test_after_silence_nobody_is_asked(self, hub: FakeHub, mirror: Mirror) -> None:
        hub.fault("any", kind=Status(500), times=None)
        with through(mirror) as endpoint:
            for number in range(20):
                assert 404 == get(endpoint, f"api/models/acme/m{number}").status_code
        assert 3 == len(hub.requests)  # one question, tried three times

    def test_too_many_requests_is_come_back_later(self, hub: FakeHub, mirror: Mirror) -> None:
        hub.fault("info", kind=Status(429, {"Retry-After": "300"}), times=None)
        with through(mirror) as endpoint:
            answers = [get(endpoint, "api/models/acme/tiny") for _ in range(3)]
        assert {(503, "30")} == {(a.status_code, a.headers["retry-after"]) for a in answers}
        assert 1 == len(hub.requests)

    @pytest.mark.parametrize(
        ("rule", "word"),
        [('deny_licenses = "mit"', "deny_licenses"), ('allow_licenses = "gpl"', "allow_licenses")],
    )
    def test_the_policy(self, hub: FakeHub, mirror: Mirror, rule: str, word: str) -> None:
        policy(mirror, rule)
        with through(mirror) as endpoint:
            answer = get(endpoint, CONFIG)
        assert (404, "RepoNotFound") == (answer.status_code, answer.headers["x-error-code"])
        assert f"policy.{word}: its licence is mit" in answer.headers["x-error-message"]
        assert 0 == hub.counts["resolve"]

    @pytest.mark.parametrize("rule", ["max_repo_size", "max_mirror_size"])
    def test_a_quota_counts_what_is_asked_for(
        self, hub: FakeHub, mirror: Mirror, rule: str
    ) -> None:
        policy(mirror, f"{rule} = 2000")
        with through(mirror) as endpoint:
            assert 200 == get(endpoint, CONFIG).status_code
            answer = get(endpoint, "acme/tiny/resolve/main/model.safetensors")
        assert 404 == answer.status_code
        assert f"policy.{rule}" in answer.headers["x-error-message"]
        assert ["config.json"] == present(mirror)

    def test_wrong_bytes_are_neither_sent_nor_kept(self, hub: FakeHub, mirror: Mirror) -> None:
        hub.fault("resolve", kind=Corrupt(3), times=None)
        with through(mirror) as endpoint:
            answer = get(endpoint, CONFIG)
            again = get(endpoint, CONFIG)
        assert {404} == {answer.status_code, again.status_code}
        assert "digest" in answer.headers["x-error-message"]
        assert 2 == hub.counts["resolve"]  # a second try, then the no is remembered
        assert [] == list(mirror.store.blobs)
        assert ["failed"] == [report["outcome"] for report in mirror.runs()]

    def test_upstream_that_takes_long(
        self, hub: FakeHub, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mirror.serve.through._WAIT", 0.1)
        going = threading.Event()
        hub.on("info", lambda _: going.wait(20))
        hub.on("resolve", lambda _: going.wait(20))
        with through(mirror) as endpoint:
            answer = get(endpoint, CONFIG)
            assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
            going.set()
            until(lambda: get(endpoint, CONFIG).status_code == 200)
        assert {"info": 1, "tree": 1, "resolve": 1} == dict(hub.counts)

    def test_gone_upstream_is_written_down_once(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            get(endpoint, CONFIG)
        hub.remove("model", "acme/tiny")
        for _ in range(2):
            with through(mirror) as endpoint:
                assert 200 == get(endpoint, CONFIG).status_code
        states = [seen.state for seen in mirror.store.history(TINY)]
        assert ["ok", "unauthorized"] == states

    def test_a_sync_at_work_is_come_back_later(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            with mirror.store.write_lock("sync"):
                answer = get(endpoint, CONFIG)
                listed = HfApi(endpoint=endpoint).list_repo_files("acme/tiny")
            assert (503, "30") == (answer.status_code, answer.headers["retry-after"])
            assert set(FILES) == set(listed)
            assert 200 == get(endpoint, CONFIG).status_code

    def test_a_fault_of_the_disk_is_not_told_in_full(self, hub: FakeHub, mirror: Mirror) -> None:
        with through(mirror) as endpoint:
            forbid_lock(mirror)
            answer = get(endpoint, CONFIG)
        assert 503 == answer.status_code
        assert str(mirror.root) not in answer.text


def forbid_lock(mirror: Mirror) -> None:
    lock = mirror.store.layout.lock
    lock.unlink()
    lock.symlink_to(lock)


def test_a_folder_that_cannot_be_written_is_refused(mirror: Mirror) -> None:
    forbid_lock(mirror)
    with pytest.raises(DiskError):
        passing_for(mirror.store)


def test_mirror_run_with_upstream(hub: FakeHub, mirror: Mirror) -> None:
    code = "import huggingface_hub as h; print(open(h.hf_hub_download(*%r)).read())"
    code %= (("acme/tiny", "config.json"),)
    command = [sys.executable, "-m", "mirror", "run", "--upstream", "-C", str(mirror.root)]
    done = subprocess.run(
        [*command, "--", sys.executable, "-c", code], capture_output=True, text=True, timeout=100
    )
    assert (0, '{"model_type": "bert"}\n') == (done.returncode, done.stdout), done.stderr
    assert ["config.json"] == present(mirror)
