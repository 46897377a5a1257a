"""What a server cannot deliver is noted in the mirror, for ``mirror verify`` to find at once."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import httpx2 as httpx
import pytest
from click.testing import CliRunner

from mirror import Mirror
from mirror.cli import app as cli_app
from mirror.names import RepoKey
from mirror.serve.app import create_app
from mirror.serve.damage import DamageNotes
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from mirror.store import NotedDamage, Store, forget_damage, note_damage, noted_damage
from mirror.store.noted import MAX_BYTES
from tests.fakehub import FakeHub
from tests.serve.conftest import serving

FILES = {
    "README.md": "---\nlicense: mit\n---\n",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 40,
}
SHA = hashlib.sha256(bytes(range(256)) * 40).hexdigest()
REPO = "models/acme/tiny"
WEIGHTS = "acme/tiny/resolve/main/model.safetensors"


@pytest.fixture
def mirror(hub: FakeHub, tmp_path: Path) -> Mirror:
    hub.add_repo("model", "acme/tiny", FILES, lfs=["*.safetensors"])
    mirror = Mirror.init(tmp_path / "mirror", hub.endpoint)
    mirror.add("model", id="acme/tiny")
    assert 0 == mirror.sync().exit_code
    return mirror


def ask(endpoint: str, path: str = WEIGHTS) -> int:
    return httpx.get(f"{endpoint}/{path}").status_code


def note(sha256: str = SHA, repo: str = REPO, commit: str = "1" * 40) -> NotedDamage:
    return NotedDamage("2026-01-01T00:00:00+00:00", repo, commit, "model.safetensors", sha256)


def test_from_the_server_to_verify_and_back(mirror: Mirror) -> None:
    app = create_app(mirror.root)
    listener = listen("127.0.0.1", 0)
    with ServerThread(app, listener):
        endpoint = endpoint_of(listener)
        mirror.store.blobs.path(SHA).unlink()
        assert [500, 500, 200] == [
            ask(endpoint),
            ask(endpoint),
            ask(endpoint, "acme/tiny/resolve/main/config.json"),
        ]
        app.state.shelf.notes.settle()
        assert [(REPO, "model.safetensors", SHA)] == [
            (found.repo, found.path, found.sha256) for found in noted_damage(mirror.store)
        ]
        (complaint,) = mirror.status().complaints()
        assert "cannot deliver model.safetensors of models/acme/tiny" in complaint

        found = mirror.verify(noted=True)
        assert [("blob-missing", SHA)] == [(f.kind, f.digest) for f in found.problems]
        assert (1, 7) == (found.found.checked_blobs, found.exit_code)
        assert 1 == len(noted_damage(mirror.store))

        repaired = mirror.verify(noted=True, repair=True)
        assert (0, ()) == (repaired.exit_code, noted_damage(mirror.store))
        assert 200 == ask(endpoint)
        assert [] == mirror.status().complaints()

        mirror.store.blobs.path(SHA).unlink()  # again: it is noted again
        assert 500 == ask(endpoint)
        app.state.shelf.notes.settle()
        assert [SHA] == [found.sha256 for found in noted_damage(mirror.store)]


def test_a_whole_verify_clears_what_is_right_again(mirror: Mirror) -> None:
    note_damage(mirror.store, note())
    note_damage(mirror.store, note("0" * 64))
    assert 0 == mirror.verify().exit_code
    assert () == noted_damage(mirror.store)


def test_a_verify_of_another_repo_leaves_the_note(hub: FakeHub, mirror: Mirror) -> None:
    hub.add_repo("model", "acme/other", {"config.json": "{}"})
    mirror.add("model", id="acme/other")
    mirror.sync()
    note_damage(mirror.store, note())
    mirror.verify(["models/acme/other"])
    assert [SHA] == [found.sha256 for found in noted_damage(mirror.store)]
    mirror.verify([REPO])
    assert () == noted_damage(mirror.store)


def test_what_a_sync_put_right_is_no_complaint(mirror: Mirror) -> None:
    commit = mirror.store.refs(RepoKey.parse(REPO))["main"]
    mirror.store.blobs.path(SHA).unlink()
    note_damage(mirror.store, note(commit=commit))
    assert 1 == len(mirror.status().noted)
    mirror.sync(recheck=True)
    assert () == mirror.status().noted


def test_the_file_is_bounded_and_anybodys(mirror: Mirror) -> None:
    store = mirror.store
    junk = [{"sha256": SHA}, [], {**note().__dict__, "repo": "../.."}, {**note().__dict__, "x": 1}]
    text = "\n".join(map(json.dumps, junk)) + '\n{"cut'
    store.layout.damaged.write_text(text)
    assert [SHA] == [found.sha256 for found in noted_damage(store)]
    assert note_damage(store, note("0" * 64))  # begins a line of its own
    assert [SHA, "0" * 64] == [found.sha256 for found in noted_damage(store)]
    with store.layout.damaged.open("ab") as stream:
        stream.write(b" " * MAX_BYTES)
    assert not note_damage(store, note("2" * 64))
    forget_damage(store, {SHA})
    assert ["0" * 64] == [found.sha256 for found in noted_damage(store)]


def test_a_link_is_not_written_through(mirror: Mirror, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    mirror.store.layout.damaged.symlink_to(other)
    notes = DamageNotes(mirror.store)
    notes.add(RepoKey.parse(REPO), "1" * 40, "a", SHA)
    notes.settle()
    assert ("mine", ()) == (other.read_text(), noted_damage(mirror.store))


def test_where_nothing_can_be_written_the_log_says_so(
    mirror: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.store.layout.damaged.mkdir()  # root may write anything else
    mirror.store.blobs.path(SHA).unlink()
    with serving(mirror.root) as endpoint, caplog.at_level(logging.WARNING, "mirror.serve"):
        assert 500 == ask(endpoint)
    notes = DamageNotes(Store.open(mirror.root))
    notes.add(RepoKey.parse(REPO), "1" * 40, "a", SHA)
    notes.settle()
    assert "noted in this log only" in caplog.text
    assert [("blob-missing", SHA)] == [(f.kind, f.digest) for f in mirror.verify().problems]


def test_on_the_command_line(mirror: Mirror) -> None:
    commit = mirror.store.refs(RepoKey.parse(REPO))["main"]
    mirror.store.blobs.path(SHA).unlink()
    note_damage(mirror.store, note(commit=commit))
    runner = CliRunner(env={"MIRROR_HOME": str(mirror.root)})
    looked = runner.invoke(cli_app, ["verify", "--noted"])
    assert (7, True) == (looked.exit_code, "model.safetensors of models/acme/tiny" in looked.stdout)
    checked = runner.invoke(cli_app, ["status", "--check"])
    assert (4, True) == (checked.exit_code, "cannot deliver model.safetensors" in checked.stderr)
    done = runner.invoke(cli_app, ["verify", "--noted", "--repair"])
    assert (0, True) == (done.exit_code, "0 left after the repair" in done.stdout)
    again = runner.invoke(cli_app, ["verify", "--noted"])
    assert (0, True) == (again.exit_code, again.stdout.startswith("0 problems"))
