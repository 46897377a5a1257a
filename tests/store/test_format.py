"""A mirror of format 1 as it was first released: it must open for ever.

``format-1/`` is never changed. The hard links of its view are copies there, as in any
checkout, and empty folders are missing.
"""

import shutil
from pathlib import Path

import pytest

from mirror.names import RepoKey, RepoType
from mirror.store import Observation, Store, plan_prune, rebuild_view, verify
from tests.store.making import KEY, OTHER, contents, publish

SAMPLE = Path(__file__).parent / "format-1"
ONE, TWO = "1" * 40, "2" * 40
ALIAS = RepoKey(RepoType.MODEL, "tiny")


@pytest.fixture
def sample(tmp_path: Path) -> Store:
    shutil.copytree(SAMPLE, tmp_path / "mirror", symlinks=True)
    return Store.open(tmp_path / "mirror")


def test_it_opens_where_it_lies() -> None:
    store = Store.open(SAMPLE)

    assert list(store.repos()) == [KEY, OTHER]
    assert store.aliases() == {ALIAS: KEY}
    assert store.refs(KEY) == {"main": TWO, "v1.0": ONE}
    assert store.refs(OTHER) == {"main": ONE, "refs/convert/parquet": ONE, ONE: ONE}
    assert store.retired(KEY, "main") == (ONE,)
    assert verify(store).findings == ()
    assert plan_prune(store, 0).snapshots == ()


def test_its_manifests_are_read() -> None:
    manifest = Store.open(SAMPLE).manifest(ALIAS, TWO)

    assert (manifest.format, manifest.key, manifest.commit) == (1, KEY, TWO)
    assert manifest.created == "2025-02-02T03:04:05Z"
    assert manifest.upstream == {"id": "acme/tiny", "tags": ["ko"]}
    assert manifest.endpoint == "https://hub.example"
    assert [(file.path, file.size, file.present) for file in manifest.files] == [
        ("README.md", 16, True),
        ("config.json", 3, True),
        ("pytorch_model.bin", 10, False),
        ("sub dir/weights.safetensors", 8, True),
    ]
    weights = manifest.files[-1]
    assert weights.lfs_sha256 == weights.sha256 == weights.etag
    assert manifest.files[2].absent_because == "exclude"


def test_its_content_is_read() -> None:
    store = Store.open(SAMPLE)
    readme = store.manifest(KEY, TWO).files[0]

    with store.blobs.open(str(readme.sha256)) as stream:
        assert stream.read().decode() == "# 작은 모델\n"
    assert contents(store.layout.snapshot(ALIAS, TWO)) == {
        "README.md": "# 작은 모델\n".encode(),
        "config.json": b"{}\n",
        "sub dir/weights.safetensors": b"weights\n",
    }
    assert store.git_index.find(readme.blob_id) == readme.sha256


def test_its_past_is_read() -> None:
    store = Store.open(SAMPLE)

    assert store.history(KEY)[0] == Observation(
        time="2025-01-02T03:04:05Z",
        state="ok",
        commit=ONE,
        downloads=10,
        likes=2,
        license="apache-2.0",
        gated=False,
    )
    assert store.history(KEY)[1].gated == "auto"
    assert [seen.state for seen in store.history(OTHER)] == ["gone"]
    assert list(store.reports()) == [{"kind": "sync", "published": 2}]


def test_it_can_be_gone_on_with(sample: Store) -> None:
    with sample.write_lock("test"):
        publish(sample, commit="3" * 40, files={"README.md": b"# Tiny 3\n"})

    assert sample.retired(KEY, "main") == (TWO, ONE)
    assert sample.resolve(ALIAS) == "3" * 40
    assert verify(sample).findings == ()


def test_its_view_can_be_made_anew(sample: Store) -> None:
    before = contents(sample.layout.hub)
    shutil.rmtree(sample.layout.hub)
    for key in (*sample.repos(), *sample.aliases()):
        rebuild_view(sample, key)

    assert contents(sample.layout.hub) == before
    assert verify(sample).findings == ()
