"""The sample repos: small models, data sets and a space, made from code, the same in every run.

    build_samples(folder)        # plain folders: folder/models/sample-lab/tiny-gpt2/…
    hub = sample_hub(folder)     # a FakeHub of them, with history, tags, branches and old names

The namespace ``sample-lab`` is invented, and so is everything in the repos.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakehub import FakeHub, FakeRepo
from tests.fakehub.repo import FileValue, folder_files

NAMESPACE: Final = "sample-lab"
_CARDS: Final = Path(__file__).parent / "cards"
#: Raise it when the content changes: folders of another version are built anew.
VERSION: Final = "1"

_ATTRIBUTES = "".join(
    f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n"
    for suffix in ("bin", "parquet", "png", "safetensors")
)
_PAGE = """<!doctype html>
<html lang="ko">
<meta charset="utf-8">
<title>Review demo</title>
<h1>Review demo</h1>
<p>이 영화는 정말 마음에 듭니다. <b>positive</b></p>
</html>
"""


@dataclass(frozen=True)
class SampleRepo:
    """One sample repo, and what the hub tells of its fame."""

    repo_type: str
    name: str
    downloads: int
    likes: int
    write: Callable[[Path], None]

    @property
    def repo_id(self) -> str:
        """``sample-lab/<name>``."""
        return f"{NAMESPACE}/{self.name}"

    def folder(self, root: Path) -> Path:
        """Where its files lie: ``<root>/models/sample-lab/<name>``."""
        return root / f"{self.repo_type}s" / NAMESPACE / self.name


def _bert(
    architecture: str, languages: str, labels: str = "", seed: int = 0
) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from tests.samples import models

        models.write_bert(folder, architecture, languages.split(), labels.split(), seed)

    return write


def _sentence(folder: Path) -> None:
    from tests.samples import models

    models.write_sentence_transformer(folder, ["ko", "en"])


def _gpt2(folder: Path) -> None:
    from tests.samples import models

    models.write_gpt2(folder)


def _reviews(folder: Path) -> None:
    from tests.samples import data

    data.write_reviews(folder)


def _qa(folder: Path) -> None:
    from tests.samples import data

    data.write_qa(folder)


def _shapes(folder: Path) -> None:
    from tests.samples import data

    data.write_shapes(folder)


def _space(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(_PAGE, encoding="utf-8")


_NER = "O B-PER I-PER B-LOC I-LOC B-ORG I-ORG"

SAMPLES: Final = (
    SampleRepo("model", "tiny-bert-korean", 18_240, 61, _bert("BertForMaskedLM", "ko", seed=1)),
    SampleRepo(
        "model",
        "tiny-bert-korean-sentiment",
        9_315,
        48,
        _bert("BertForSequenceClassification", "ko", "negative positive", seed=3),
    ),
    SampleRepo("model", "tiny-gpt2", 152_008, 230, _gpt2),
    SampleRepo(
        "model",
        "tiny-multilingual-ner",
        2_764,
        12,
        _bert("BertForTokenClassification", "ko en ja zh", _NER, seed=4),
    ),
    SampleRepo("model", "tiny-sentence-multilingual", 31_577, 95, _sentence),
    SampleRepo("dataset", "korean-english-reviews", 7_420, 39, _reviews),
    SampleRepo("dataset", "korean-qa", 1_986, 17, _qa),
    SampleRepo("dataset", "shapes", 640, 5, _shapes),
    SampleRepo("space", "review-demo", 0, 8, _space),
)


def build_samples(folder: Path) -> list[SampleRepo]:
    """Write all sample repos below ``folder``; quick where that was done before."""
    done = folder / ".built"
    if not done.exists() or done.read_text() != VERSION:
        for sample in SAMPLES:
            _build(sample, sample.folder(folder))
        from tests.samples import data

        data.write_qa_parquet(folder / "converted" / "korean-qa")
        done.write_text(VERSION)
    return list(SAMPLES)


def _build(sample: SampleRepo, folder: Path) -> None:
    sample.write(folder)
    card = (_CARDS / f"{sample.name}.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / ".gitattributes").write_text(_ATTRIBUTES)


def sample_hub(folder: Path) -> FakeHub:
    """Give a hub of the repos that :func:`build_samples` wrote, served from disk.

    Every repo has two commits, the first without the card's text. The sentiment model has
    a tag ``v1.0`` and a branch ``experiment``; the questions have ``refs/convert/parquet``;
    ``sample-lab/gpt2-tiny`` and the legacy id ``tiny-gpt2`` lead to ``sample-lab/tiny-gpt2``.
    """
    hub = FakeHub()
    for sample in SAMPLES:
        _add(hub, sample, folder)
    sentiment = hub.repo("model", f"{NAMESPACE}/tiny-bert-korean-sentiment")
    first = sentiment.head.parent
    assert first is not None
    sentiment.tag("v1.0", first.id)
    card = sentiment.head.files["README.md"].content.bytes()
    changed = {"README.md": card + "\n## 실험\n\n다른 학습률로 다시 학습했습니다.\n".encode()}
    sentiment.commit(changed, title="Try another learning rate", ref="experiment", parent="main")
    converted = folder_files(folder / "converted" / "korean-qa")
    questions = hub.repo("dataset", f"{NAMESPACE}/korean-qa")
    questions.commit(converted, ref="refs/convert/parquet", title="Convert to Parquet", only=True)
    hub.alias("model", f"{NAMESPACE}/gpt2-tiny", f"{NAMESPACE}/tiny-gpt2")
    hub.alias("model", "tiny-gpt2", f"{NAMESPACE}/tiny-gpt2")
    return hub


def _add(hub: FakeHub, sample: SampleRepo, folder: Path) -> FakeRepo:
    files = folder_files(sample.folder(folder))
    card = files["README.md"]
    assert isinstance(card, Path)
    early: dict[str, FileValue] = {**files, "README.md": _without_text(card)}
    repo = hub.add_repo(sample.repo_type, sample.repo_id, early, title="Upload")
    repo.downloads, repo.likes = sample.downloads, sample.likes
    repo.commit({"README.md": card}, title="Write the card")
    return repo


def _without_text(card: Path) -> str:
    """The card as it was first: front matter and title."""
    text = card.read_text(encoding="utf-8")
    head, _, rest = text.removeprefix("---\n").partition("\n---\n")
    return f"---\n{head}\n---\n\n{rest.strip().splitlines()[0]}\n"
