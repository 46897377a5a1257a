"""The way back over the whole road: a lab, a receipt, a connected side, a bundle, a lab."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror import Mirror
from mirror.bundle.receipt import decode_receipt, encode_receipt, make_receipt
from mirror.bundle.wishes.events import MAX_WISHES, make_wish
from mirror.bundle.wishes.log import misses_path, requests_path, served_folder
from mirror.bundle.wishes.misses import Asked, Tally, Times, encode_tally
from mirror.errors import (
    BadNameError,
    DamagedBundleError,
    LockedError,
    MirrorError,
    MissingSignatureError,
    NotFoundError,
    SettingsError,
    UnknownSignerError,
    UsageError,
)
from mirror.names import RepoKey, RepoType
from tests.fakehub import FakeHub
from tests.fakehub.faults import Status

ROBERTA = RepoKey(RepoType.MODEL, "klue/roberta-small")
NUMBERS = RepoKey(RepoType.DATASET, "acme/numbers")
TIME = "2026-05-01T10:00:00+00:00"


@dataclass(frozen=True)
class Gap:
    """A connected mirror and a lab that has what it had in the beginning."""

    connected: Mirror
    lab: Mirror
    folder: Path

    def receipt(self, name: str = "lab.json", **more: Any) -> Path:
        path = self.folder / name
        self.lab.exchange.receipt(path, **more)
        return path

    def carry(self, receipt: Path, name: str = "bundle") -> tuple[tuple[str, str, str], ...]:
        """Export for a receipt and take that in; gives the answers that went along."""
        out = self.folder / name
        exchange = self.connected.exchange
        plan = exchange.plan_export(receipt=receipt)
        assert not plan.is_empty
        exchange.export(plan, out)
        for arrival in self.lab.exchange.inspect([out]):
            self.lab.exchange.take_in(arrival)
        return tuple((one.repo, one.state, one.note) for one in plan.addressee.answers)

    def states(self) -> dict[str, str]:
        return {one.wish.name: one.state for one in self.lab.wishes.book.ours.values()}


def name_it(mirror: Mirror, name: str) -> None:
    path = mirror.root / "mirror.toml"
    path.write_text(f'{path.read_text()}\n# whose it is\n[exchange]\nname = "{name}"\n')


@pytest.fixture
def gap(small: FakeHub, tmp_path: Path) -> Gap:
    connected = Mirror.init(tmp_path / "connected", small.endpoint)
    lab = Mirror.init(tmp_path / "lab", "http://127.0.0.1:1")  # no network there
    name_it(connected, "library")
    name_it(lab, "lab-3")
    connected.add("dataset", id="acme/numbers")
    assert 0 == connected.sync().exit_code
    gap = Gap(connected, lab, tmp_path)
    exchange = connected.exchange
    exchange.export(exchange.plan_export(), tmp_path / "first")
    for arrival in lab.exchange.inspect([tmp_path / "first"]):
        lab.exchange.take_in(arrival)
    return gap


def toml_of(mirror: Mirror) -> str:
    return (mirror.root / "mirror.toml").read_text(encoding="utf-8")


class TestTheWholeRoad:
    def test_a_wish_comes_back_as_a_repo(self, gap: Gap) -> None:
        (ask,) = gap.lab.wishes.ask(["models/klue/roberta-small"], note="for class 2")
        assert ("asked", {"models/klue/roberta-small": "open"}) == (ask.outcome, gap.states())
        first = gap.receipt()
        assert {"models/klue/roberta-small": "carried"} == gap.states()

        taken = gap.connected.wishes.take(first)
        assert ("lab-3", 1, 0, False) == (taken.lab, taken.new, taken.unreadable, taken.again)
        (wanted,) = gap.connected.wishes.look(gap.connected.wishes.wanted())
        found = wanted.prospect
        assert found is not None
        assert (("mit",), 9000, False, "", "") == (
            found.licenses, found.downloads, found.gated, found.refused_by, found.error,
        )  # fmt: skip
        assert 107_800 < (found.size or 0) == found.to_fetch
        assert not found.mirrored and not wanted.selected

        assert (("models/klue/roberta-small", "pending", ""),) == gap.carry(first, "one")
        assert {"models/klue/roberta-small": "pending"} == gap.states()

        decision = gap.connected.wishes.approve([ask.standing.wish.id[:4]], note="this week")  # type: ignore[union-attr]
        assert ('[[models]]\nid = "klue/roberta-small"\n',) == decision.added
        assert "# whose it is" in toml_of(gap.connected)
        assert () == gap.connected.wishes.wanted()
        second = gap.receipt("second.json")
        answer = ("models/klue/roberta-small", "approved", "this week")
        assert (answer,) == gap.carry(second, "two")
        assert {"models/klue/roberta-small": "approved"} == gap.states()

        assert 0 == gap.connected.sync().exit_code
        third = gap.receipt("third.json")
        answer = ("models/klue/roberta-small", "sent", "this week")
        assert (answer,) == gap.carry(third, "three")
        assert {"models/klue/roberta-small": "sent"} == gap.states()
        assert gap.lab.wishes.has(ask.standing.wish)  # type: ignore[union-attr]
        assert gap.lab.path("klue/roberta-small").is_dir()

        assert () == decode_receipt(gap.receipt("fourth.json").read_bytes(), "").requests

    def test_no_says_why(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/roberta-small"])
        receipt = gap.receipt()
        gap.connected.wishes.take(receipt)
        before = toml_of(gap.connected)

        gap.connected.wishes.decline(["klue/roberta-small"], note="pickled\nweights")

        assert before == toml_of(gap.connected)
        answers = gap.carry(receipt)
        assert (("models/klue/roberta-small", "declined", "pickled weights"),) == answers
        (standing,) = gap.lab.wishes.book.ours.values()
        assert ("declined", "pickled weights") == (standing.state, standing.note)
        assert () == decode_receipt(gap.receipt("next.json").read_bytes(), "").requests

    def test_a_mind_that_changes(self, gap: Gap) -> None:
        (ask,) = gap.lab.wishes.ask(["models/klue/roberta-small"])
        wish = ask.standing.wish.id  # type: ignore[union-attr]
        gap.connected.wishes.take(gap.receipt())
        gap.connected.wishes.decline([wish], note="no")
        with pytest.raises(NotFoundError):
            gap.connected.wishes.approve(["klue/roberta-small"])
        gap.connected.wishes.approve([wish])
        assert "approved" == gap.connected.wishes.book.theirs[wish].state

    def test_a_lost_bundle_loses_no_answer(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/roberta-small"])
        receipt = gap.receipt()
        gap.connected.wishes.take(receipt)
        plan = gap.connected.exchange.plan_export(receipt=receipt)
        gap.connected.exchange.export(plan, gap.folder / "lost")

        answers = gap.carry(gap.receipt("again.json"))

        assert (("models/klue/roberta-small", "pending", ""),) == answers

    def test_the_same_state_and_receipt_give_the_same_bytes(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/roberta-small", "models/klue/klue"])
        receipt = gap.receipt()
        gap.connected.wishes.take(receipt)
        gap.connected.wishes.decline(["models/klue/klue"], note="no")
        exchange = gap.connected.exchange
        heads = []
        for name in ("x", "y"):
            done = exchange.export(exchange.plan_export(receipt=receipt), gap.folder / name)
            heads.append((done.folders[0] / "bundle.json").read_bytes())
        assert heads[0] == heads[1]
        assert 2 == len(json.loads(heads[0])["answers"])

    def test_a_bundle_that_is_limited_to_other_repos_says_approved(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/roberta-small"])
        receipt = gap.receipt()
        gap.connected.wishes.take(receipt)
        gap.connected.wishes.approve(all_pending=True)
        assert 0 == gap.connected.sync().exit_code
        plan = gap.connected.exchange.plan_export(["acme/numbers"], receipt=receipt)
        assert ["approved"] == [one.state for one in plan.addressee.answers]
        plan = gap.connected.exchange.plan_export(receipt=receipt, full=True)
        assert ["sent"] == [one.state for one in plan.addressee.answers]

    def test_an_export_says_what_nobody_has_looked_at(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/roberta-small"])
        receipt = gap.receipt()
        plan = gap.connected.exchange.plan_export(receipt=receipt)
        assert (1, ()) == (plan.addressee.unseen, plan.addressee.answers)
        gap.connected.wishes.take(receipt)
        assert 0 == gap.connected.exchange.plan_export(receipt=receipt).addressee.unseen


class TestAsk:
    def test_what_is_here_is_not_asked_for(self, gap: Gap) -> None:
        here, not_here = (
            gap.lab.wishes.ask(["datasets/acme/numbers"], revision=revision)[0]
            for revision in (None, "v9")
        )
        assert ("here", "asked") == (here.outcome, not_here.outcome)
        assert {"datasets/acme/numbers@v9": "open"} == gap.states()

    def test_twice_is_once(self, gap: Gap) -> None:
        (first,) = gap.lab.wishes.ask(["klue/klue", "klue/klue"], RepoType.MODEL)
        (again,) = gap.lab.wishes.ask(["models/klue/klue"], note="really")
        assert ("asked", "asked before") == (first.outcome, again.outcome)
        assert 1 == len(gap.states())

    def test_all_or_nothing(self, gap: Gap) -> None:
        with pytest.raises(BadNameError):
            gap.lab.wishes.ask(["models/klue/klue", "klue/klue"])
        assert {} == gap.states()

    def test_no_more_than_a_receipt_carries(self, gap: Gap) -> None:
        gap.lab.wishes.ask([f"models/acme/m{n}" for n in range(MAX_WISHES)])
        with pytest.raises(UsageError, match="no more"):
            gap.lab.wishes.ask(["models/acme/one-more"])
        assert MAX_WISHES == len(gap.states())

    def test_while_another_writes(self, gap: Gap) -> None:
        with gap.lab.store.write_lock("sync"), pytest.raises(LockedError):
            Mirror(gap.lab.root).wishes.ask(["models/klue/klue"])

    def test_withdrawn_before_and_after_it_was_carried(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/klue", "models/klue/roberta-small", "models/gpt2"])
        gap.lab.wishes.withdraw(["models/klue/klue"])
        gap.connected.wishes.take(gap.receipt())
        assert 2 == len(gap.connected.wishes.wanted())

        gap.lab.wishes.withdraw(["gpt2"])
        with pytest.raises(NotFoundError):
            gap.lab.wishes.withdraw(["gpt2"])
        gap.connected.wishes.take(gap.receipt("later.json"))

        assert [ROBERTA] == [one.repo for one in gap.connected.wishes.wanted()]


class TestLook:
    def look(self, gap: Gap, *repos: str, **more: Any) -> list[Any]:
        gap.lab.wishes.ask(repos, **more)
        gap.connected.wishes.take(gap.receipt())
        wishes = gap.connected.wishes
        return [one.prospect for one in wishes.look(wishes.wanted())]

    def test_what_is_not_there_stands_in_its_row(self, gap: Gap, small: FakeHub) -> None:
        gone, there = self.look(gap, "models/acme/nothing", "models/klue/roberta-small")
        assert "refuses access" in gone.error
        assert (None, ()) == (gone.size, gone.licenses)
        assert ("", ("mit",)) == (there.error, there.licenses)

    def test_a_hub_that_is_down_stops_nothing(self, gap: Gap, small: FakeHub) -> None:
        small.fault("any", kind=Status(503), times=None)
        found = self.look(gap, "models/klue/klue", "models/klue/roberta-small")
        assert 2 == len([one for one in found if one.error])

    def test_gated_without_access(self, gap: Gap, small: FakeHub) -> None:
        small.add_repo("model", "acme/gated", {"config.json": b"{}"}, gated="manual", downloads=5)
        (found,) = self.look(gap, "models/acme/gated")
        assert found.gated

    def test_which_rule_would_refuse_it(self, gap: Gap, small: FakeHub) -> None:
        path = gap.connected.root / "mirror.toml"
        path.write_text(
            toml_of(gap.connected).replace("[policy]", '[policy]\ndeny_licenses = ["mit"]')
        )
        (found,) = self.look(gap, "models/klue/roberta-small")
        assert "policy.deny_licenses: its licence is mit" == found.refused_by
        assert found.size > 100_000

    def test_a_revision_and_a_new_name(self, gap: Gap, small: FakeHub) -> None:
        (found,) = self.look(gap, "models/gpt2")
        assert RepoKey(RepoType.MODEL, "openai-community/gpt2") == found.now

    def test_a_tag(self, gap: Gap, small: FakeHub) -> None:
        (found,) = self.look(gap, "datasets/klue/klue", revision="v1.0")
        assert (1, 7) == (found.files, found.size)

    def test_what_is_mirrored_already(self, gap: Gap) -> None:
        gap.connected.add("model", id="klue/klue")
        gap.connected.sync()
        (found,) = self.look(gap, "models/klue/klue")
        assert (True, 0) == (found.mirrored, found.to_fetch)


class TestApprove:
    def test_all_of_it_or_nothing(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/klue", "models/klue/roberta-small"])
        gap.connected.wishes.take(gap.receipt())
        before = toml_of(gap.connected)

        with pytest.raises(NotFoundError):
            gap.connected.wishes.approve(["models/klue/klue", "models/acme/nobody-asked"])
        with pytest.raises(SettingsError):
            gap.connected.wishes.approve(all_pending=True, max_size="very large")

        assert before == toml_of(gap.connected)
        assert 2 == len(gap.connected.wishes.wanted())

    def test_with_patterns_and_revisions(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["datasets/klue/klue"])
        gap.lab.wishes.ask(["datasets/klue/klue"], revision="v1.0")
        gap.connected.wishes.take(gap.receipt())

        decision = gap.connected.wishes.approve(["klue/klue"], exclude=("*.bin",))

        lines = '[[datasets]]\nid = "klue/klue"\nrevisions = ["main", "v1.0"]\nexclude = "*.bin"\n'
        assert (lines,) == decision.added

    def test_what_is_selected_already_is_only_answered(self, gap: Gap) -> None:
        gap.connected.add("model", id="klue/roberta-small")
        gap.lab.wishes.ask(["models/klue/roberta-small", "models/klue/klue"])
        gap.connected.wishes.take(gap.receipt())

        decision = gap.connected.wishes.approve(all_pending=True)

        assert ((ROBERTA,), 1, 2) == (decision.selected, len(decision.added), len(decision.wishes))

    def test_one_id_of_two_types(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/klue", "datasets/klue/klue"])
        gap.connected.wishes.take(gap.receipt())
        with pytest.raises(UsageError, match="several repos"):
            gap.connected.wishes.approve(["klue/klue"])

    def test_no_without_a_reason(self, gap: Gap) -> None:
        with pytest.raises(UsageError, match="why not"):
            gap.connected.wishes.decline(["klue/klue"], note=" \x1b ")


def missed(gap: Gap, *asked: Asked) -> None:
    """Let the lab's server have counted."""
    folder = served_folder(gap.lab.store)
    folder.mkdir(parents=True, exist_ok=True)
    tally = Tally({one: Times(3, TIME, TIME) for one in asked})
    misses_path(folder).write_bytes(encode_tally(tally))


class TestMisses:
    def test_are_listed_and_can_be_approved(self, gap: Gap) -> None:
        missed(gap, Asked(ROBERTA), Asked(ROBERTA, "v1"), Asked(NUMBERS))
        gap.connected.wishes.take(gap.receipt())

        (wanted,) = gap.connected.wishes.look(gap.connected.wishes.wanted())
        assert wanted.missed is not None and wanted.prospect is not None
        assert (ROBERTA, 6, True) == (wanted.repo, wanted.missed.count, wanted.missed.whole)
        assert ("mit",) == wanted.prospect.licenses
        decision = gap.connected.wishes.approve(["klue/roberta-small"])

        assert ((ROBERTA,), ()) == (decision.misses, decision.wishes)
        assert '[[models]]\nid = "klue/roberta-small"\n' == decision.added[0]
        assert [True] == [one.selected for one in gap.connected.wishes.wanted()]

    def test_a_revision_of_a_repo_that_is_there(self, gap: Gap) -> None:
        missed(gap, Asked(NUMBERS, "refs/convert/parquet"))
        gap.connected.wishes.take(gap.receipt())
        decision = gap.connected.wishes.approve(["acme/numbers"])
        assert 'revision = "refs/convert/parquet"' in decision.added[0]

    def test_those_of_the_newest_receipt_alone_and_none_that_is_declined(self, gap: Gap) -> None:
        missed(gap, Asked(ROBERTA))
        gap.connected.wishes.take(gap.receipt())
        gap.connected.wishes.decline(["klue/roberta-small"], note="no")
        assert () == gap.connected.wishes.wanted()
        assert 1 == len(gap.connected.wishes.wanted(everything=True))

    def test_approve_all_leaves_them(self, gap: Gap) -> None:
        missed(gap, Asked(ROBERTA))
        gap.connected.wishes.take(gap.receipt())
        with pytest.raises(NotFoundError):
            gap.connected.wishes.approve(all_pending=True)


@pytest.fixture
def make_key(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True)
        return path

    return make


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
class TestSignatures:
    def test_who_asks_must_be_known(self, gap: Gap, make_key: Callable[[str], Path]) -> None:
        key, other = make_key("lab-3"), make_key("stranger")
        allowed = gap.folder / "allowed_signers"
        allowed.write_text(f"lab@example.org {key.with_suffix('.pub').read_text()}")
        gap.lab.wishes.ask(["models/klue/roberta-small"])
        signed, unsigned = gap.receipt("signed.json", key=key), gap.receipt("unsigned.json")
        strange = gap.receipt("strange.json", key=other)
        wishes = gap.connected.wishes

        for path, error in ((unsigned, MissingSignatureError), (strange, UnknownSignerError)):
            with pytest.raises(error):
                wishes.take(path, allowed_signers=allowed)
        assert not requests_path(gap.connected.store).exists()

        taken = wishes.take(signed, allowed_signers=allowed)
        assert ("lab@example.org", 1) == (taken.signer.name, taken.new)
        assert ["lab@example.org"] == [one.signer for one in wishes.book.pending]


class TestHostileReceipts:
    def forged(self, gap: Gap, requests: list[Any], misses: list[Any] | None = None) -> Path:
        receipt = make_receipt(gap.lab.store, "lab-3\x1b[31m", TIME, requests, misses or [])
        path = gap.folder / "forged.json"
        path.write_bytes(encode_receipt(receipt))
        return path

    def test_no_more_wishes_than_one_receipt_may_have(self, gap: Gap) -> None:
        keys = [RepoKey(RepoType.MODEL, f"acme/m{n}") for n in range(MAX_WISHES + 50)]
        many = [make_wish(key, None, lab="x", by="y", time=TIME).as_json() for key in keys]

        taken = gap.connected.wishes.take(self.forged(gap, many))

        assert (MAX_WISHES, 50) == (taken.new, taken.unreadable)

    def test_names_and_notes_are_cleaned(self, gap: Gap) -> None:
        good = make_wish(ROBERTA, None, lab="x", by="y", time=TIME)
        bad = [good.as_json() | {"note": "\x1b]0;owned\x07" * 999, "by": "\u202eroot"}, "x", {}]

        taken = gap.connected.wishes.take(self.forged(gap, bad))

        assert (1, 1, "lab-3 [31m") == (taken.new, taken.unreadable, taken.lab)
        text = requests_path(gap.connected.store).read_text()
        assert [] == [steering for steering in ("\\u001b", "\x1b", "\u202e") if steering in text]
        assert len(text) < 2_000

    def test_its_own_receipt_is_for_the_other_side(self, gap: Gap) -> None:
        with pytest.raises(UsageError, match="made by this mirror"):
            gap.lab.wishes.take(gap.receipt())

    def test_twice_changes_nothing(self, gap: Gap) -> None:
        gap.lab.wishes.ask(["models/klue/roberta-small"])
        receipt = gap.receipt()
        gap.connected.wishes.take(receipt)
        before = requests_path(gap.connected.store).read_bytes()

        taken = gap.connected.wishes.take(receipt)

        assert (True, 0) == (taken.again, taken.new)
        assert before == requests_path(gap.connected.store).read_bytes()


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    """An empty mirror, and no hub."""
    return Mirror.init(tmp_path_factory.mktemp("plain") / "mirror", "http://127.0.0.1:1")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
_PLACES = st.sampled_from(
    ["name", "created", "imports", "inventory", "requests", "misses", "kind", "format", "id"]
)
_ITEMS = st.dictionaries(
    st.sampled_from(
        ["id", "repo", "revision", "lab", "by", "time", "note", "heard", "count", "first",
         "last", "whole", "files", "revisions", "bundle", "sequence", "sender"]
    ),
    _JSON | st.sampled_from(["models/acme/x", "v1", TIME, 3]),
)  # fmt: skip


class TestAnyReceipt:
    """Whatever a file says: it is refused as a receipt, or taken in; nothing else comes of it."""

    def encode(self, plain: Mirror, change: dict[str, Any], *, proper: bool) -> bytes:
        value = json.loads(encode_receipt(make_receipt(plain.store, "lab", TIME)))
        value |= change
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
        if not proper:
            return text.encode("utf-8", "surrogatepass")
        value["id"] = ""
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        value["id"] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return json.dumps(value).encode()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.dictionaries(_PLACES, _JSON | st.lists(_ITEMS | _JSON, max_size=3)), st.booleans())
    def test_is_refused_or_taken_in(
        self, plain: Mirror, tmp_path: Path, change: dict[str, Any], proper: bool
    ) -> None:
        path = tmp_path / "receipt.json"
        path.write_bytes(self.encode(plain, change, proper=proper))
        requests_path(plain.store).unlink(missing_ok=True)

        try:
            plain.wishes.take(path)
        except MirrorError:
            assert not requests_path(plain.store).exists()
        else:
            json.dumps([one.as_json() for one in plain.wishes.wanted(everything=True)])

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", "null", "[" * 50_000, '{"kind": "receipt"}', "\xff",
         '{"kind": "receipt", "format": 1, "id": "\\ud800"}'],
        ids=["empty", "list", "object", "null", "deep", "bare", "latin", "half a pair"],
    )  # fmt: skip
    def test_what_is_none(self, plain: Mirror, tmp_path: Path, text: str) -> None:
        path = tmp_path / "receipt.json"
        path.write_text(text, encoding="latin-1")
        with pytest.raises(DamagedBundleError):
            plain.wishes.take(path)

    def test_half_a_surrogate_pair_and_infinity(self, plain: Mirror) -> None:
        for change in (
            {"name": "\ud800"},
            {"imports": [{"bundle": "", "sequence": 1e999, "sender": ""}]},
        ):
            with pytest.raises(DamagedBundleError):
                decode_receipt(self.encode(plain, change, proper=True), "it")
