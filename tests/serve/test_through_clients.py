"""``--upstream`` for large files, many clients, readers and real programs; and killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError

from mirror import Mirror
from mirror.serve.access import Tokens, gate_for
from tests.fakehub import FakeHub, serve
from tests.fakehub.faults import Corrupt, Stall
from tests.samples import sample_hub
from tests.serve.conftest import serving
from tests.serve.passing import (
    BIG,
    CONFIG,
    FILES,
    LARGE,
    get,
    large,
    names,
    present,
    start,
    through,
    transfer,
    until,
    where,
)
from tests.serve.test_clients import PROBE, run
from tests.sync.lab import check


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
