"""The Hub's names of things, to know one among a model's bare tags. Imports nothing of ours."""

from __future__ import annotations

import re
from typing import Final

#: The Hub's pipeline tags. Any other name that a card declares is taken as it is.
_TASKS: Final = """
    any-to-any audio-classification audio-text-to-text audio-to-audio
    automatic-speech-recognition depth-estimation document-question-answering
    feature-extraction fill-mask graph-ml image-classification image-feature-extraction
    image-segmentation image-text-to-image image-text-to-text image-text-to-video
    image-to-3d image-to-image image-to-text image-to-video keypoint-detection
    mask-generation multiple-choice object-detection question-answering
    reinforcement-learning robotics sentence-similarity summarization
    table-question-answering table-to-text tabular-classification tabular-regression
    tabular-to-text text-classification text-generation text-ranking text-retrieval
    text-to-3d text-to-audio text-to-image text-to-speech text-to-video text2text-generation
    time-series-forecasting token-classification translation
    unconditional-image-generation video-classification video-text-to-text video-to-video
    visual-document-retrieval visual-question-answering voice-activity-detection
    zero-shot-classification zero-shot-image-classification zero-shot-object-detection
    """

#: The libraries that models of before ``library_name`` (2021) are tagged with.
_LIBRARIES: Final = """
    adapter-transformers allennlp asteroid diffusers espnet fairseq fastai fasttext flair
    gguf keras ml-agents mlx nemo open_clip paddlenlp peft pyannote-audio sample-factory
    sentence-transformers setfit sklearn spacy span-marker speechbrain
    stable-baselines3 stanza tensorflowtts timm transformers transformers.js
    """

#: Formats of weights, as the Hub's tags and people name them.
_MODEL_FORMATS: Final = """
    safetensors gguf ggml onnx pytorch tf jax keras tflite litert coreml openvino rust mlx
    joblib pickle nemo paddlepaddle llamafile tensorrt executorch ncnn rknn
    """
#: Formats of data, as the Hub's ``format:`` tags name them.
_DATA_FORMATS: Final = """
    parquet json csv text arrow webdataset imagefolder audiofolder videofolder pdffolder xml
    """
#: Ways to make weights smaller, as tags and ``quantization_config`` name them.
_QUANTIZATIONS: Final = """
    1-bit 2-bit 3-bit 4-bit 5-bit 6-bit 8-bit aqlm awq bitnet bitsandbytes compressed-tensors
    eetq exl2 exl3 fbgemm_fp8 finegrained_fp8 fp4 fp8 gptq higgs hqq int2 int4 int8 modelopt
    mxfp4 mxfp8 nvfp4 quanto quark smoothquant spqr torchao vptq
    """
MODALITIES: Final = frozenset(
    {"3d", "audio", "document", "geospatial", "image", "tabular", "text", "timeseries", "video"}
)
SIZE_CATEGORIES: Final = (
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B",
    "1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T",
)  # fmt: skip
PRE_TRAINED: Final = "pre-trained"
FINE_TUNED: Final = "fine-tuned"
INSTRUCTION_TUNED: Final = "instruction-tuned"
KINDS: Final = (PRE_TRAINED, FINE_TUNED, INSTRUCTION_TUNED)
RELATIONS: Final = ("finetune", "adapter", "quantized", "merge")

TASKS: Final = frozenset(_TASKS.split())
LIBRARIES: Final = frozenset(_LIBRARIES.split())
MODEL_FORMATS: Final = frozenset(_MODEL_FORMATS.split())
DATA_FORMATS: Final = frozenset(_DATA_FORMATS.split())
QUANTIZATIONS: Final = frozenset(_QUANTIZATIONS.split())

_JOIN: Final = re.compile(r"[\s_]+")


def task_name(text: str) -> str:
    """Give the Hub's way to write a task: ``Text Classification`` is ``text-classification``."""
    return _JOIN.sub("-", text.strip().lower())
