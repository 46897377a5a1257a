"""``--upstream``: what is not mirrored is fetched when a client asks for it, verified, and kept."""

from __future__ import annotations

import functools
import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError

from mirror import Mirror
from mirror.api.indexing import bring_up_to_date
from mirror.errors import DiskError, LockedError
from mirror.hub import Upstream
from mirror.hub.retry import Backoff
from mirror.names import RepoKey, RepoType
from mirror.serve.access import Tokens, gate_for
from mirror.serve.app import create_app
from mirror.serve.guard import TokenGuard
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from mirror.serve.through import passing_for, passing_through
from mirror.sync.keeper import Times
from mirror.sync.passing import Passing, Patience
from tests.fakehub import FakeHub, serve
from tests.fakehub.faults import Corrupt, Stall, Status
from tests.samples import sample_hub
from tests.serve.conftest import serving
from tests.serve.test_clients import PROBE, run
from tests.sync.lab import check

TINY = RepoKey(RepoType.MODEL, "acme/tiny")
FILES = {
    "README.md": "---\nlicense: mit\n---\n# Tiny\n",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 40,
    "pytorch_model.bin": b"old weights" * 100,
}
LARGE = bytes(range(256)) * 4096 * 6  # 6 MiB: several times what is fetched in one piece
CONFIG = "acme/tiny/resolve/main/config.json"
connect = functools.partial(Upstream, backoff=Backoff(retries=2, base=0.001))


@pytest.fixture
def mirror(hub: FakeHub, tmp_path: Path) -> Mirror:
    """An empty mirror of a hub that has one model."""
    hub.add_repo("model", "acme/tiny", FILES, lfs=["*.safetensors", "*.bin"])
    return Mirror.init(tmp_path / "mirror", hub.endpoint)


@contextmanager
def through(mirror: Mirror, patience: Patience | None = None, **more: Any) -> Iterator[str]:
    """Serve with --upstream while the block runs; at its end all is published."""
    app = create_app(mirror.root)
    passing = Passing(
        mirror.store,
        mirror.settings,
        token=more.pop("token", None),
        index=bring_up_to_date,
        patience=patience,
        times=more.pop("times", Times(lock=0.3, quiet=0.05)),
        connect=connect,
    )
    listener = listen("127.0.0.1", 0)
    gate = more.pop("gate", None)
    front = TokenGuard(app, gate) if gate else app
    with passing_through(app.state.shelf, passing), ServerThread(front, listener):
        yield endpoint_of(listener)


def get(endpoint: str, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{endpoint}/{path}", headers=headers, timeout=30)


def where(endpoint: str, folder: Path) -> dict[str, Any]:
    return {"endpoint": endpoint, "cache_dir": folder, "token": False}


def names(folder: str) -> set[str]:
    root = Path(folder)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def head_of(hub: FakeHub, revision: str = "main") -> str:
    commit = hub.repo("model", "acme/tiny").find(revision)
    assert commit is not None
    return commit.id


def present(mirror: Mirror, revision: str = "main") -> list[str]:
    return [file.path for file in mirror.files("acme/tiny", revision=revision).present_files]


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
            until(lambda: _synced(mirror))
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
            mirror.store.layout.lock.symlink_to(mirror.root / "lock")
            answer = get(endpoint, CONFIG)
        assert 503 == answer.status_code
        assert str(mirror.root) not in answer.text


class TestLargeFiles:
    def test_is_sent_while_it_comes(self, hub: FakeHub, mirror: Mirror) -> None:
        large(hub, mirror, stalls=True)
        with through(mirror) as endpoint, httpx.stream("GET", f"{endpoint}/{BIG}") as answer:
            length = answer.headers["content-length"]
            assert (200, str(len(LARGE))) == (answer.status_code, length)
            chunks = answer.iter_raw()
            first = next(chunks)
            assert [] == list(mirror.store.blobs)  # it is not whole
            assert LARGE == first + b"".join(chunks)
        check(mirror.store)
        assert ["big.bin"] == [file.path for file in mirror.files("acme/big").present_files]

    def test_wrong_bytes_never_end(self, hub: FakeHub, mirror: Mirror, tmp_path: Path) -> None:
        large(hub, mirror)
        hub.fault("resolve", kind=Corrupt(1000), times=None)
        with through(mirror) as endpoint:
            with pytest.raises(httpx.RemoteProtocolError):
                get(endpoint, BIG)
            with pytest.raises(EntryNotFoundError, match="digest"):
                hf_hub_download("acme/big", "big.bin", **where(endpoint, tmp_path / "no"))
        assert [] == list(mirror.store.blobs)
        assert [] == list(mirror.store.layout.partial.iterdir())

    def test_wrong_bytes_once_cut_who_has_them_and_come_right(
        self, hub: FakeHub, mirror: Mirror
    ) -> None:
        large(hub, mirror)
        hub.fault("resolve", kind=Corrupt(1000))
        with through(mirror) as endpoint:
            with pytest.raises(httpx.RemoteProtocolError):
                get(endpoint, BIG)
            assert LARGE == get(endpoint, BIG).content
        check(mirror.store)

    def test_a_range_at_its_end(self, hub: FakeHub, mirror: Mirror) -> None:
        large(hub, mirror)
        with through(mirror) as endpoint:
            answer = get(endpoint, BIG, range="bytes=-5")
        assert (206, LARGE[-5:]) == (answer.status_code, answer.content)

    def test_many_clients_are_one_fetch(self, hub: FakeHub, mirror: Mirror) -> None:
        large(hub, mirror)
        with through(mirror) as endpoint, ThreadPoolExecutor(32) as pool:
            bodies = list(pool.map(lambda _: get(endpoint, BIG).content, range(32)))
            small = list(pool.map(lambda _: get(endpoint, CONFIG).content, range(32)))
        assert ({LARGE}, {FILES["config.json"]}) == (set(bodies), set(small))
        assert len(LARGE) + len(FILES["config.json"]) == hub.sent["resolve"]
        assert {"info": 2, "tree": 2} == {name: hub.counts[name] for name in ("info", "tree")}

    def test_a_client_that_leaves_does_not_stop_it(self, hub: FakeHub, mirror: Mirror) -> None:
        large(hub, mirror, stalls=True)
        with through(mirror) as endpoint:
            with httpx.stream("GET", f"{endpoint}/{BIG}") as answer:
                next(answer.iter_raw(1))
            assert LARGE == get(endpoint, BIG).content
        assert len(LARGE) == hub.sent["resolve"]

    def test_a_byte_now_and_then_while_the_end_is_awaited(
        self, hub: FakeHub, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mirror.serve.arriving._PATIENCE", 0.01)
        large(hub, mirror, stalls=True)
        span = "bytes=0-70000"  # all of it comes before upstream stalls
        with (
            through(mirror) as endpoint,
            httpx.stream("GET", f"{endpoint}/{BIG}", headers={"range": span}) as answer,
        ):
            chunks, came = answer.iter_raw(), b""
            while len(came) < 70001 - (64 << 10) + 10:  # ten bytes of what is held back
                came += next(chunks)
            assert [] == list(mirror.store.blobs)  # it is not whole
            assert len(came) < 70001
            assert LARGE[:70001] == came + b"".join(chunks)

    def test_upstream_that_stalls_cuts_the_answer(self, hub: FakeHub, mirror: Mirror) -> None:
        large(hub, mirror)
        transfer(mirror, "read_timeout = 0.3")
        hub.fault("resolve", kind=Stall(2 << 20))
        hub.fault("resolve", kind=Stall(0), times=None)
        with through(mirror) as endpoint, pytest.raises(httpx.RemoteProtocolError):
            get(endpoint, BIG)
        assert [] == list(mirror.store.repos())
        hub.clear_faults()
        hub.clear()
        with through(mirror) as endpoint:
            assert LARGE == get(endpoint, BIG).content
        assert hub.sent["resolve"] < len(LARGE)  # it went on where it stopped


class TestReaders:
    @pytest.fixture
    def guarded(self, hub: FakeHub, mirror: Mirror) -> Iterator[tuple[str, Tokens]]:
        hub.add_token("ours")
        hub.add_repo("model", "acme/gated", {"config.json": "{}"}, gated="auto")
        gate = gate_for(mirror.root, local=False, required=False)
        with through(mirror, token="ours", gate=gate) as endpoint:
            yield endpoint, gate.tokens

    def test_gated_is_for_tokens_that_say_so(
        self, hub: FakeHub, guarded: tuple[str, Tokens]
    ) -> None:
        endpoint, tokens = guarded
        path = "acme/gated/resolve/main/config.json"
        allowed = {"authorization": f"Bearer {tokens.create('lab', gated=['acme/*'])}"}
        assert 403 == get(endpoint, path).status_code
        assert 0 == hub.counts["resolve"]
        assert 200 == get(endpoint, path, **allowed).status_code
        refused = get(endpoint, path)
        assert (403, "GatedRepo") == (refused.status_code, refused.headers["x-error-code"])

    def test_it_is_so_when_it_is_kept(
        self, hub: FakeHub, mirror: Mirror, guarded: tuple[str, Tokens]
    ) -> None:
        endpoint, tokens = guarded
        allowed = {"authorization": f"Bearer {tokens.create('lab', gated=['acme/*'])}"}
        assert 200 == get(endpoint, "acme/gated/resolve/main/config.json", **allowed).status_code
        until(lambda: list(mirror.store.repos()))
        assert 403 == get(endpoint, "acme/gated/resolve/main/config.json").status_code
        assert 403 == get(endpoint, "api/models/acme/gated").status_code

    def test_patterns_come_before_the_question(
        self, hub: FakeHub, guarded: tuple[str, Tokens]
    ) -> None:
        endpoint, tokens = guarded
        other = {"authorization": f"Bearer {tokens.create('class', ['klue/*'])}"}
        answer = get(endpoint, CONFIG, **other)
        assert (404, 0) == (answer.status_code, len(hub.requests))
        assert 200 == get(endpoint, CONFIG).status_code  # others may
        assert 404 == get(endpoint, CONFIG, **other).status_code

    def test_gated_since(self, hub: FakeHub, mirror: Mirror) -> None:
        gate = gate_for(mirror.root, local=False, required=False)
        with through(mirror, gate=gate) as endpoint:
            assert 200 == get(endpoint, CONFIG).status_code
        hub.repo("model", "acme/tiny").gated = "auto"
        hub.add_token("ours")
        with through(mirror, token="ours", gate=gate) as endpoint:
            assert 403 == get(endpoint, CONFIG).status_code
        hub.down()
        with through(mirror, gate=gate) as endpoint:
            assert 403 == get(endpoint, CONFIG).status_code


class TestKilled:
    def test_nothing_is_half_done(self, hub: FakeHub, mirror: Mirror) -> None:
        """kill -9 while a large file comes and a small one waits to be published."""
        large(hub, mirror)
        hub.fault("resolve", kind=Stall(2 << 20), path="big.bin")
        process, endpoint = start(mirror, "--upstream")
        try:
            assert 200 == get(endpoint, CONFIG).status_code
            with httpx.stream("GET", f"{endpoint}/{BIG}", timeout=30) as answer:
                next(answer.iter_raw(1))
                process.kill()
                process.wait()
        finally:
            process.kill()
            process.communicate()
        assert () == mirror.verify().problems
        hub.clear_faults()
        with through(mirror) as endpoint:
            assert LARGE == get(endpoint, BIG).content
            assert 200 == get(endpoint, CONFIG).status_code
        check(mirror.store)
        assert ["config.json"] == present(mirror)

    def test_a_stop_publishes_what_came(self, hub: FakeHub, mirror: Mirror) -> None:
        process, endpoint = start(mirror, "--upstream")
        assert 200 == get(endpoint, CONFIG).status_code
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
        assert (0, ["config.json"]) == (process.returncode, present(mirror)), error
        assert "Traceback" not in error


def test_a_folder_that_cannot_be_written_is_refused(mirror: Mirror) -> None:
    mirror.store.layout.lock.symlink_to(mirror.root / "lock")
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


class TestClients:
    """The libraries people load with, first at an empty mirror, then without upstream."""

    def test_a_snapshot(self, hub: FakeHub, mirror: Mirror, tmp_path: Path) -> None:
        with through(mirror) as endpoint:
            folder = snapshot_download("acme/tiny", **where(endpoint, tmp_path / "first"))
            assert set(FILES) == names(folder)
            assert len(FILES) == hub.counts["resolve"]
        hub.down()
        with serving(mirror.root) as endpoint:
            folder = snapshot_download("acme/tiny", **where(endpoint, tmp_path / "second"))
        assert set(FILES) == names(folder)
        assert 0 == mirror.verify().exit_code

    def test_everything_they_do(self, samples: Path, tmp_path: Path) -> None:
        hub = sample_hub(samples)
        with serve(hub):
            mirror = Mirror.init(tmp_path / "mirror", hub.endpoint)
            at_the_hub = run(hub.endpoint, tmp_path / "a", PROBE)
            with through(mirror) as endpoint:
                assert at_the_hub == run(endpoint, tmp_path / "b", PROBE)
        with through(mirror) as endpoint:  # upstream is down
            assert at_the_hub == run(endpoint, tmp_path / "c", PROBE)
        with serving(mirror.root) as endpoint:
            alone = run(endpoint, tmp_path / "d", PROBE)
        # The one difference: a listing has only what is here.
        assert set(alone["files"].pop("names")) < set(at_the_hub["files"].pop("names"))
        assert at_the_hub == alone
        assert () == mirror.verify().problems


BIG = "acme/big/resolve/main/big.bin"


def large(hub: FakeHub, mirror: Mirror, *, stalls: bool = False) -> None:
    """Add a repo with a large file; with ``stalls`` upstream pauses once, in the middle."""
    hub.add_repo("model", "acme/big", {"big.bin": LARGE}, lfs=["*.bin"])
    if stalls:
        transfer(mirror, "read_timeout = 2.0")
        hub.fault("resolve", kind=Stall(2 << 20), path="big.bin")


def policy(mirror: Mirror, line: str) -> None:
    _section(mirror, "policy", line)


def transfer(mirror: Mirror, line: str) -> None:
    _section(mirror, "transfer", line)


def _section(mirror: Mirror, name: str, line: str) -> None:
    path = mirror.store.layout.settings
    path.write_text(
        f'[upstream]\nendpoint = "{mirror.settings.upstream.endpoint}"\n[{name}]\n{line}\n'
    )


def _synced(mirror: Mirror) -> bool:
    """Sync, unless the server has the lock at this moment."""
    try:
        return mirror.sync(recheck=True).exit_code == 0
    except LockedError:
        return False


def until(found: Callable[[], object]) -> None:
    """Wait for what another thread does; the test's own time limit ends it."""
    while not found():
        threading.Event().wait(0.01)


def start(mirror: Mirror, *more: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mirror",
            "serve",
            "-C",
            str(mirror.root),
            "--port",
            "0",
            "--json",
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = "".join(iter(process.stdout.readline, "}\n"))
    return process, json.loads(f"{said}}}")["endpoint"]
