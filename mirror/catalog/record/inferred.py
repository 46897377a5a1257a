"""What the Hub infers of a model from its files, for models whose raw info nobody has.

A folder that was imported says neither its task nor its library; its ``config.json`` and
its file names do. Only what follows for sure: a class that is for several tasks has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from mirror.catalog.values import as_mapping, as_text, as_texts

#: End of a class of transformers → the task that it is for.
_TASKS: Final = (
    ("Wav2Vec2ForSequenceClassification", "audio-classification"),
    ("HubertForSequenceClassification", "audio-classification"),
    ("ForAudioClassification", "audio-classification"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("LayoutLMForQuestionAnswering", "document-question-answering"),
    ("ForVisualQuestionAnswering", "visual-question-answering"),
    ("ForDocumentQuestionAnswering", "document-question-answering"),
    ("TapasForQuestionAnswering", "table-question-answering"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForMaskedLM", "fill-mask"),
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForMultipleChoice", "multiple-choice"),
    ("ForImageClassification", "image-classification"),
    ("ForZeroShotObjectDetection", "zero-shot-object-detection"),
    ("ForObjectDetection", "object-detection"),
    ("ForSemanticSegmentation", "image-segmentation"),
    ("ForInstanceSegmentation", "image-segmentation"),
    ("ForUniversalSegmentation", "image-segmentation"),
    ("ForDepthEstimation", "depth-estimation"),
    ("ForVideoClassification", "video-classification"),
    ("ForCTC", "automatic-speech-recognition"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("WhisperForConditionalGeneration", "automatic-speech-recognition"),
    ("Speech2TextForConditionalGeneration", "automatic-speech-recognition"),
    ("MarianMTModel", "translation"),
)
#: These write text from text; other classes that end so see images or hear.
_TEXT_TO_TEXT: Final = re.compile(
    r"(?:M?T5|UMT5|LongT5|Bart|MBart|PLBart|Pegasus|PegasusX|LED|BlenderbotSmall|Blenderbot|ProphetNet"
    r"|SwitchTransformers|NllbMoe|M2M100)ForConditionalGeneration|T5WithLMHeadModel"
)
_TRANSFORMERS_WEIGHTS: Final = re.compile(
    r"(?:pytorch_model|model)(?:-\d{5}-of-\d{5})?\.(?:bin|safetensors)|tf_model\.h5"
    r"|flax_model\.msgpack"
)
#: A file that only models of one library have.
_TELLING: Final = {
    "model_index.json": "diffusers",
    "modules.json": "sentence-transformers",
    "config_sentence_transformers.json": "sentence-transformers",
    "adapter_config.json": "peft",
    "open_clip_config.json": "open_clip",
    "config_setfit.json": "setfit",
}
_REPO_ID: Final = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)


def task_of_config(config: object) -> str | None:
    """Give the task of the class that ``config.json`` names; ``None`` where it has several."""
    for name in as_texts(as_mapping(config).get("architectures"))[:1]:
        if _TEXT_TO_TEXT.fullmatch(name):
            return "text2text-generation"
        return next((task for ending, task in _TASKS if name.endswith(ending)), None)
    return None


def library_of_files(paths: Collection[str], config: object) -> str | None:
    """Give the library that files at the root of a model's repo are for."""
    root = {path for path in paths if "/" not in path}
    for name, library in _TELLING.items():
        if name in root:
            return library
    if any(path.endswith(".gguf") for path in root):
        return "gguf"
    if any(path.endswith(".nemo") for path in root):
        return "nemo"
    weights = any(_TRANSFORMERS_WEIGHTS.fullmatch(path) for path in root)
    if weights and as_text(as_mapping(config).get("model_type")) is not None:
        return "transformers"
    return None


def base_of_adapter(config: Mapping[str, Any]) -> str | None:
    """Give the id that ``adapter_config.json`` names; a path of somebody's disk is none."""
    text = as_text(config.get("base_model_name_or_path"))
    return text if text is not None and _REPO_ID.fullmatch(text) else None
