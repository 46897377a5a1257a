"""A sync that goes well: what it asks for, what it makes, and that the plan had said so."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from mirror.names import RepoKey
from mirror.store import Store
from mirror.sync.model import (
    Action,
    PlannedFile,
    Problem,
    Progress,
    Refusal,
    RepoChange,
    RepoPlan,
    RunReport,
    SyncPlan,
)
from tests.fakehub import FakeHub, Slow, Status
from tests.fakehub.content import PatternContent
from tests.sync.lab import (
    LARGE,
    Lab,
    check,
    check_complete,
    dataset,
    entries,
    files_of,
    model,
    picture,
    snapshot_tree,
)

KEY = model("acme/tiny")


def present(store: Store, key: RepoKey, revision: str = "main") -> set[str]:
    manifest = store.manifest(key, store.resolve(key, revision))
    return {file.path for file in manifest.present_files}


# --- requests ------------------------------------------------------------------------


def test_a_new_repo_costs_two_requests_and_one_for_each_file(lab: Lab) -> None:
    report = lab.sync()
    assert {"info": 1, "tree": 1, "resolve": 3} == dict(lab.hub.counts)
    assert {"GET"} == {request.method for request in lab.hub.requests}
    assert (2, 3) == (report.requests["api"], report.requests["resolve"])
    sha = lab.hub.repo("model", "acme/tiny").sha
    assert {sha} == {request.revision for request in lab.hub.asked("resolve")}
    check_complete(lab, KEY)
    assert "ok published=1 new=1" in report.summary


def test_a_tree_of_many_pages_is_listed_once(lab: Lab) -> None:
    lab.hub.options.page_size = 10
    lab.hub.add_repo("dataset", "acme/many", {f"d{n % 7}/{n}.txt": b"%d" % n for n in range(45)})
    lab.selection = entries("acme/many", repo_type="dataset")
    lab.sync()
    assert {"info": 1, "tree": 6, "resolve": 45} == dict(lab.hub.counts)  # 7 folders in it
    check_complete(lab, dataset("acme/many"))


def test_bytes_that_are_there_are_not_fetched_again(lab: Lab) -> None:
    """Neither another revision nor another repo costs what some snapshot has already."""
    lab.sync()
    repo = lab.hub.repo("model", "acme/tiny")
    files = {path: file.content for path, file in repo.head.files.items()}
    repo.commit({"README.md": "# New\n", "copy/config.json": files["config.json"]})
    lab.hub.add_repo("dataset", "umbrella/copy", files, lfs=[])
    lab.hub.add_repo("model", "umbrella/copy", files, lfs=["*"])
    lab.selection += entries("umbrella/copy") + entries("umbrella/copy", repo_type="dataset")
    lab.hub.clear()
    report = lab.sync()
    # model.safetensors is no LFS file in one of them: its git name is not known yet.
    fetched = [
        (request.repo_type, request.repo, request.file) for request in lab.hub.asked("resolve")
    ]
    assert [("dataset", "umbrella/copy", "model.safetensors")] == [
        one for one in fetched if one[1] == "umbrella/copy" and one[0] == "dataset"
    ]
    assert ("model", "acme/tiny", "README.md") in fetched
    assert len(set(lab.store.blobs)) == 4
    assert 3 == len(report.published)
    check_complete(lab, KEY, dataset("umbrella/copy"), model("umbrella/copy"))


@pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
def test_the_same_bytes_in_many_new_repos_are_fetched_once(lab: Lab, size: int) -> None:
    lab.selection = ""
    content = PatternContent(size, seed=5)
    for number in range(10):
        files = {f"{n:02}.txt": b"%d %d" % (number, n) for n in range(number)}
        lab.hub.add_repo("model", f"a/m{number}", {**files, "shared.bin": content})
        lab.selection += entries(f"a/m{number}")
    plan = lab.plan()
    lab.hub.clear()
    watcher = Watcher()
    lab.sync(progress=watcher)
    fetched = Counter(request.file for request in lab.hub.asked("resolve"))
    assert fetched["shared.bin"] <= 2  # a large file comes in two ranges
    assert (
        size + sum(len(b"%d %d" % (m, n)) for m in range(10) for n in range(m))
        == (lab.hub.sent["resolve"])
    )
    assert 46 == plan.requests.files_to_fetch
    # Who watches sees each repo come to its end.
    assert watcher.expected == {name: n for name, n in watcher.received_bytes.items() if n}
    check_complete(lab, *(model(f"a/m{number}") for number in range(10)))


def test_a_run_with_nothing_to_do_touches_nothing(lab: Lab) -> None:
    lab.sync()
    before = snapshot_tree(lab.store.root)
    report = lab.sync()
    after = snapshot_tree(lab.store.root)
    changed = {path for path in after if before.get(path) != after[path]}
    assert {"runs", "lock", "repos", "changes.jsonl"} >= {path.split("/")[0] for path in changed}
    assert {"history.jsonl"} == {path.split("/")[-1] for path in changed if path[:5] == "repos"}
    assert (0, 1) == (len(report.published), report.unchanged)


# --- revisions, filters, names ---------------------------------------------------------


def test_follows_tags_branches_and_commits(lab: Lab) -> None:
    repo = lab.hub.repo("model", "acme/tiny")
    first = repo.sha
    repo.tag("v1")
    second = repo.commit({"README.md": "# Two\n"})
    repo.commit({"data.parquet": b"PAR1"}, ref="refs/convert/parquet", only=True)
    repo.commit({"README.md": "# Dev\n"}, ref="dev/new-thing", parent=second)
    third = repo.commit({"README.md": "# Three\n"})
    revisions = ["main", "v1", "refs/convert/parquet", "dev/new-thing", second]
    lab.selection += f"revisions = {json.dumps(revisions)}\n"

    assert 5 == len(lab.sync().published)

    assert {
        "main": third,
        "v1": first,
        "refs/convert/parquet": repo.converts["parquet"],
        "dev/new-thing": repo.branches["dev/new-thing"],
        second: second,
    } == lab.store.refs(KEY)
    assert {"data.parquet": b"PAR1"} == files_of(lab.store, KEY, "refs/convert/parquet")
    assert b"# Dev\n" == files_of(lab.store, KEY, "dev/new-thing")["README.md"]
    check(lab.store)
    lab.hub.clear()
    assert 5 == lab.sync().unchanged
    assert {"info": 4} == dict(lab.hub.counts)  # a commit does not change


def test_one_commit_wanted_in_two_ways_at_once(lab: Lab) -> None:
    """Two revisions and an old name lead to one commit: each adds its files, none takes any."""
    lab.hub.repo("model", "acme/tiny").tag("v1")
    lab.hub.alias("model", "tiny", "acme/tiny")
    lab.selection = (
        '[[models]]\nid = "acme/tiny"\ninclude = "*.md"\n'
        '[[models]]\nid = "acme/tiny"\nrevision = "v1"\ninclude = "*.json"\n'
        '[[models]]\nid = "tiny"\ninclude = "*.safetensors"\n'
    )
    lab.hub.fault("resolve", path="README.md", kind=Slow(0.05), times=None)
    report = lab.sync()
    assert 3 == len(report.published)
    check_complete(lab, KEY)
    assert files_of(lab.store, KEY) == files_of(lab.store, model("tiny"))
    assert files_of(lab.store, KEY) == files_of(lab.store, KEY, "v1")
    lab.hub.clear()
    assert 3 == lab.sync().unchanged
    assert 0 == lab.hub.counts["resolve"]


def test_a_selection_that_grows_and_shrinks(lab: Lab) -> None:
    whole = lab.selection
    lab.selection = whole + 'include = "*.md"\n'
    lab.sync()
    manifest = lab.store.manifest(KEY, lab.store.resolve(KEY))
    created = manifest.created
    assert {"README.md"} == files_of(lab.store, KEY).keys()
    assert {"config.json": "not in include", "model.safetensors": "not in include"} == {
        file.path: file.absent_because for file in manifest.files if not file.present
    }
    lab.selection = whole + 'exclude = "*.safetensors"\n'
    lab.hub.clear()
    report = lab.sync()
    assert ["fill"] == [change.change.value for change in report.published]
    assert ["GET /acme/tiny/resolve/" + lab.store.resolve(KEY) + "/config.json"] == (
        lab.hub.paths("resolve")
    )
    assert {"README.md", "config.json"} == files_of(lab.store, KEY).keys()
    assert created == lab.store.manifest(KEY, lab.store.resolve(KEY)).created
    lab.selection = whole + 'include = "*.md"\n'
    assert 1 == lab.sync().unchanged
    assert {"README.md", "config.json"} == files_of(lab.store, KEY).keys()
    # With the next commit the smaller selection takes effect.
    lab.hub.repo("model", "acme/tiny").commit({"README.md": "# New\n"})
    lab.sync()
    assert {"README.md": b"# New\n"} == files_of(lab.store, KEY)
    check(lab.store)


def test_a_commit_that_comes_back(lab: Lab) -> None:
    """Upstream reverts main to a commit that we have: no bytes, and not even a tree."""
    lab.sync()
    repo = lab.hub.repo("model", "acme/tiny")
    first = repo.sha
    repo.commit({"README.md": "# Two\n"})
    lab.sync()
    repo.move("main", first)
    lab.hub.clear()
    report = lab.sync()
    assert [("update", first)] == [(one.change.value, one.commit) for one in report.published]
    assert {"info": 1} == dict(lab.hub.counts)
    check_complete(lab, KEY)


def test_empty_files_and_repos(lab: Lab) -> None:
    lab.hub.add_repo("model", "acme/empty", {})
    lab.hub.add_repo("model", "acme/void", {"a": b"", "b/c": b"", "w.bin": b""})
    lab.selection = entries("acme/empty", "acme/void")
    assert 2 == len(lab.sync().published)
    check_complete(lab, model("acme/empty"), model("acme/void"))
    assert 2 == lab.sync().unchanged


# --- policy ------------------------------------------------------------------------------


def test_refusals_are_reported_each_time_and_take_nothing_away(lab: Lab) -> None:
    lab.hub.add_repo("model", "acme/closed", {"README.md": "---\nlicense: cc-by-nc-4.0\n---\n"})
    lab.hub.add_repo("model", "acme/plain", {"a.txt": "a"})
    selection = lab.selection + entries("acme/closed", "acme/plain")
    lab.selection = selection
    lab.sync()
    before = picture(lab.store)
    lab.selection = selection + '[policy]\nallow_licenses = ["mit"]\nunknown_license = "deny"\n'
    for number in range(2):
        lab.hub.repo("model", "acme/closed").commit({"n.txt": b"%d" % number})
        for found in (lab.plan(), lab.sync()):
            assert [
                (model("acme/closed"), "policy.allow_licenses", "its licence is cc-by-nc-4.0"),
                (model("acme/plain"), "policy.unknown_license", "the repo states no licence"),
            ] == sorted((one.key, one.rule, one.detail) for one in found.refused)
            assert () == found.failed
    assert before == picture(lab.store)
    assert 0 == lab.sync().exit_code


def test_a_repo_that_was_never_let_in_leaves_nothing(lab: Lab) -> None:
    lab.selection += '[policy]\ndeny_licenses = ["mit"]\n'
    assert 1 == len(lab.sync().refused)
    assert [] == list(lab.store.layout.repos.rglob("*"))
    assert 0 == lab.hub.counts["resolve"]


def test_a_quota_of_the_mirror_holds_for_all_repos_together(lab: Lab) -> None:
    for number in range(5):
        lab.hub.add_repo("model", f"a/m{number}", {"w.bin": PatternContent(1000, seed=number)})
    lab.selection = entries(*(f"a/m{number}" for number in range(5)))
    lab.selection += '[policy]\nmax_mirror_size = "2500 B"\n'
    assert (2, 3) == (len(lab.plan().repos), len(lab.plan().refused))
    report = lab.sync()
    assert (2, 3) == (len(report.published), len(report.refused))
    assert {"policy.max_mirror_size"} == {one.rule for one in report.refused}
    report = lab.sync()
    assert (2, 3) == (report.unchanged, len(report.refused))


# --- the plan, and the report ---------------------------------------------------------------


def test_a_plan_writes_nothing_and_needs_no_lock(lab: Lab) -> None:
    lab.sync()
    lab.hub.repo("model", "acme/tiny").commit({"README.md": "# Two\n"})
    before = snapshot_tree(lab.store.root)
    with lab.store.write_lock("another"):
        before = snapshot_tree(lab.store.root)
        plan = lab.plan()
    assert before == snapshot_tree(lab.store.root)
    assert ["update"] == [repo.change.value for repo in plan.repos]
    expected = {"README.md": "fetch", "config.json": "reuse", "model.safetensors": "reuse"}
    assert expected == {file.path: file.action.value for file in plan.repos[0].files}
    assert json.loads(json.dumps(plan.as_json(files=True)))["total"]["fetch"]["files"] == 1


FILTERS: list[str] = [
    "", 'include = "*.md"\n', 'exclude = "*.bin"\n', 'max_size = 10\n', 'revision = "v1"\n',
    'revisions = ["main", "v1"]\n', 'include = ["*.txt", "*.bin"]\nexclude = "0*"\n',
]  # fmt: skip


def _selection(dice: random.Random, names: list[str]) -> str:
    chosen = dice.sample(names, dice.randint(1, len(names)))
    text = "".join(entries(name) + dice.choice(FILTERS) for name in chosen)
    if dice.random() < 0.5:
        text += f'[[models]]\nauthor = "{dice.choice("ab")}"\n' + dice.choice(FILTERS)
    if dice.random() < 0.3:
        text += '[policy]\ndeny_licenses = "mit"\n'
    if dice.random() < 0.2:
        text += '[policy]\nmax_repo_size = "25 B"\n' if "[policy]" not in text else ""
    return text


def _change(dice: random.Random, hub: FakeHub, names: list[str]) -> None:
    for name in names:
        repo = hub.repo("model", name)
        if dice.random() < 0.2:
            repo.tag("v1")
        if dice.random() < 0.4 or repo.tags["v1"] == repo.sha:
            path = f"{dice.randint(0, 3)}.{dice.choice(['txt', 'bin', 'md'])}"
            repo.commit({path: dice.choice("abcd") * dice.randint(0, 20)})


@pytest.mark.parametrize("seed", range(12))
def test_a_sync_does_what_the_plan_says(lab: Lab, seed: int) -> None:
    """Over some rounds of changes of the selection and of upstream."""
    dice = random.Random(seed)
    names = [f"{author}/m{number}" for author in "ab" for number in range(3)]
    for name in names:
        license_ = dice.choice(["mit", "gpl-3.0"])
        readme = f"---\nlicense: {license_}\n---\n"
        repo = lab.hub.add_repo("model", name, {"README.md": readme, "0.bin": name[:1]})
        repo.tag("v1")
    for _ in range(4):
        lab.selection = _selection(dice, names)
        _change(dice, lab.hub, names)
        plan = lab.plan()
        lab.hub.clear()
        report = lab.sync()
        _compare(plan, report)
        assert plan.requests.files_to_fetch >= lab.hub.counts["resolve"]
        assert plan.requests.api_spent == report.requests["api"]
        check(lab.store)
        again = lab.plan()
        assert () == again.repos
        assert plan.unchanged + len(plan.repos) == again.unchanged


def _compare(plan: SyncPlan, report: RunReport) -> None:
    """What another repo brings in during the run turns a FETCH into a REUSE, and no more."""
    planned = {_in_short(repo.in_short) for repo in plan.repos}
    assert planned == {_in_short(change) for change in report.published}
    assert len(planned) == len(report.published)
    assert plan.unchanged == report.unchanged
    assert set(plan.refused) == set(report.refused)
    assert plan.failed == report.failed == ()
    here = plan.amount(Action.FETCH) + plan.amount(Action.REUSE)
    assert here == report.fetched + report.reused
    assert plan.amount(Action.FETCH).bytes >= report.fetched.bytes


def _in_short(change: RepoChange) -> tuple[object, ...]:
    here = change.amount(Action.FETCH) + change.amount(Action.REUSE)
    return (
        change.key, change.asked, change.revision, change.commit, change.previous, change.change,
        here, change.amount(Action.SKIP),
    )  # fmt: skip


def test_the_report_is_what_is_kept_of_the_run(lab: Lab) -> None:
    report = lab.sync()
    kept = next(iter(lab.store.reports()))
    assert json.loads(json.dumps(report.as_json())) == kept
    assert ("sync", "ok", 0) == (kept["kind"], kept["outcome"], kept["exit_code"])
    size = sum(len(data) for data in files_of(lab.store, KEY).values())
    assert {"files": 3, "bytes": size} == kept["fetched"]
    assert size == kept["received_bytes"] == lab.hub.sent["resolve"]


class Watcher(Progress):
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.received_bytes: Counter[str] = Counter()
        self.expected: dict[str, int] = {}

    def planned(self, plan: RepoPlan) -> None:
        self.seen.append(f"planned {plan.key.repo_id}")
        for file in plan.files:
            if file.action is Action.FETCH and file.size:
                self.expected[f"{plan.key.repo_id}/{file.path}"] = file.size

    def received(self, plan: RepoPlan, file: PlannedFile, count: int) -> None:
        self.received_bytes[f"{plan.key.repo_id}/{file.path}"] += count

    def published(self, plan: RepoPlan) -> None:
        self.seen.append(f"published {plan.key.repo_id}")

    def failed(self, problem: Problem) -> None:
        self.seen.append(f"failed {problem.subject}")

    def refused(self, refusal: Refusal) -> None:
        self.seen.append(f"refused {refusal.key.repo_id}")


def test_tells_who_watches(lab: Lab) -> None:
    lab.hub.add_repo("model", "acme/closed", {"README.md": "---\nlicense: gpl-3.0\n---\n"})
    lab.selection += entries("acme/closed", "acme/no-such")
    lab.selection += '[[datasets]]\nsearch = "x"\n[policy]\ndeny_licenses = "gpl-3.0"\n'
    lab.hub.fault("list", kind=Status(400), times=None)
    watcher = Watcher()
    lab.sync(progress=watcher)
    assert {
        "planned acme/tiny",
        "published acme/tiny",
        "refused acme/closed",
        "failed models/acme/no-such",
        "failed datasets.1",
    } == set(watcher.seen)
    sizes = {f"acme/tiny/{path}": len(data) for path, data in files_of(lab.store, KEY).items()}
    assert sizes == watcher.received_bytes == watcher.expected
