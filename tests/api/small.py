"""A hub of a few tiny repos, and a mirror of it, for the tests of api and cli."""

from __future__ import annotations

from pathlib import Path

from mirror import Mirror
from tests.fakehub import FakeHub

KLUE_CARD = """\
---
language: ko
license: cc-by-sa-4.0
task_categories: [text-classification]
pretty_name: KLUE
configs:
- config_name: sts
  default: true
  data_files:
  - {split: train, path: sts/train.csv}
  - {split: validation, path: sts/validation.csv}
- config_name: ynat
  data_files: [{split: train, path: ynat/train.csv}]
---
# KLUE

한국어 이해 능력을 재는 기계독해와 감정분석 벤치마크입니다.
"""
ROBERTA_CARD = """\
---
language: ko
license: mit
pipeline_tag: fill-mask
library_name: transformers
---
# KLUE RoBERTa

A small language model for Korean.
"""


def small_hub(hub: FakeHub | None = None) -> FakeHub:
    """Fill a hub: two data sets, three models, one of them renamed, one id of two types."""
    hub = hub or FakeHub()
    klue = hub.add_repo("dataset", "klue/klue", {"README.md": "# KLUE\n"}, downloads=420, likes=7)
    klue.tag("v1.0")
    files = {"README.md": KLUE_CARD, "ynat/train.csv": "title,label\n경제,1\n"}
    for split, rows in (("train", 4), ("validation", 2)):
        lines = "".join(f"문장 {row},{row}.5\n" for row in range(rows))
        files[f"sts/{split}.csv"] = f"sentence,score\n{lines}"
    klue.commit({path: text.encode() for path, text in files.items()}, title="Add the data")
    hub.add_repo("dataset", "acme/numbers", {"data.csv": b"n\n1\n2\n"})
    hub.add_repo("model", "klue/klue", {"config.json": b"{}"})
    weights = {"model.safetensors": bytes(range(256)) * 400, "pytorch_model.bin": b"pickle" * 900}
    hub.add_repo(
        "model",
        "klue/roberta-small",
        {"README.md": ROBERTA_CARD, "config.json": b'{"model_type": "roberta"}', **weights},
        downloads=9000,
        likes=30,
    )
    hub.add_repo("model", "openai-community/gpt2", {"config.json": b'{"model_type": "gpt2"}'})
    hub.alias("model", "gpt2", "openai-community/gpt2")
    return hub


def select_all(mirror: Mirror) -> None:
    """Select everything on it; the pickled weights are left out."""
    mirror.add("dataset", id="klue/klue", revisions=("main", "v1.0"))
    mirror.add("dataset", id="acme/numbers")
    mirror.add("model", id="klue/klue")
    mirror.add("model", id="klue/roberta-small", exclude="*.bin")
    mirror.add("model", id="gpt2")


def make_synced(root: Path, hub: FakeHub) -> Mirror:
    """Make a mirror of a small hub that is being served."""
    mirror = Mirror.init(root, hub.endpoint)
    select_all(mirror)
    report = mirror.sync()
    assert 0 == report.exit_code, report.failed
    return mirror
