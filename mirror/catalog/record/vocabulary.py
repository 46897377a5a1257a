"""Tasks and libraries: the Hub's names for them, to know one among a model's bare tags."""

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

TASKS: Final = frozenset(_TASKS.split())
LIBRARIES: Final = frozenset(_LIBRARIES.split())

_JOIN: Final = re.compile(r"[\s_]+")


def task_name(text: str) -> str:
    """Give the Hub's way to write a task: ``Text Classification`` is ``text-classification``."""
    return _JOIN.sub("-", text.strip().lower())
