"""What was damaged or lost is fetched again, by a repair or by the next sync."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sync.lab import (
    RETRIES,
    Lab,
    check,
    check_complete,
    entries,
    model,
    picture,
    snapshot_tree,
)

KEY = model("acme/tiny")

Damage = Callable[[Lab], None]


def lose_blobs(lab: Lab) -> None:
    for digest in list(lab.store.blobs):
        lab.store.blobs.path(digest).unlink()


def lose_a_blob(lab: Lab) -> None:
    lab.store.blobs.path(max(lab.store.blobs)).unlink()


def lose_the_manifest(lab: Lab) -> None:
    lab.store.layout.manifest(KEY, lab.store.resolve(KEY)).unlink()


def spoil_the_manifest(lab: Lab) -> None:
    lab.store.layout.manifest(KEY, lab.store.resolve(KEY)).write_text("{")


@pytest.mark.parametrize("damage", [lose_blobs, lose_a_blob, lose_the_manifest, spoil_the_manifest])
@pytest.mark.parametrize("how", ["repair", "sync"])
def test_what_is_lost_is_fetched_again(lab: Lab, damage: Damage, how: str) -> None:
    lab.selection += 'exclude = "*.md"\n'
    lab.sync()
    before = picture(lab.store)
    damage(lab)
    report = lab.repair(KEY) if how == "repair" else lab.sync()
    assert ["fill"] == [change.change.value for change in report.published]
    assert 0 == report.exit_code
    after = picture(lab.store)
    if damage in (lose_the_manifest, spoil_the_manifest) and how == "repair":
        [commit] = lab.store.commits(KEY)
        files = before["repos"]["models/acme/tiny"]["commits"][commit]["files"]
        files[0]["absent_because"] = "not there before"
    assert before == after
    check(lab.store)
    assert 1 == lab.sync().unchanged


def test_a_repair_asks_neither_selection_nor_policy(lab: Lab) -> None:
    lab.sync()
    first = lab.store.resolve(KEY)
    lab.hub.repo("model", "acme/tiny").commit({"README.md": "# Two\n"})
    lab.sync()
    before = picture(lab.store)
    lose_blobs(lab)
    lab.selection = '[policy]\ndeny_licenses = ["mit"]\n'
    report = lab.repair(KEY)
    assert {first, lab.store.resolve(KEY)} == {change.commit for change in report.published}
    assert before == picture(lab.store)
    check(lab.store)


def test_a_repair_of_what_upstream_no_longer_has(lab: Lab) -> None:
    lab.sync()
    lose_a_blob(lab)
    lab.hub.repo("model", "acme/tiny").gone = True
    report = lab.repair(KEY)
    assert ["repo-unauthorized"] == [one.error for one in report.failed]
    assert {"main"} == lab.store.refs(KEY).keys()
    lab.hub.repo("model", "acme/tiny").gone = False
    lab.repair(KEY)
    check_complete(lab, KEY)


def test_a_repair_gives_up_where_upstream_is_down(lab: Lab) -> None:
    names = [f"a{number:02}/m" for number in range(20)]
    for name in names:
        lab.hub.add_repo("model", name, {"a.txt": name})
    lab.selection += entries(*names)
    lab.sync()
    before = picture(lab.store)
    lose_blobs(lab)
    lab.hub.down()
    report = lab.repair(*map(model, names), KEY)
    assert (21, 6) == (len(report.failed), report.exit_code)
    assert report.requests["resolve"] <= 10 * 3 * (RETRIES + 1)
    lab.hub.up()
    assert 21 == len(lab.repair(*map(model, names), KEY).published)
    assert before == picture(lab.store)


def test_a_repair_of_many_changes_nothing_that_is_well(lab: Lab) -> None:
    lab.sync()
    before = snapshot_tree(lab.store.layout.hub)
    report = lab.repair(KEY, model("acme/not-there"))
    assert (1, 0) == (report.unchanged, len(lab.hub.asked("resolve")) - 3)
    assert before == snapshot_tree(lab.store.layout.hub)
