"""The libraries people load with, unchanged: they see what they see at the hub itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakehub import serve
from tests.samples import sample_hub

PROBE = Path(__file__).parents[1] / "client_probe.py"

MORE = """
import json, sys
import pandas
from datasets import load_dataset
from huggingface_hub import HfFileSystem
from transformers import AutoConfig

names = ("acme/names", "klue/klue")
stream = load_dataset("klue/klue", "sts", split="validation", streaming=True)
files = HfFileSystem()
with files.open("klue/roberta-small/model.safetensors", "rb", block_size=1000) as file:
    file.seek(50_001)
    middle = file.read(3)
found = {
    "sts": load_dataset("klue/klue", "sts", split="train[1:3]")["sentence"][:],
    "default": sorted(load_dataset("klue/klue")),
    "ynat": load_dataset("klue/klue", "ynat", split="train")[0],
    "streamed": [row["sentence"] for row in stream],
    "data_files": load_dataset("acme/numbers", data_files="*.csv", split="train")["n"][:],
    "legacy": AutoConfig.from_pretrained("gpt2").model_type,
    "quoted": files.glob("datasets/acme/names/많은 파일/2*.txt"),
    "odd": files.read_text("datasets/acme/names/sub/a b+c%20&d.txt"),
    "middle": list(middle),
    "pandas": int(pandas.read_csv("hf://datasets/acme/numbers/data.csv")["n"].sum()),
    "converted": files.ls("datasets/sample-lab/korean-qa@refs%2Fconvert%2Fparquet", detail=False),
}
json.dump(found, sys.stdout)
"""


def run(endpoint: str, home: Path, *command: object) -> Any:
    """Run a program with HF_ENDPOINT set and nothing else; gives the JSON it prints."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "PYTHON"))}
    switches = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=kept | switches,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    return lambda endpoint: run(endpoint, tmp_path_factory.mktemp("home"), PROBE)


@pytest.fixture(scope="module")
def at_the_hub(samples: Path, probe: Callable[[str], Any]) -> Iterator[Any]:
    hub = sample_hub(samples)
    with serve(hub):
        yield probe(hub.endpoint)


def test_programs_see_the_same_as_at_the_hub(
    served: str, at_the_hub: Any, probe: Callable[[str], Any]
) -> None:
    assert at_the_hub == probe(served)


def test_data_sets_by_name_and_files_by_url(served: str, tmp_path: Path) -> None:
    expected = {
        "sts": ["문장 1", "문장 2"],
        "default": ["train", "validation"],
        "ynat": {"title": "경제", "label": 1},
        "streamed": ["문장 0", "문장 1"],
        "data_files": [1, 2],
        "legacy": "gpt2",
        "quoted": [f"datasets/acme/names/많은 파일/{n}.txt" for n in range(20, 30)],
        "odd": "odd\n",
        "middle": [81, 82, 83],
        "pandas": 3,
    }
    found = run(served, tmp_path, "-c", MORE)
    converted = found.pop("converted")
    assert expected == found
    assert converted


def test_the_command_of_the_hub(served: str, tmp_path: Path) -> None:
    hf = Path(sys.executable).with_name("hf")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "PYTHON"))}
    kept |= {
        "HF_ENDPOINT": served,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [hf, *words], env=kept, capture_output=True, text=True, timeout=60, check=False
        )

    whole = call(
        "download", "klue/klue", "--repo-type", "dataset", "--local-dir", str(tmp_path / "k")
    )
    one = call("download", "gpt2", "config.json", "--local-dir", str(tmp_path / "g"))
    missing = call("download", "klue/none")
    assert (0, 0) == (whole.returncode, one.returncode), whole.stderr + one.stderr
    assert (tmp_path / "k" / "sts" / "train.csv").is_file()
    assert (tmp_path / "g" / "config.json").is_file()
    assert 0 != missing.returncode
    assert "klue/none" in missing.stderr
    assert "Traceback" not in missing.stderr
