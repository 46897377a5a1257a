"""plan, sync, status, runs: against a real hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mirror import Mirror
from tests.api.small import select_all
from tests.cli.conftest import Cli
from tests.fakehub import FakeHub, Stall, Status, Truncate


@pytest.fixture
def selected(small: FakeHub, home: Path) -> Mirror:
    """A mirror with a selection, and nothing in it."""
    mirror = Mirror.init(home, small.endpoint)
    select_all(mirror)
    return mirror


def section(text: str, label: str) -> str:
    """The value after a label of an account."""
    (line,) = [line for line in text.splitlines() if line.split("  ")[0] == label]
    return line.removeprefix(label).strip()


class TestPlan:
    def test_says_all_before_anything_is_fetched(
        self, cli: Cli, selected: Mirror, small: FakeHub
    ) -> None:
        ran = cli("plan")

        lines = [line.split() for line in ran.out.splitlines()]
        assert ["REPO", "REVISION", "CHANGE", "FETCH", "SIZE", "REUSE"] == lines[0][:6]
        assert ["models/klue/roberta-small", "main", "new", "3"] == next(
            line[:4] for line in lines if "roberta" in line[0]
        )
        assert "1 file, 5.4 kB" == section(ran.out, "skip")
        assert section(ran.out, "requests").startswith("11 to come, ")
        assert [] == small.paths("resolve")
        assert [] == list(selected.store.repos())

    def test_files_with_reasons(self, cli: Cli, selected: Mirror) -> None:
        text = cli("plan", "klue/roberta-small", "--files").out

        (line,) = [line for line in text.splitlines() if "pytorch_model.bin" in line]
        assert ["skip", "5.4", "kB", "pytorch_model.bin", "exclude", "*.bin"] == line.split()

    def test_json_is_what_sync_then_does(self, cli: Cli, selected: Mirror) -> None:
        plan = cli("plan", "--files", "--json").json
        assert plan == cli("sync", "--dry-run", "--json").json | {"repos": plan["repos"]}
        report = cli("sync", "--json").json

        assert plan["total"]["fetch"] == report["fetched"]
        assert plan["requests"]["files_to_fetch"] == report["requests"]["resolve"]
        assert {"path", "size", "action", "because"} == set(plan["repos"][0]["files"][0])

    def test_nothing_to_do(self, cli: Cli, selected: Mirror) -> None:
        cli("sync")

        ran = cli("plan")

        assert "0 files, 0 B" == section(ran.out, "fetch")
        assert "6 repos" == section(ran.out, "unchanged")

    def test_names_what_is_refused_and_what_fails(
        self, cli: Cli, selected: Mirror, small: FakeHub
    ) -> None:
        small.repo("model", "klue/roberta-small").gated = "manual"
        text = (selected.root / "mirror.toml").read_text()
        (selected.root / "mirror.toml").write_text(
            text.replace("[policy]", '[policy]\ngated = "deny"')
        )
        selected.add("model", id="acme/nope")

        ran = cli("plan", code=4)

        assert (
            "refused: models/klue/roberta-small main: the repo is gated (policy.gated)" in ran.out
        )
        assert "failed: models/acme/nope main: " in ran.out
        assert "1 repo" == section(ran.out, "refused")

    def test_says_where_a_selection_is_empty(self, cli: Cli, home: Path, small: FakeHub) -> None:
        mirror = Mirror.init(home, small.endpoint)
        nothing = "note: mirror.toml selects nothing: add what to mirror with mirror add\n"
        assert nothing in cli("plan").out
        mirror.add("model", author="klu")
        mirror.add("model", id="klue/roberta-small", include="*.jsno")

        notes = [
            "models.1: the query finds no repo",
            "models/klue/roberta-small: none of its 4 files is selected (not in include)",
        ]
        assert notes == [
            line.removeprefix("note: ")
            for line in cli("plan").out.splitlines()
            if line.startswith("note: ")
        ]
        ran = cli("sync")
        assert all(f"note: {note}" in ran.err for note in notes)
        assert "the query finds no repo" in cli("status").out
        assert notes[:1] == cli("plan", "--json").json["notes"]

    def test_upstream_is_down(self, cli: Cli, selected: Mirror, small: FakeHub) -> None:
        _impatient(selected)
        small.down()

        ran = cli("plan", code=6)

        assert "failed: " in ran.out + ran.err

    def test_hostile_names_do_not_reach_the_terminal(
        self, cli: Cli, selected: Mirror, small: FakeHub
    ) -> None:
        small.repo("dataset", "acme/numbers").commit({"\x1b[2Jx.csv": b"n\n"})

        ran = cli("plan", "acme/numbers", "--files", code=5)

        assert "\x1b" not in ran.out + ran.err
        assert "which is refused" in ran.out


def _impatient(mirror: Mirror) -> None:
    path = mirror.root / "mirror.toml"
    path.write_text(path.read_text().replace("[transfer]", "[transfer]\nretries = 0"))


class TestSync:
    def test_end_to_end(self, cli: Cli, selected: Mirror, small: FakeHub) -> None:
        ran = cli("sync")

        *_, last = ran.out.splitlines()
        assert last.startswith("ok published=6 new=6 updated=0 filled=0 unchanged=0")
        assert 1 == len(ran.out.splitlines())
        assert "new: models/klue/roberta-small main " in ran.err
        assert "6 snapshots published" in ran.err
        small.repo("dataset", "acme/numbers").commit({"more.csv": b"n\n3\n"})
        ran = cli("sync")
        assert ran.out.startswith("ok published=1 new=0 updated=1 filled=0 unchanged=5")
        assert "update: datasets/acme/numbers main " in ran.err
        assert "1 file, 4 B fetched, 1 file reused" in ran.err

    def test_quietly(self, cli: Cli, selected: Mirror) -> None:
        ran = cli("sync", "-q")

        assert "" == ran.err
        assert ran.out.startswith("ok published=6")

    def test_one_that_fails_stops_no_other(
        self, cli: Cli, selected: Mirror, small: FakeHub
    ) -> None:
        small.fault("resolve", repo="klue/roberta-small", kind=Status(403), times=None)

        ran = cli("sync", "--quiet", code=4)

        assert ran.out.startswith("partial published=5")
        assert "failed: models/klue/roberta-small main: " in ran.err
        assert 10 == cli("path", "klue/roberta-small", code=10).code
        small.clear_faults()
        assert cli("sync").out.startswith("ok published=1")

    def test_json_holds_the_whole_report(self, cli: Cli, selected: Mirror) -> None:
        ran = cli("sync", "klue/roberta-small", "--json", "-q")

        assert ("ok", 0) == (ran.json["outcome"], ran.json["exit_code"])
        assert ["klue/roberta-small"] == [change["repo_id"] for change in ran.json["published"]]
        assert ran.json == cli("runs", "--last").json

    def test_locked(self, cli: Cli, selected: Mirror) -> None:
        with selected.store.write_lock("verify"):
            ran = cli("sync", "--json", code=8)

        assert ("locked", 8) == (ran.json["error"], ran.json["exit_code"])
        assert f"pid {os.getpid()}" in ran.err

    def test_settings_are_wrong(self, cli: Cli, selected: Mirror, small: FakeHub) -> None:
        path = selected.root / "mirror.toml"
        path.write_text(path.read_text() + 'exlude = "*.bin"\n')

        ran = cli("sync", code=3)

        assert "models.3.exlude: unknown key; expected one of author, exclude" in ran.err
        assert [] == small.requests

    def test_the_token_is_in_no_output(self, cli: Cli, selected: Mirror, small: FakeHub) -> None:
        small.add_token("hf_secret123")
        small.repo("model", "klue/roberta-small").private = True
        selected.add("model", id="acme/nope")

        ran = cli("sync", "--json", code=4, HF_TOKEN="hf_secret123")

        assert ["acme/nope"] == [problem["repo_id"] for problem in ran.json["failed"]]
        assert "hf_secret123" not in ran.out + ran.err
        runs = "".join(path.read_text() for path in (selected.root / "runs").iterdir())
        assert "hf_secret123" not in runs

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_cleanly_and_it_goes_on_later(
        self, cli: Cli, selected: Mirror, small: FakeHub, number: signal.Signals
    ) -> None:
        small.fault("resolve", path="*.safetensors", kind=Stall(after=1000), times=None)
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror", "sync", "--json"],
            env=os.environ | {"MIRROR_HOME": str(selected.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        published = "new: datasets/acme/numbers"
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(published):
                break
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)

        assert 130 == process.returncode
        report = json.loads(out)
        assert "interrupted" == report["outcome"]
        assert "klue/roberta-small" not in {one["repo_id"] for one in report["published"]}
        small.clear_faults()
        assert cli("sync").out.startswith("ok ")
        assert 0 == cli("verify").code

    def test_a_file_that_breaks_off_is_fetched_to_its_end(
        self, cli: Cli, selected: Mirror, small: FakeHub
    ) -> None:
        small.fault("resolve", path="*.safetensors", kind=Truncate(at=5000))

        assert cli("sync").out.startswith("ok published=6")


class TestStatus:
    def test_before_the_first_sync(self, cli: Cli, selected: Mirror) -> None:
        ran = cli("status")

        assert "5 entries in mirror.toml" == section(ran.out, "selected")
        assert "never; mirror sync fetches what is selected" == section(ran.out, "last sync")
        assert "never synced" in cli("status", "--check", code=4).err

    def test_of_a_healthy_mirror(self, cli: Cli, offline: Mirror) -> None:
        ran = cli("status", "-C", offline.root)

        assert "3 models, 2 datasets, 0 spaces; 6 snapshots" == section(ran.out, "repos")
        assert "yes" == section(ran.out, "well?")
        checked = cli("status", "-C", offline.root, "--check", "--max-age", "36h")
        assert ("", "") == (checked.out, checked.err)

    def test_names_what_failed_what_is_refused_and_what_is_gone(
        self, cli: Cli, small: FakeHub, synced: Mirror
    ) -> None:
        small.repo("model", "klue/roberta-small").gated = "auto"
        small.repo("model", "klue/roberta-small").commit({"x": b"y"})
        text = (synced.root / "mirror.toml").read_text()
        (synced.root / "mirror.toml").write_text(
            text.replace("[policy]", '[policy]\ngated = "deny"')
        )
        small.options.missing_status = 404
        small.remove("dataset", "acme/numbers")
        cli("sync", "-q", "-C", synced.root, code=4)

        ran = cli("status", "-C", synced.root)

        assert "Failed in the last sync:\n  datasets/acme/numbers main: " in ran.out
        assert "models/klue/roberta-small main: the repo is gated (policy.gated)" in ran.out
        assert "  datasets/acme/numbers  gone since 20" in ran.out
        found = cli("status", "-C", synced.root, "--json").json
        assert ["the last sync ended partial"] == found["complaints"]
        assert ["gone"] == [lost["state"] for lost in found["lost"]]
        assert (
            "the last sync ended partial" in cli("status", "--check", "-C", synced.root, code=4).err
        )

    def test_too_old(self, offline: Mirror) -> None:
        from datetime import datetime

        status = offline.status()
        finished = datetime.fromisoformat(str(status.last_success))
        later = finished + timedelta(hours=37)

        assert [] == status.complaints(timedelta(hours=38), now=later)
        assert [f"no successful sync since {status.last_success}"] == status.complaints(
            timedelta(hours=36), now=later
        )

    def test_a_report_that_cannot_be_read_is_no_reason_to_fail(
        self, cli: Cli, synced: Mirror
    ) -> None:
        (synced.root / "runs" / "99991231T000000.000000Z.json").write_text("{")

        ran = cli("runs", "-C", synced.root)

        assert ["99991231T000000.000000Z.json", "", "damaged"] == ran.rows[0][:3]
        assert "sync" == ran.rows[1][1]
        assert 0 == cli("status", "--check", "-C", synced.root).code

    @pytest.mark.parametrize("age", ["soon", "36", "-1h", "1.5h"])
    def test_an_age_that_is_none(self, cli: Cli, offline: Mirror, age: str) -> None:
        ran = cli("status", "--check", "--max-age", age, "-C", offline.root, code=2)

        assert "expected a time such as 90m, 36h, 8d or 2w" in ran.err

    def test_an_age_without_check(self, cli: Cli, offline: Mirror) -> None:
        assert "goes with --check" in cli("status", "--max-age", "1h", code=2).err


class TestRuns:
    def test_newest_first(self, cli: Cli, synced: Mirror, small: FakeHub) -> None:
        cli("sync", "acme/numbers", "-C", synced.root)
        cli("verify", "acme/numbers", "-C", synced.root)

        rows = cli("runs", "-C", synced.root).rows

        assert [("verify", "ok"), ("sync", "ok"), ("sync", "ok")] == [
            (row[1], row[2]) for row in rows
        ]
        assert ["6", "0", "0"] == rows[2][4:7]
        assert 1 == len(cli("runs", "--limit", "1", "-C", synced.root).rows)
        assert ["verify", "sync", "sync"] == [
            run["kind"] for run in cli("runs", "--json", "-C", synced.root).json
        ]

    def test_none(self, cli: Cli, home: Path) -> None:
        Mirror.init(home)

        assert "" == cli("runs").out
        assert cli("runs", "--last").json is None
