"""A disk that is full, in truth: a small tmpfs in a mount namespace of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from mirror.errors import DiskError
from mirror.store import Store, verify
from tests.store.making import FILES, KEY, commit_of, contents, publish
from tests.store.test_clients import TOP, needs_namespaces

SCRIPT = 'mount -t tmpfs -o size=400k tmpfs "$1" && exec "$2" -m tests.store.test_disk "$1"'
NEWER = {**FILES, **{f"file{number}.txt": b"%d" % number * 2000 for number in range(10)}}
PAGE = 4096


def test_a_full_disk_is_a_disk_error_and_harms_nothing(tmp_path: Path) -> None:
    needs_namespaces()
    command = ["unshare", "-rm", "sh", "-c", SCRIPT, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

    # What was refused at some point: blobs, the index, the manifest, the view and refs.
    kinds = {refused.split("/")[0] for refused in json.loads(done.stdout)}
    assert kinds == {"blobs", "git-index", "repos", "hub"}
    assert {Path(refused).name for refused in json.loads(done.stdout)} >= {
        "refs.json",
        f"{commit_of('2')}.json",
    }


def fill_disk(top: Path) -> None:
    """Publish with one page more of room each time, so that every write is once the one refused."""
    refused = []
    for pages in range(80):
        store = Store.create(top / "mirror")
        publish(store)
        leave_room(top / "filler", pages * PAGE)
        try:
            publish(store, commit=commit_of("2"), files=NEWER)
        except DiskError as error:
            assert "No space left" in str(error)
            assert error.hint is not None
            assert "mirror prune" in error.hint
            path = str(error).removeprefix(f"cannot write {store.root}/")
            refused.append(path.removesuffix(": No space left on device"))
        else:
            break
        assert_whole(store)
        (top / "filler").unlink()
        publish(store, commit=commit_of("2"), files=NEWER)
        assert contents(store.snapshot_path(KEY, store.resolve(KEY))) == NEWER
        assert verify(store).findings == ()
        shutil.rmtree(store.root)
    print(json.dumps(refused))


def leave_room(filler: Path, room: int) -> None:
    with filler.open("wb", buffering=0) as stream:
        try:
            while stream.write(b"\0" * PAGE):
                pass
        except OSError:
            stream.truncate(stream.tell() - room)


def assert_whole(store: Store) -> None:
    assert contents(store.snapshot_path(KEY, store.resolve(KEY))) in (FILES, NEWER)
    assert {f.kind for f in verify(store).problems} <= {"view-missing", "view-wrong"}


if __name__ == "__main__":
    fill_disk(Path(sys.argv[1]))
