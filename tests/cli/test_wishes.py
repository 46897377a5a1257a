"""request, requests, approve, decline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirror import Mirror
from tests.api.small import small_hub
from tests.cli.conftest import Cli
from tests.fakehub import FakeHub

ROBERTA = "models/klue/roberta-small"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A lab that has nothing yet, and no network."""
    root = Mirror.init(tmp_path / "lab", "http://127.0.0.1:1").root
    with (root / "mirror.toml").open("a") as stream:
        stream.write('\n[exchange]\nname = "lab-3"\n')
    return root


@pytest.fixture
def connected(hub: FakeHub, home: Path) -> Path:
    """A mirror of a small hub, with nothing chosen."""
    return Mirror.init(home, small_hub(hub).endpoint).root


@pytest.fixture
def receipt(cli: Cli, lab: Path, tmp_path: Path) -> Path:
    """A receipt that asks for one repo."""
    cli("request", ROBERTA, "--note", "for class 2", "-C", lab)
    cli("receipt", tmp_path / "lab.json", "-C", lab)
    return tmp_path / "lab.json"


class TestRequest:
    def test_says_the_id_and_what_next(self, cli: Cli, lab: Path) -> None:
        ran = cli("request", ROBERTA, "gpt2", "--type", "model", "-C", lab)

        ids = [line.split()[0] for line in ran.out.splitlines()]
        assert [12, 12] == [len(one) for one in ids]
        assert ["models/klue/roberta-small", "models/gpt2"] == [
            line.split()[1] for line in ran.out.splitlines()
        ]
        assert "mirror receipt FILE" in ran.err

    def test_again_says_that_it_was_asked_for(self, cli: Cli, lab: Path) -> None:
        cli("request", ROBERTA, "-C", lab)
        ran = cli("request", ROBERTA, "-C", lab)
        assert "" == ran.out
        assert "was asked for by" in ran.err and ": open" in ran.err

    def test_json(self, cli: Cli, lab: Path) -> None:
        (asked,) = cli("request", ROBERTA, "--revision", "v1", "--json", "-C", lab).json
        assert ("asked", "v1", "open", "lab-3") == (
            asked["outcome"],
            asked["request"]["revision"],
            asked["request"]["state"],
            asked["request"]["lab"],
        )

    @pytest.mark.parametrize(
        "args",
        [(), ("klue/klue",), ("models/a b",), (ROBERTA, "--revision", "a..b"),
         ("x", "--withdraw", "--note", "n")],
        ids=str,
    )  # fmt: skip
    def test_what_makes_no_sense(self, cli: Cli, lab: Path, args: tuple[str, ...]) -> None:
        cli("request", *args, "-C", lab, code=2)
        assert [] == cli("requests", "--json", "-C", lab).json["ours"]

    def test_withdraw(self, cli: Cli, lab: Path) -> None:
        wish = cli("request", ROBERTA, "-C", lab).out.split()[0]
        ran = cli("request", "--withdraw", wish[:5], "-C", lab)
        assert f"not asked for any more: {ROBERTA}" in ran.err
        assert [] == cli("requests", "--json", "-C", lab).json["ours"]
        shown = cli("requests", "--all", "--json", "-C", lab).json["ours"]
        assert ["withdrawn"] == [one["state"] for one in shown]
        cli("request", "--withdraw", wish, "-C", lab, code=10)


class TestRequests:
    def test_in_the_lab(self, cli: Cli, lab: Path, receipt: Path) -> None:
        lines = cli("requests", "-C", lab).out.splitlines()
        assert ["ID", "REPO", "STATE", "ASKED", "BY", "ANSWER", "NOTE"] == lines[0].split()
        assert [ROBERTA, "carried"] == lines[1].split()[1:3]
        assert lines[1].endswith("for class 2")

    def test_a_receipt_on_the_connected_side(
        self, cli: Cli, connected: Path, receipt: Path
    ) -> None:
        ran = cli("requests", receipt)

        assert "1 new request" in ran.err and "not signed" in ran.err
        heading, row = ran.out.splitlines()
        assert "ID" == heading.split()[0]
        assert f"{ROBERTA} 108 kB mit 9,000 for class 2".split() == row.split()[1:9]
        assert row.endswith(" of lab-3")
        assert "taken in before" in cli("requests", receipt).err
        assert ran.out == cli("requests").out

    def test_what_is_refused_and_what_is_not_there(
        self, cli: Cli, connected: Path, lab: Path, receipt: Path, tmp_path: Path
    ) -> None:
        cli("request", "models/acme/nothing", "-C", lab)
        cli("receipt", tmp_path / "two.json", "-C", lab)
        text = (connected / "mirror.toml").read_text()
        text = text.replace("[policy]", '[policy]\ndeny_licenses = ["mit"]')
        (connected / "mirror.toml").write_text(text)

        out = cli("requests", tmp_path / "two.json").out

        assert "refused by policy.deny_licenses: its licence is mit" in out
        assert "upstream refuses access" in out

    def test_offline(self, cli: Cli, connected: Path, receipt: Path, hub: FakeHub) -> None:
        before = len(hub.requests)
        found = cli("requests", receipt, "--offline", "--json").json
        assert before == len(hub.requests)
        (wanted,) = found["wanted"]
        assert (ROBERTA, None, "pending") == (
            wanted["repo"], wanted["upstream"], wanted["request"]["state"],
        )  # fmt: skip
        assert ["lab-3"] == [one["lab"] for one in found["taken"]]

    def test_nothing(self, cli: Cli, connected: Path) -> None:
        assert "No request waits" in cli("requests").err

    def test_what_is_no_receipt(self, cli: Cli, connected: Path, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_text("{}")
        cli("requests", tmp_path / "x.json", code=11)
        cli("requests", tmp_path / "missing.json", code=10)


class TestDecide:
    def test_approve(self, cli: Cli, connected: Path, receipt: Path) -> None:
        cli("requests", receipt, "--offline")
        ran = cli("approve", "klue/roberta-small", "--exclude", "*.bin", "--note", "soon")
        assert '[[models]]\nid = "klue/roberta-small"\nexclude = "*.bin"' in ran.err
        assert f"approved: {ROBERTA} for " in ran.err
        assert 'id = "klue/roberta-small"' in (connected / "mirror.toml").read_text()
        assert [] == cli("requests", "--json").json["wanted"]
        (settled,) = cli("requests", "--all", "--offline", "--json").json["wanted"]
        assert ("approved", "soon") == (
            settled["request"]["state"], settled["request"]["answer"],
        )  # fmt: skip

    def test_approve_all_as_json(self, cli: Cli, connected: Path, receipt: Path) -> None:
        cli("requests", receipt, "--offline")
        found = cli("approve", "--all", "--json").json
        assert ("approved", [ROBERTA]) == (found["state"], found["repos"])
        cli("approve", "--all", code=10)

    def test_decline(self, cli: Cli, connected: Path, receipt: Path) -> None:
        cli("requests", receipt, "--offline")
        cli("decline", "klue/roberta-small", code=2)
        before = (connected / "mirror.toml").read_bytes()
        ran = cli("decline", "klue/roberta-small", "--note", "too large")
        assert f"declined: {ROBERTA} for " in ran.err
        assert before == (connected / "mirror.toml").read_bytes()

    def test_of_what_nobody_asked_for(self, cli: Cli, connected: Path) -> None:
        cli("approve", code=2)
        cli("approve", "models/acme/x", "--all", code=2)
        assert "mirror add takes any repo" in cli("approve", "models/acme/x", code=10).err
        cli("decline", "models/acme/x", "--note", "n", code=10)


def test_the_answer_is_seen_by_the_lab(
    cli: Cli, connected: Path, lab: Path, receipt: Path, tmp_path: Path
) -> None:
    ran = cli("export", tmp_path / "early", "--for", receipt)
    assert f"asks for 1 repo: mirror requests {receipt}" in ran.err
    cli("requests", receipt, "--offline")
    cli("approve", "--all")
    cli("sync", "--quiet")

    ran = cli("export", tmp_path / "out", "--for", receipt)
    assert f"{ROBERTA}: sent" in ran.out
    assert f"your request for {ROBERTA}: sent" in cli("import", tmp_path / "out", "-C", lab).err

    (ours,) = cli("requests", "--json", "-C", lab).json["ours"]
    assert (ROBERTA, "here") == (ours["repo"], ours["state"])
    written = json.loads(cli("receipt", tmp_path / "b.json", "--json", "-C", lab).out)
    assert (0, 0) == (written["requests"], written["misses"])
