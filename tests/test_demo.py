"""The demo itself: run as it is typed, twice, without a terminal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "demo.py"


def run_demo(cache: Path, *arguments: str) -> str:
    """Run scripts/demo.py with nothing of this process's own settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cache),
        "XDG_CACHE_HOME": str(cache),
        "TMPDIR": str(cache),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """What the first and the second run print, and where they keep their things."""
    cache = tmp_path_factory.mktemp("cache")
    return run_demo(cache), run_demo(cache), cache / "hub-mirror-demo"


def part(text: str, command: str) -> str:
    """What stands between a command and the next one, or the next step."""
    rest = text.partition(f"$ {command}\n")[2]
    assert rest, f"{command} is not shown"
    return rest.partition("\n\n$ ")[0]


def test_it_syncs_finds_and_loads(runs: tuple[str, str, Path]) -> None:
    first, _, folder = runs
    found = part(first, "mirror search --task text-classification --language ko")
    assert "tiny-bert-korean-sentiment" in found
    assert "한국어·영어 상품평" in found
    assert "tiny-gpt2" not in found
    found = part(first, "mirror search '감정 -license:unknown params:<1M'")
    assert "tiny-bert-korean-sentiment" in found
    assert "감정(긍정·부정)을 분류하는" in found
    assert "apache-2.0        2" in part(first, "mirror facets language:ko --field license")
    assert "0.9167" in part(first, "mirror leaderboard")
    assert "AutoModelForSequenceClassification" in first
    assert "bert, 2 layers, labels {0: 'negative', 1: 'positive'}" in first
    assert "['이', '영화는', '정말', '마음에', '듭니다', '.']" in first
    assert "60 rows with id, text, label, rating, category" in first
    assert (folder / "mirror" / "catalog.db").exists()


def test_it_proves_that_there_is_no_network(runs: tuple[str, str, Path]) -> None:
    first, _, _ = runs
    reasons = ("Network is unreachable", "refused by the audit hook")
    assert any(f"connect to 192.0.2.1: {reason}" in first.replace("[Errno 101] ", "")
               for reason in reasons)  # fmt: skip


def test_a_second_run_fetches_nothing(runs: tuple[str, str, Path]) -> None:
    _, second, _ = runs
    assert "The mirror is there from an earlier run" in second
    assert "0 of them files" in second
    assert "60 rows with" in second


def test_it_says_how_to_go_on_and_how_to_remove_it(runs: tuple[str, str, Path]) -> None:
    first, _, folder = runs
    assert f"MIRROR_HOME={folder / 'mirror'}" in first
    assert f"rm -rf {folder}" in first


# --- scripts/demo --air-gap -----------------------------------------------------------


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the walk across the gap prints; nothing stays on the disk."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    cache = tmp_path_factory.mktemp("empty")
    text = run_demo(cache, "--air-gap")
    assert [] == list(cache.iterdir())
    return text


def typed_at(walk: str, prompt: str, command: str) -> str:
    """What stands between a command of somebody and what follows it."""
    rest = walk.partition(f"\n{prompt}$ {command}")[2].partition("\n")[2]
    assert rest, f"{prompt}$ {command} is not shown"
    return rest.partition("\n\n")[0]


def test_a_bundle_crosses_in_volumes_and_is_checked_on_the_way(walk: str) -> None:
    assert "out/bundle-1/volume-002" in typed_at(walk, "office", "mirror export out/bundle-1")
    assert "all as listed" == typed_at(walk, "carrier", "sha256sum")
    assert 'Good "hub-mirror-bundle" signature for office' in typed_at(
        walk, "carrier", "ssh-keygen -Y verify"
    )
    assert "partial" in typed_at(walk, "lab", "mirror import stick/volume-001")
    refused, taken = (
        typed_at(rest, "lab", "mirror import stick/volume-002")
        for rest in (walk, walk.partition("nothing of it can be seen.")[2])
    )
    assert "is not what was exported" in refused
    assert "published=3 missing_volumes=0" in taken


def test_the_lab_loads_what_came_without_a_network(walk: str) -> None:
    loading = walk.partition("lab$ python scripts/demo_load.py")[2]
    assert any(
        f"connect to 192.0.2.1: {why}" in loading.replace("[Errno 101] ", "")
        for why in ("Network is unreachable", "refused by the audit hook")
    )
    assert "bert, 2 layers, labels {0: 'negative', 1: 'positive'}" in loading
    assert "60 rows with id, text, label, rating, category" in loading
    assert ("unshare" in walk) and (("lo (down)" in loading) or ("NOTE: this machine" in walk))


def test_the_second_bundle_is_the_difference_and_removals_wait_for_the_lab(walk: str) -> None:
    sizes = re.search(r"bundle has ([\d,]+) bytes on all volumes, this one ([\d,]+)", walk)
    assert sizes is not None
    full, second = (int(size.replace(",", "")) for size in sizes.groups())
    assert second * 20 < full
    assert "tiny-gpt2" not in typed_at(walk, "lab", "mirror import stick/bundle-2 --quiet")
    proposed = typed_at(walk, "lab", "mirror prune --proposed --dry-run")
    assert "the sender has this repo no longer (office, bundle" in proposed
    assert "tiny-gpt2" not in typed_at(walk, "lab", "mirror list")
