"""Make catalog.db.example: sync the sample repos from their hub on loopback, and index them.

It is a real mirror that is indexed, only that the times of the sync are set to a fixed
one, so that the file is the same in every run (with the same versions of SQLite and of
the libraries that write the samples).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from mirror import Mirror  # noqa: E402
from mirror.catalog import IndexReport, reindex  # noqa: E402
from mirror.store import Store, encode_manifest  # noqa: E402
from tests.fakehub import serve  # noqa: E402 - the checkout's own
from tests.samples import NAMESPACE, SAMPLES, build_samples, sample_hub  # noqa: E402

EXAMPLE: Final = CHECKOUT / "catalog.db.example"
#: When this mirror was made, it says.
TIME: Final = "2026-03-10T09:00:00+00:00"

OLD_NAME: Final = "tiny-gpt2"
#: Beside ``main``: branches, tags and other names that the sample hub has.
REVISIONS: Final = {
    "tiny-bert-korean-sentiment": ["main", "v1.0", "experiment"],
    "korean-qa": ["main", "refs/convert/parquet"],
}


def build(target: Path) -> IndexReport:
    """Write the example catalog to ``target``."""
    with tempfile.TemporaryDirectory() as scratch:
        mirror = mirrored(Path(scratch))
        fix_times(mirror.store)
        return reindex(mirror.store, target)


def mirrored(folder: Path) -> Mirror:
    """Sync every sample repo into a new mirror."""
    build_samples(folder / "samples")
    with serve(sample_hub(folder / "samples")) as endpoint:
        mirror = Mirror.init(folder / "mirror", endpoint)
        for sample in SAMPLES:
            revisions = REVISIONS.get(sample.name, ["main"])
            if sample.name == OLD_NAME:
                # By a name it had before, and without a file: an alias, a partial snapshot.
                mirror.add("model", id=OLD_NAME, exclude=["*.bin"])
            else:
                mirror.add(sample.repo_type, id=sample.repo_id, revisions=revisions)
        report = mirror.sync()
    if report.exit_code != 0:
        sys.exit(f"the sample repos could not be synced: {report.as_json()}")
    assert {str(NAMESPACE)} == {key.namespace for key in mirror.store.repos()}
    return mirror


def fix_times(store: Store) -> None:
    """Let manifests and history say :data:`TIME`."""
    for key in store.repos():
        for commit in store.commits(key):
            manifest = store.manifest(key, commit).model_copy(update={"created": TIME})
            store.layout.manifest(key, commit).write_bytes(encode_manifest(manifest))
        lines = [{**seen.as_json(), "time": TIME} for seen in store.history(key)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        store.layout.history(key).write_text(text, encoding="utf-8")


def main() -> None:
    """Build it at the place given, or at the top of the source tree."""
    # Nothing of the user's own set-up: no token, no other hub.
    for name in [name for name in os.environ if name.startswith(("HF_", "MIRROR_"))]:
        del os.environ[name]
    target = Path(sys.argv[1] if len(sys.argv) > 1 else EXAMPLE)
    report = build(target)
    print(f"{target}: {report.repos} repos, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
