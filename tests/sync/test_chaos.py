"""Everything at once: changes upstream, faults of every kind, signals; and then calm.

After each run the mirror is sound, and what is in force is a commit that upstream had,
whole. After the last one it is what upstream has.
"""

from __future__ import annotations

import os
import random
import signal

import pytest

from mirror.names import RepoKey
from mirror.sync.model import Outcome
from tests.fakehub import Call, Corrupt, FakeHub, Reset, Status, Truncate, WrongLength
from tests.fakehub.content import PatternContent
from tests.fakehub.faults import Kind
from tests.sync.lab import Lab, check, dataset, entries, files_of, model

KEYS = [model("a/one"), model("a/two"), model("b/one"), dataset("a/one"), dataset("c/one")]


def some_content(dice: random.Random) -> bytes | PatternContent:
    """Few different contents, so that repos share them; some are large."""
    if dice.random() < 0.15:
        return PatternContent(2**20 + dice.randint(1, 3), seed=dice.randint(1, 2))
    return dice.choice(["", "a", "b", "c" * 3000]).encode()


def change(dice: random.Random, hub: FakeHub, key: RepoKey) -> None:
    name = dice.choice(["README.md", "w.bin", "d/x.txt", "d/y.safetensors"])
    repo = hub.repo(key.repo_type, key.repo_id)
    if name in repo.head.files and dice.random() < 0.2:
        repo.commit({}, delete=(name,))
    else:
        repo.commit({name: some_content(dice)})


def some_fault(dice: random.Random) -> Kind:
    return dice.choice(
        [
            Status(500), Status(429), Status(404, {"x-error-code": "EntryNotFound"}), Status(401),
            Truncate(dice.randint(0, 2**20)), Reset(None), Reset(dice.randint(0, 5000)),
            Corrupt(dice.randint(0, 3000)), WrongLength(1), WrongLength(-1),
        ]
    )  # fmt: skip


def disturb(dice: random.Random, lab: Lab) -> None:
    for _ in range(dice.randint(0, 4)):
        family = dice.choice(["info", "tree", "list", "resolve", "resolve", "resolve", "any"])
        skip, times = dice.randint(0, 8), dice.choice([1, 1, 2, 4, None])
        lab.hub.fault(family, kind=some_fault(dice), skip=skip, times=times)
    if dice.random() < 0.25:
        number = dice.choice([signal.SIGINT, signal.SIGTERM])
        stop = Call(lambda _: os.kill(os.getpid(), number))
        lab.hub.fault("any", kind=stop, skip=dice.randint(0, 20), times=1)
    if dice.random() < 0.25:
        key = dice.choice(KEYS)
        move = Call(lambda _: change(dice, lab.hub, key))
        lab.hub.fault("resolve", kind=move, skip=dice.randint(0, 10), times=1)


def assert_sound(lab: Lab) -> None:
    check(lab.store)
    for key in lab.store.repos():
        commit = lab.hub.repo(key.repo_type, key.repo_id).commits[lab.store.resolve(key)]
        expected = {path: file.content.bytes() for path, file in commit.files.items()}
        assert expected == files_of(lab.store, key)


@pytest.mark.usefixtures("late_signals_are_lost")
@pytest.mark.parametrize("seed", range(15))
def test_after_any_weather(lab: Lab, seed: int) -> None:
    dice = random.Random(seed)
    lab.transfer = lab.transfer.replace("max_wait = 5.0", "max_wait = 0.2")
    lab.selection = entries("a/one", "a/two", "b/one") + entries(
        "a/one", "c/one", repo_type="dataset"
    )
    for key in KEYS:
        lab.hub.add_repo(key.repo_type, key.repo_id, {"README.md": key.repo_id})
    for _ in range(4):
        for key in KEYS:
            if dice.random() < 0.6:
                change(dice, lab.hub, key)
        disturb(dice, lab)
        report = lab.sync()
        lab.hub.clear_faults()
        assert_sound(lab)
        assert "fault of this program" not in str(report.failed)
    report = lab.sync()
    assert (Outcome.OK, ()) == (report.outcome, report.failed)
    assert_sound(lab)
    assert {key: lab.hub.repo(key.repo_type, key.repo_id).sha for key in KEYS} == {
        key: lab.store.resolve(key) for key in lab.store.repos()
    }
