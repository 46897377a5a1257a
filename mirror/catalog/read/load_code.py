"""Python that loads a repo from the mirror, to be pasted as it is.

It finds the files through HF_HUB_CACHE, offline, as docs/how-to/load-offline.md says:
there is no path in it. Ids, subsets and file names come from upstream, so they are
written as Python literals (:func:`literal`), never as they are.
"""

from __future__ import annotations

import re
from typing import Final

from mirror.catalog.read.details import FileInfo, RepoPage
from mirror.names import RepoType

#: Task → the class of transformers that has its head.
_HEADS: Final = {
    "audio-classification": "AutoModelForAudioClassification",
    "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
    "depth-estimation": "AutoModelForDepthEstimation",
    "document-question-answering": "AutoModelForDocumentQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "image-classification": "AutoModelForImageClassification",
    "image-segmentation": "AutoModelForImageSegmentation",
    "image-text-to-text": "AutoModelForImageTextToText",
    "image-to-text": "AutoModelForImageTextToText",
    "mask-generation": "AutoModelForMaskGeneration",
    "multiple-choice": "AutoModelForMultipleChoice",
    "object-detection": "AutoModelForObjectDetection",
    "question-answering": "AutoModelForQuestionAnswering",
    "summarization": "AutoModelForSeq2SeqLM",
    "table-question-answering": "AutoModelForTableQuestionAnswering",
    "text-classification": "AutoModelForSequenceClassification",
    "text-generation": "AutoModelForCausalLM",
    "text-ranking": "AutoModelForSequenceClassification",
    "text2text-generation": "AutoModelForSeq2SeqLM",
    "token-classification": "AutoModelForTokenClassification",
    "translation": "AutoModelForSeq2SeqLM",
    "video-classification": "AutoModelForVideoClassification",
    "visual-question-answering": "AutoModelForVisualQuestionAnswering",
    "zero-shot-classification": "AutoModelForSequenceClassification",
    "zero-shot-image-classification": "AutoModelForZeroShotImageClassification",
    "zero-shot-object-detection": "AutoModelForZeroShotObjectDetection",
}
_PROCESSORS: Final = frozenset({"processor_config.json", "preprocessor_config.json"})
_TOKENIZERS: Final = frozenset(
    {"tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "tokenizer.model",
     "spiece.model", "sentencepiece.bpe.model", "spm.model"}
)  # fmt: skip

#: Library → what is imported, and the expression: ``{id}`` is the id, ``{more}`` the
#: revision where one is needed. Those without ``{more}`` only know ``main``.
_SIMPLE: Final = {
    "sentence-transformers": (
        "from sentence_transformers import SentenceTransformer",
        "model = SentenceTransformer({id}{more})",
    ),
    "setfit": ("from setfit import SetFitModel", "model = SetFitModel.from_pretrained({id}{more})"),
    "span-marker": (
        "from span_marker import SpanMarkerModel",
        "model = SpanMarkerModel.from_pretrained({id}{more})",
    ),
    "gliner": ("from gliner import GLiNER", "model = GLiNER.from_pretrained({id}{more})"),
    "diffusers": (
        "from diffusers import DiffusionPipeline",
        "pipeline = DiffusionPipeline.from_pretrained({id}{more})",
    ),
    "timm": ("import timm", "model = timm.create_model({hub_id}, pretrained=True)"),
    "open_clip": (
        "import open_clip",
        "model, preprocess = open_clip.create_model_from_pretrained({hub_id})",
    ),
    "mlx": ("from mlx_lm import load", "model, tokenizer = load({id}{more})"),
    "flair": ("from flair.models import SequenceTagger", "tagger = SequenceTagger.load({id})"),
    "model2vec": (
        "from model2vec import StaticModel",
        "model = StaticModel.from_pretrained({id})",
    ),
}
#: Several files that are one model: ``name-00001-of-00003.gguf``.
_SHARD: Final = re.compile(r"-(\d{5})-of-\d{5}\.gguf$", re.IGNORECASE)
_EXOTIC: Final = re.compile(r"[^ -~\uac00-\ud7a3\u3041-\u30ff\u4e00-\u9fff]|[\"\\]")


def literal(text: str) -> str:
    """Write a text as a Python literal of printable characters, in double quotes if it can be."""
    return repr(text) if _EXOTIC.search(text) else f'"{text}"'


def load_code(page: RepoPage) -> str | None:
    """Give the code; ``None`` for a repo that is only known, not mirrored."""
    if page.state != "mirrored":
        return None
    if page.key.repo_type is RepoType.DATASET:
        return _dataset(page)
    if page.key.repo_type is RepoType.SPACE:
        return _folder(page)
    return _model(page)


def _model(page: RepoPage) -> str:
    here = {file.path for file in page.file_list if file.present}
    ggufs = [file for file in page.file_list if file.present and _is_gguf(file.path)]
    if ggufs and ("gguf" in page.libraries or not _has_other_weights(here)):
        return _gguf(page, ggufs)
    if "adapter_config.json" in here and (code := _adapter(page)) is not None:
        return code
    for library in page.libraries:
        if library == "sentence-transformers" and _is_cross_encoder(page):
            return _simple(
                page,
                "from sentence_transformers import CrossEncoder",
                "model = CrossEncoder({id}{more})",
            )
        if library in _SIMPLE:
            needs_revision = "{more}" not in _SIMPLE[library][1] and page.ref != "main"
            return _folder(page) if needs_revision else _simple(page, *_SIMPLE[library])
        if library == "transformers" and "config.json" in here:
            return _transformers(page, here)
    return _folder(page)


def _simple(page: RepoPage, imports: str, expression: str) -> str:
    name = page.key.repo_id
    filled = expression.format(
        id=literal(name), hub_id=literal(f"hf-hub:{name}"), more=_revision(page)
    )
    return f"{imports}\n\n{filled}"


def _transformers(page: RepoPage, here: set[str]) -> str:
    head = next((_HEADS[task] for task in page.tasks if task in _HEADS), "AutoModel")
    more = _revision(page)
    custom = "custom_code" in page.tags
    if custom:
        more += ", trust_remote_code=True"
    parts = []
    if here & _PROCESSORS:
        parts.append(("processor", "AutoProcessor"))
    elif here & _TOKENIZERS:
        parts.append(("tokenizer", "AutoTokenizer"))
    parts.append(("model", head))
    classes = ", ".join(sorted(name for _, name in parts))
    lines = [f"from transformers import {classes}", "", f"name = {literal(page.key.repo_id)}"]
    if custom:
        lines.append("# Runs code that comes with the model: read it first.")
    lines += [f"{variable} = {cls}.from_pretrained(name{more})" for variable, cls in parts]
    return "\n".join(lines)


def _adapter(page: RepoPage) -> str | None:
    """A PEFT adapter, on the base model that it names."""
    bases = [link.target for link in page.links if link.kind == "base_model"]
    if not bases:
        return None
    head = next((_HEADS[task] for task in page.tasks if task in _HEADS), "AutoModelForCausalLM")
    own = f"{literal(page.key.repo_id)}{_revision(page)}"
    return "\n".join(
        (
            "from peft import PeftModel",
            f"from transformers import {head}",
            "",
            f"base = {head}.from_pretrained({literal(bases[0])})",
            f"model = PeftModel.from_pretrained(base, {own})",
        )
    )


def _gguf(page: RepoPage, files: list[FileInfo]) -> str:
    path = _best_gguf(files)
    arguments = f"{literal(page.key.repo_id)}, {literal(path)}{_revision(page)}"
    return "\n".join(
        (
            "from huggingface_hub import hf_hub_download",
            "from llama_cpp import Llama",
            "",
            f"model = Llama(hf_hub_download({arguments}))",
        )
    )


def _best_gguf(files: list[FileInfo]) -> str:
    """Q4_K_M, which most people take; else the smallest. The first part of several."""
    whole = [file for file in files if "mmproj" not in file.path.lower()] or files
    first = [
        file for file in whole if (part := _SHARD.search(file.path)) is None or part[1] == "00001"
    ]
    wanted = [file for file in first or whole if "q4_k_m" in file.path.lower()]
    best = min(wanted or first or whole, key=lambda file: (file.size, file.path))
    return best.path


def _dataset(page: RepoPage) -> str:
    if not page.subsets or any(file.path == f"{page.key.name}.py" for file in page.file_list):
        return _folder(page)  # a loading script runs no more
    default = next((subset for subset in page.subsets if subset.is_default), None)
    several = len(page.subsets) > 1
    chosen = default or page.subsets[0]
    name = f", {literal(chosen.name)}" if several and default is None else ""
    lines = [
        "from datasets import load_dataset",
        "from huggingface_hub import snapshot_download",
        "",
        f"folder = {_snapshot(page)}",
        f"data = load_dataset(folder{name})",
    ]
    others = [subset.name for subset in page.subsets if subset is not chosen]
    if others:
        shown = ", ".join(map(literal, others[:5])) + (" …" if len(others) > 5 else "")
        lines.append(f"# other subsets: {shown}")
    return "\n".join(lines)


def _folder(page: RepoPage) -> str:
    return f"from huggingface_hub import snapshot_download\n\nfolder = {_snapshot(page)}"


def _snapshot(page: RepoPage) -> str:
    kind = page.key.repo_type
    typed = "" if kind is RepoType.MODEL else f', repo_type="{kind.value}"'
    return f"snapshot_download({literal(page.key.repo_id)}{typed}{_revision(page)})"


def _revision(page: RepoPage) -> str:
    return "" if page.ref == "main" else f", revision={literal(page.ref)}"


def _is_gguf(path: str) -> bool:
    return path.lower().endswith(".gguf")


def _has_other_weights(paths: set[str]) -> bool:
    return any(path.lower().endswith((".safetensors", ".bin", ".pt", ".h5")) for path in paths)


def _is_cross_encoder(page: RepoPage) -> bool:
    return "cross-encoder" in page.tags or "text-ranking" in page.tasks
