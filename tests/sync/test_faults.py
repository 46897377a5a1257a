"""What goes wrong on the way: the snapshot in force stays so, and the next run completes."""

from __future__ import annotations

import hashlib

import pytest

from mirror.names import RepoKey
from mirror.sync.model import Outcome, RunReport
from tests.fakehub import (
    Corrupt,
    Edit,
    EditJson,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongLength,
)
from tests.fakehub.content import PatternContent
from tests.fakehub.faults import Kind
from tests.sync.lab import IMPATIENT, LARGE, RETRIES, Lab, check, check_complete, files_of, model
from tests.sync.lab import upstream_files as upstream

KEY = model("acme/tiny")
OTHER = model("acme/other")
NEW = {
    "README.md": "---\nlicense: mit\n---\n# Tiny, again\n",
    "model.safetensors": bytes(range(255, -1, -1)) * 40,
    "large.bin": PatternContent(LARGE, seed=1),
}


@pytest.fixture
def behind(lab: Lab) -> Lab:
    """A mirror with a snapshot in force, and a new commit upstream with a large file."""
    repo = lab.hub.repo("model", "acme/tiny")
    repo.lfs = ["*.safetensors", "*.bin"]
    assert lab.sync().outcome is Outcome.OK
    repo.commit(NEW)
    lab.hub.clear()
    return lab


def assert_old_in_force(lab: Lab) -> None:
    """The old snapshot is what clients find; nothing unverified has a final name."""
    first = lab.hub.repo("model", "acme/tiny").head.history()[-1]
    assert {"main": first.id} == lab.store.refs(KEY)
    assert first.id == (lab.store.layout.view(KEY) / "refs" / "main").read_text()
    old = {path: file.content.bytes() for path, file in first.files.items()}
    assert old == files_of(lab.store, KEY)
    assert (first.id,) == lab.store.commits(KEY)
    assert [first.id] == [path.name for path in lab.store.layout.view(KEY).glob("snapshots/*")]
    check(lab.store)
    for digest in lab.store.blobs:
        assert digest == hashlib.sha256(lab.store.blobs.path(digest).read_bytes()).hexdigest()


def assert_next_run_completes(lab: Lab, *keys: RepoKey) -> RunReport:
    lab.hub.clear_faults()
    lab.hub.clear()
    report = lab.sync()
    assert (Outcome.OK, ()) == (report.outcome, report.failed)
    check_complete(lab, KEY, *keys)
    return report


def assert_failed(report: RunReport, error: str) -> None:
    """One problem, of the kind expected, and the exit code that goes with it."""
    assert [(KEY, error, True)] == [(one.subject, one.error, one.kept) for one in report.failed]
    assert Outcome.FAILED is report.outcome
    assert report.failed[0].exit_code == report.exit_code


def partial_names(lab: Lab) -> list[str]:
    return sorted(path.name for path in lab.store.layout.partial.iterdir())


PASSING = {
    "truncated": Truncate(at=10),
    "truncated at the start": Truncate(at=0),
    "reset before the answer": Reset(None),
    "reset in the middle": Reset(after=10),
    "stalled before the answer": Stall(None),
    "stalled in the middle": Stall(after=10),
    "500": Status(500),
    "502, a page for people": Status(502, {"content-type": "text/html"}, b"<h1>Bad gateway</h1>"),
    "503": Status(503),
    "429 with Retry-After": Status(429, {"retry-after": "0"}),
    "429 without Retry-After": Status(429),
}


@pytest.mark.parametrize("kind", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("info", None),
        ("tree", None),
        ("resolve", "README.md"),
        ("resolve", "model.safetensors"),
        ("resolve", "large.bin"),
    ],
    ids=["info", "tree", "plain", "lfs", "large"],
)
def test_a_passing_fault_is_got_over(
    behind: Lab, family: str, path: str | None, kind: Kind
) -> None:
    behind.transfer = IMPATIENT if isinstance(kind, Stall) else behind.transfer
    fault = behind.hub.fault(family, path=path, kind=kind, times=1)
    report = behind.sync()
    assert 1 == fault.hits
    assert (Outcome.OK, ()) == (report.outcome, report.failed)
    check_complete(behind, KEY)


LASTING = {
    "truncated": (Truncate(at=10), "transport"),
    "reset": (Reset(None), "transport"),
    "500": (Status(500), "transport"),
    "429": (Status(429, {"retry-after": "6"}), "rate-limit"),
    "400": (Status(400), "upstream"),
}


@pytest.mark.parametrize(("kind", "error"), LASTING.values(), ids=LASTING)
@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("info", None),
        ("tree", None),
        ("resolve", "README.md"),
        ("resolve", "model.safetensors"),
        ("resolve", "large.bin"),
    ],
    ids=["info", "tree", "plain", "lfs", "large"],
)
def test_a_lasting_fault_is_reported_and_harms_nothing(
    behind: Lab, family: str, path: str | None, kind: Kind, error: str
) -> None:
    fault = behind.hub.fault(family, path=path, kind=kind, times=None)
    report = behind.sync()
    assert_failed(report, error)
    assert fault.hits <= 2 * (RETRIES + 1)  # a large file has two connections
    assert_old_in_force(behind)
    assert_next_run_completes(behind)


@pytest.mark.parametrize(
    ("family", "path", "after"),
    [("info", None, None), ("tree", None, 5), ("resolve", "README.md", 5)],
)
def test_an_upstream_that_falls_silent(
    behind: Lab, family: str, path: str | None, after: int | None
) -> None:
    behind.transfer = IMPATIENT
    behind.hub.fault(family, path=path, kind=Stall(after), times=None)
    assert_failed(behind.sync(), "transport")
    assert_old_in_force(behind)
    assert_next_run_completes(behind)


@pytest.mark.parametrize("path", ["README.md", "model.safetensors", "large.bin"])
def test_bytes_that_are_wrong_once_are_fetched_again(behind: Lab, path: str) -> None:
    fault = behind.hub.fault("resolve", path=path, kind=Corrupt(at=20), times=1)
    report = behind.sync()
    assert 1 == fault.hits
    assert (Outcome.OK, ()) == (report.outcome, report.failed)
    check_complete(behind, KEY)


@pytest.mark.parametrize("path", ["README.md", "model.safetensors", "large.bin"])
def test_bytes_that_are_wrong_twice_are_not_published(behind: Lab, path: str) -> None:
    fault = behind.hub.fault("resolve", path=path, kind=Corrupt(at=20), times=None)
    report = behind.sync()
    assert_failed(report, "wrong-bytes")
    assert path in report.failed[0].message
    assert 5 == report.exit_code
    assert 2 <= fault.hits <= 4  # a large file comes in two ranges
    assert_old_in_force(behind)
    wrong = upstream(behind.hub, KEY)[path]
    assert hashlib.sha256(wrong).hexdigest() not in set(behind.store.blobs)
    assert_next_run_completes(behind)


@pytest.mark.parametrize("by", [-1, 1, 1000])
@pytest.mark.parametrize("path", ["README.md", "model.safetensors", "large.bin"])
def test_another_length_than_the_tree_states(behind: Lab, path: str, by: int) -> None:
    behind.hub.fault("resolve", path=path, kind=WrongLength(by), times=None)
    assert_failed(behind.sync(), "bad-answer")
    assert_old_in_force(behind)
    assert_next_run_completes(behind)


@pytest.mark.parametrize("family", ["info", "tree"])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[[[", b"null", b'{"sha": 1}', b"[1]", b"\xff\xfe", b'"' + b"x" * 1000],
    ids=["empty", "html", "cut", "null", "no id", "numbers", "not UTF-8", "text"],
)
def test_garbage_in_place_of_json(behind: Lab, family: str, body: bytes) -> None:
    behind.hub.fault(family, kind=Edit(lambda _: body), times=None)
    assert_failed(behind.sync(), "bad-answer")
    assert_old_in_force(behind)
    assert_next_run_completes(behind)


@pytest.mark.parametrize(
    "name",
    [
        "../../../escape",
        "/etc/cron.d/escape",
        "a/../../escape",
        "C:escape",
        "a\\..\\escape",
        "bad\x00name",
        "new\nline",
        "\ud800",
        "x" * 300,
        "d/" * 1500 + "deep",
        "README.md",
        "README.md/inside",
    ],
)
def test_a_tree_with_names_that_must_not_be_made(behind: Lab, name: str) -> None:
    lab = behind
    lab.hub.add_repo("model", "acme/other", {"config.json": b"{}"})
    lab.selection += '[[models]]\nid = "acme/other"\n'

    def add(tree: list[dict[str, object]]) -> list[dict[str, object]]:
        return [*tree, {**tree[0], "path": name}]

    lab.hub.fault("tree", repo="acme/tiny", kind=EditJson(add), times=None)
    report = lab.sync()
    expected = "bad-answer" if name.startswith("README.md") else "unsafe-path"
    assert [(KEY, expected)] == [(one.subject, one.error) for one in report.failed]
    assert [OTHER] == [one.key for one in report.published]
    assert 4 == report.exit_code
    assert_old_in_force(lab)
    assert [] == [path for path in lab.store.root.parent.rglob("*") if "escape" in path.name]
    report = assert_next_run_completes(lab, OTHER)
    assert 1 == report.unchanged


def test_a_transfer_that_breaks_off_goes_on_from_the_bytes_on_disk(behind: Lab) -> None:
    behind.transfer = behind.transfer.replace(
        "connections_per_file = 2", "connections_per_file = 1"
    )
    behind.hub.fault("resolve", path="large.bin", kind=Truncate(at=2**21), times=1)
    behind.hub.fault("resolve", path="large.bin", kind=Status(500), times=None)
    assert_failed(behind.sync(), "transport")
    assert_old_in_force(behind)
    etag = hashlib.sha256(PatternContent(LARGE, seed=1).bytes()).hexdigest()
    assert [etag, f"{etag}.journal"] == partial_names(behind)
    report = assert_next_run_completes(behind)
    assert LARGE - 2**21 == behind.hub.sent["resolve"]
    assert LARGE - 2**21 == report.received_bytes
    assert LARGE == report.fetched.bytes


def test_bytes_on_disk_that_were_damaged_meanwhile_are_fetched_anew(behind: Lab) -> None:
    behind.transfer = behind.transfer.replace(
        "connections_per_file = 2", "connections_per_file = 1"
    )
    behind.hub.fault("resolve", path="large.bin", kind=Truncate(at=2**21), times=1)
    behind.hub.fault("resolve", path="large.bin", kind=Status(500), times=None)
    behind.sync()
    etag = hashlib.sha256(PatternContent(LARGE, seed=1).bytes()).hexdigest()
    with (behind.store.layout.partial / etag).open("r+b") as stream:
        stream.write(b"\0" * 100)
    assert_next_run_completes(behind)
