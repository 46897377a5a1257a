"""The code that `mirror show` gives is pasted as it is, and run offline in a fresh process."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mirror import Mirror
from tests.fakehub import serve
from tests.samples import NAMESPACE, SAMPLES, sample_hub

#: Runs each code in a namespace of its own; prints what its variables are.
_RUN = """
import json, sys
found = {}
for name, code in json.load(sys.stdin).items():
    space = {}
    try:
        exec(compile(code, name, "exec"), space)
    except Exception as error:
        found[name] = {"error": f"{type(error).__name__}: {error}"}
    else:
        found[name] = {k: str(v)[:2000] for k, v in space.items() if not k.startswith("__")}
json.dump(found, sys.stdout)
"""
#: transformers has no classes of models without it.
_TORCH = importlib.util.find_spec("torch") is not None


@pytest.fixture(scope="module")
def mirror(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    """A mirror of the sample repos, and of a GGUF file; their hub is gone."""
    root = tmp_path_factory.mktemp("loading") / "mirror"
    hub = sample_hub(samples)
    gguf = {"tiny-Q4_K_M.gguf": b"GGUF of no weights", "README.md": b"---\nlicense: mit\n---\n"}
    hub.add_repo("model", f"{NAMESPACE}/tiny-gguf", gguf)
    with serve(hub):
        mirror = Mirror.init(root, hub.endpoint)
        for sample in SAMPLES:
            mirror.add(sample.repo_type, id=sample.repo_id)
        mirror.add("model", id=f"{NAMESPACE}/tiny-gguf")
        report = mirror.sync()
        assert report.exit_code == 0
    return mirror


def run(mirror: Mirror, codes: dict[str, str], home: Path) -> dict[str, dict[str, str]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MIRROR"))
    }
    environment |= {
        "HF_HUB_CACHE": str(mirror.root / "hub"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(home),
    }
    ran = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps(codes),
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    found: dict[str, dict[str, str]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def without_torch(code: str) -> str:
    """Where there is no torch: the configuration of the model in place of the model."""
    return code if _TORCH else re.sub(r"AutoModel\w*", "AutoConfig", code)


def test_every_sample_loads_as_pasted(mirror: Mirror, tmp_path: Path) -> None:
    codes = {}
    for sample in SAMPLES:
        code = mirror.show(sample.repo_id, sample.repo_type).load
        assert code is not None
        modules = {
            line.split()[1] for line in code.splitlines() if line.startswith(("from", "imp"))
        }
        if all(importlib.util.find_spec(module) for module in modules):
            codes[sample.name] = without_torch(code)

    found = run(mirror, codes, tmp_path)

    assert {name: said["error"] for name, said in found.items() if "error" in said} == {}
    assert "tokenizer" in found["tiny-bert-korean-sentiment"]
    assert "num_rows" in found["korean-english-reviews"]["data"]
    assert "num_rows" in found["shapes"]["data"]
    assert found["review-demo"]["folder"].startswith(str(mirror.root))


def test_the_head_fits_the_task(mirror: Mirror) -> None:
    code = str(mirror.show(f"{NAMESPACE}/tiny-multilingual-ner").load)

    assert "AutoModelForTokenClassification" in code


def test_gguf(mirror: Mirror, tmp_path: Path) -> None:
    """llama.cpp takes a path: a class that keeps it stands for it here."""
    code = str(mirror.show(f"{NAMESPACE}/tiny-gguf").load)
    stand_in = "import sys, types\nsys.modules['llama_cpp'] = types.SimpleNamespace(Llama=open)\n"

    found = run(mirror, {"gguf": stand_in + code + "\ntext = model.read()"}, tmp_path)

    assert found["gguf"]["text"] == "GGUF of no weights"
