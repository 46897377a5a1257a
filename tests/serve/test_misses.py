"""What clients ask for in vain is counted, and ends up in the lab's receipt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from mirror import Mirror
from mirror.bundle.receipt import decode_receipt
from mirror.bundle.wishes.log import misses_path, read_tally, served_folder
from mirror.bundle.wishes.misses import Asked, Tally
from mirror.names import RepoKey, RepoType
from mirror.serve.access import Tokens, gate_for
from mirror.serve.errors import Miss
from mirror.serve.front import make_front
from mirror.serve.misses import MissLog, can_record
from mirror.serve.options import ServeOptions
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from tests.serve.conftest import QA

BERT = RepoKey(RepoType.MODEL, "google-bert/bert-base-uncased")
ROBERTA = RepoKey(RepoType.MODEL, "klue/roberta-small")
NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)


def counts(folder: Path) -> dict[Asked, int]:
    return {asked: times.count for asked, times in read_tally(folder).misses.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exchange" / "serve"


@pytest.fixture
def log(folder: Path) -> MissLog:
    return MissLog(folder, lambda: NOW)


class TestMissLog:
    def test_writes_when_there_is_something(self, log: MissLog, folder: Path) -> None:
        log.flush()
        assert not folder.exists()
        for _ in range(3):
            log.note(Miss(BERT))
        log.note(Miss(ROBERTA, "main", "pytorch_model.bin"))

        log.flush()
        log.flush()

        assert {Asked(BERT): 3, Asked(ROBERTA, "main", "pytorch_model.bin"): 1} == counts(folder)
        assert {"misses.json"} == {path.name for path in folder.iterdir()}

    def test_two_servers_add_up(self, folder: Path) -> None:
        logs = [MissLog(folder, lambda: NOW) for _ in range(4)]

        def work(log: MissLog) -> None:
            for number in range(20):
                log.note(Miss(BERT, f"v{number}"))
                log.flush()

        threads = [threading.Thread(target=work, args=(log,)) for log in logs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {Asked(BERT, f"v{number}"): 4 for number in range(20)} == counts(folder)

    def test_writes_at_the_end(self, log: MissLog, folder: Path) -> None:
        with log.recording():
            log.note(Miss(BERT))
            assert not folder.exists()
        assert {Asked(BERT): 1} == counts(folder)

    def test_writes_now_and_then(self, log: MissLog, folder: Path) -> None:
        written = threading.Event()

        class Watched(MissLog):
            def flush(self) -> None:
                super().flush()
                if misses_path(folder).exists():
                    written.set()

        log = Watched(folder, lambda: NOW)
        with log.recording(0.01):
            log.note(Miss(BERT))
            assert written.wait(30)

    def test_names_that_nobody_can_have_are_not_counted(self, log: MissLog, folder: Path) -> None:
        log.note(Miss(BERT, "a b\x1b"))
        log.flush()
        assert not folder.exists()

    def test_a_file_that_is_damaged_begins_anew(self, log: MissLog, folder: Path) -> None:
        folder.mkdir(parents=True)
        misses_path(folder).write_bytes(b"{cut sho")
        log.note(Miss(BERT))
        log.flush()
        assert {Asked(BERT): 1} == counts(folder)

    def test_a_disk_that_refuses_is_said_once(
        self, log: MissLog, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder.parent.mkdir()
        folder.write_text("in the way")
        for _ in range(3):
            log.note(Miss(BERT))
            log.flush()
        assert 1 == len(caplog.records)
        assert Tally() == read_tally(folder)

    def test_whether_it_can_be_recorded(self, tmp_path: Path, folder: Path) -> None:
        assert can_record(folder)
        (tmp_path / "exchange").write_text("in the way")
        assert not can_record(folder)


def ask(endpoint: str, path: str, token: str | None = None) -> int:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(endpoint + path, headers=headers)) as reply:
            return int(reply.status)
    except HTTPError as error:
        error.close()
        return error.code


class Serving:
    """A server in a thread that counts."""

    def __init__(self, root: Path, *, required: bool = False) -> None:
        front = make_front(root, ServeOptions(), gate_for(root, local=True, required=required))
        self.log = MissLog(served_folder(front.shelf.store))
        front.shelf.on_miss = self.log.note
        self.listener = listen("127.0.0.1", 0)
        self.endpoint = endpoint_of(self.listener)
        self.thread = ServerThread(front.app, self.listener)


@pytest.fixture
def counting(own_root: Path) -> Iterator[Serving]:
    serving = Serving(own_root)
    with serving.thread:
        yield serving


def receipt_of(mirror: Mirror, path: Path) -> list[dict[str, Any]]:
    mirror.exchange.receipt(path)
    return [dict(item) for item in decode_receipt(path.read_bytes(), str(path)).misses]


class TestAServer:
    def test_its_misses_are_in_the_receipt(
        self, counting: Serving, own_root: Path, tmp_path: Path
    ) -> None:
        for path in (
            f"/api/models/{BERT.repo_id}",
            f"/{BERT.repo_id}/resolve/main/config.json",
            f"/datasets/{QA}/resolve/v99/README.md",
            f"/{ROBERTA.repo_id}/resolve/main/pytorch_model.bin",
            f"/{ROBERTA.repo_id}/resolve/main/adapter_config.json",  # nor upstream
            "/api/nothing/of/that/kind",
            "/favicon.ico",
        ):
            assert 404 == ask(counting.endpoint, path), path
        assert 200 == ask(counting.endpoint, f"/{ROBERTA.repo_id}/resolve/main/config.json")
        counting.log.flush()

        found = receipt_of(Mirror(own_root), tmp_path / "receipt.json")

        told = [(one["repo"], one["count"], one["whole"]) for one in found]
        assert [
            (str(BERT), 2, True),
            (f"datasets/{QA}", 1, False),
            (str(ROBERTA), 1, False),
        ] == told
        assert [[], ["v99"], []] == [one["revisions"] for one in found]
        assert [[], [], ["pytorch_model.bin"]] == [one["files"] for one in found]
        for text in (misses_path(served_folder(Mirror(own_root).store)).read_text(), str(found)):
            assert "127.0.0.1" not in text

    def test_what_has_come_since_is_no_miss(
        self, counting: Serving, own_root: Path, tmp_path: Path
    ) -> None:
        mirror = Mirror(own_root)
        for path in (f"/api/models/{BERT.repo_id}", f"/{ROBERTA.repo_id}/resolve/v7/config.json"):
            ask(counting.endpoint, path)
        counting.log.flush()
        refs_path = mirror.store.layout.refs(ROBERTA)
        refs = json.loads(refs_path.read_text())
        refs_path.write_text(json.dumps({**refs, "v7": refs["main"]}))

        found = receipt_of(mirror, tmp_path / "receipt.json")

        assert [str(BERT)] == [one["repo"] for one in found]

    def test_none_that_the_asker_may_not_see(self, own_root: Path) -> None:
        serving = Serving(own_root, required=True)
        token = Tokens(own_root).create("class", ["klue/*"])
        with serving.thread:
            for repo in (BERT.repo_id, "klue/nothing"):
                assert 404 == ask(serving.endpoint, f"/api/models/{repo}", token)
            assert 401 == ask(serving.endpoint, "/api/models/klue/other")
        serving.log.flush()

        found = counts(served_folder(Mirror(own_root).store))

        assert {Asked(RepoKey(RepoType.MODEL, "klue/nothing")): 1} == found


class TestTheCommand:
    def serve(self, root: Path, *more: str) -> str:
        """Ask a `mirror serve` for what it has not, and stop it; gives what it said."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror", "serve", "--port", "0", "--json", "--no-log", *more],
            env=os.environ | {"MIRROR_HOME": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            said = "".join(iter(process.stdout.readline, "}\n")) + "}"
            ask(json.loads(said)["endpoint"], f"/api/models/{BERT.repo_id}")
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        assert 0 == process.returncode, err
        return err

    def test_counts_until_it_is_stopped(self, own_root: Path) -> None:
        self.serve(own_root)
        assert {Asked(BERT): 1} == counts(served_folder(Mirror(own_root).store))

    def test_unless_it_shall_not(self, own_root: Path) -> None:
        self.serve(own_root, "--no-misses")
        assert not served_folder(Mirror(own_root).store).exists()

    def test_says_where_it_may_not_write(self, own_root: Path) -> None:
        folder = served_folder(Mirror(own_root).store)
        folder.parent.mkdir(exist_ok=True)
        folder.write_text("in the way")
        assert f"{folder} cannot be written" in self.serve(own_root)
