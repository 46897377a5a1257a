"""Tiny models: real configs, real tokenizers, weights of the right names and shapes.

The weights are random numbers from a fixed seed: everything loads, nothing is clever.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.samples.sentences import plain_text

Shapes = dict[str, tuple[int, ...]]
HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 2, 64, 128


def write_json(path: Path, value: object) -> None:
    """Write JSON the way the Hub's libraries do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


# --- BERT -----------------------------------------------------------------------


def write_bert(
    folder: Path,
    architecture: str,
    languages: Sequence[str],
    labels: Sequence[str] = (),
    seed: int = 0,
) -> None:
    """Write a BERT with its tokenizer; ``architecture`` as in the config."""
    vocabulary = wordpiece_vocabulary(plain_text(languages))
    write_json(folder / "config.json", bert_config(architecture, len(vocabulary), labels))
    save_weights(folder, bert_shapes(architecture, len(vocabulary), len(labels)), seed)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    wordpiece_tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": False,
            "strip_accents": False,
            "model_max_length": POSITIONS,
            **_BERT_TOKENS,
        },
    )
    write_json(folder / "special_tokens_map.json", _BERT_TOKENS)


_BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def wordpiece_vocabulary(texts: Sequence[str]) -> list[str]:
    """Give special tokens, every character at the start and inside of a word, frequent words."""
    words = Counter(word for text in texts for word in text.replace(".", " . ").split())
    characters = sorted({char for word in words for char in word})
    frequent = [word for word, n in sorted(words.items()) if n >= 8 and len(word) > 1]
    return [*_BERT_TOKENS.values(), *characters, *(f"##{char}" for char in characters), *frequent]


def wordpiece_tokenizer(vocabulary: Sequence[str]) -> Tokenizer:
    """Build the fast tokenizer that belongs to ``vocab.txt``."""
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(_BERT_TOKENS.values()))
    return tokenizer


def bert_config(architecture: str, vocabulary: int, labels: Sequence[str]) -> dict[str, Any]:
    """Give config.json of a BERT."""
    named = {
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    return {
        "architectures": [architecture],
        "model_type": "bert",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
        "pad_token_id": 0,
        "hidden_act": "gelu",
        "torch_dtype": "float32",
        **(named if labels else {}),
    }


def bert_shapes(architecture: str, vocabulary: int, labels: int) -> Shapes:
    """Name every tensor of a BERT, with its shape."""
    bare = architecture == "BertModel"
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        **_norm("embeddings.LayerNorm"),
    }
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= _dense(f"{name}.attention.{part}", HIDDEN, HIDDEN)
        shapes |= _norm(f"{name}.attention.output.LayerNorm")
        shapes |= _dense(f"{name}.intermediate.dense", INNER, HIDDEN)
        shapes |= _dense(f"{name}.output.dense", HIDDEN, INNER)
        shapes |= _norm(f"{name}.output.LayerNorm")
    if bare or architecture == "BertForSequenceClassification":
        shapes |= _dense("pooler.dense", HIDDEN, HIDDEN)
    if bare:
        return shapes
    return {f"bert.{name}": shape for name, shape in shapes.items()} | _bert_head(
        architecture, vocabulary, labels
    )


def _bert_head(architecture: str, vocabulary: int, labels: int) -> Shapes:
    if architecture == "BertForMaskedLM":
        return {
            "cls.predictions.bias": (vocabulary,),
            **_dense("cls.predictions.transform.dense", HIDDEN, HIDDEN),
            **_norm("cls.predictions.transform.LayerNorm"),
        }
    return _dense("classifier", labels, HIDDEN)


def _dense(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str) -> Shapes:
    return {f"{name}.weight": (HIDDEN,), f"{name}.bias": (HIDDEN,)}


def write_sentence_transformer(folder: Path, languages: Sequence[str]) -> None:
    """Write a BERT in the layout of sentence-transformers: mean pooling over it."""
    write_bert(folder, "BertModel", languages, seed=5)
    write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
        ],
    )
    pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": POSITIONS})
    write_json(
        folder / "config_sentence_transformers.json",
        {"similarity_fn_name": "cosine", "prompts": {}},
    )


# --- GPT-2 ----------------------------------------------------------------------

_END = "<|endoftext|>"


def write_gpt2(folder: Path) -> None:
    """Write a GPT-2 with a byte-level BPE tokenizer, and old-style weights beside the new."""
    merges = bpe_merges(plain_text(["en"]), 200)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *("".join(pair) for pair in merges), _END]
    ids = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(ids, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_END])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "vocab.json", ids)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": _END, "eos_token": _END, "unk_token": _END}
    extra = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": POSITIONS}
    write_json(folder / "tokenizer_config.json", {**extra, **special})
    write_json(folder / "config.json", gpt2_config(len(tokens)))
    end = len(tokens) - 1
    write_json(folder / "generation_config.json", {"bos_token_id": end, "eos_token_id": end})
    save_weights(folder, gpt2_shapes(len(tokens)), seed=2, old_style=True)


def bpe_merges(texts: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Learn byte-pair merges; ties go to the pair that sorts first, so that runs agree."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Counter(tuple(word) for text in texts for word, _ in splitter.pre_tokenize_str(text))
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({_merged(word, best): times for word, times in words.items()})
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    found: list[str] = []
    at = 0
    while at < len(word):
        both = word[at : at + 2] == pair
        found.append("".join(pair) if both else word[at])
        at += 2 if both else 1
    return tuple(found)


def gpt2_config(vocabulary: int) -> dict[str, Any]:
    """Give config.json of a GPT-2."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_embd": HIDDEN,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_positions": POSITIONS,
        "vocab_size": vocabulary,
        "bos_token_id": vocabulary - 1,
        "eos_token_id": vocabulary - 1,
        "torch_dtype": "float32",
    }


def gpt2_shapes(vocabulary: int) -> Shapes:
    """Name every tensor of a GPT-2, with its shape (Conv1D: input first)."""
    shapes: Shapes = {"wte.weight": (vocabulary, HIDDEN), "wpe.weight": (POSITIONS, HIDDEN)}
    for layer in range(LAYERS):
        name = f"h.{layer}"
        shapes |= _norm(f"{name}.ln_1") | _norm(f"{name}.ln_2")
        for part, into, out in (
            ("attn.c_attn", HIDDEN, 3 * HIDDEN),
            ("attn.c_proj", HIDDEN, HIDDEN),
            ("mlp.c_fc", HIDDEN, 4 * HIDDEN),
            ("mlp.c_proj", 4 * HIDDEN, HIDDEN),
        ):
            shapes |= {f"{name}.{part}.weight": (into, out), f"{name}.{part}.bias": (out,)}
    shapes |= _norm("ln_f")
    return {f"transformer.{name}": shape for name, shape in shapes.items()}


def save_weights(folder: Path, shapes: Shapes, seed: int, *, old_style: bool = False) -> None:
    """Write model.safetensors; with ``old_style`` a pytorch_model.bin as well.

    The latter is a pickle, as such files are, but torch does not read it: it is there for
    a selection to leave out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(seed)
    tensors: Mapping[str, numpy.ndarray[Any, Any]] = {
        name: (1 + 0 * random.normal(size=shape) if _is_scale(name) else _small(random, shape))
        .astype(numpy.float32)
        for name, shape in shapes.items()
    }  # fmt: skip
    save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    if old_style:
        plain = {name: tensor.tobytes() for name, tensor in tensors.items()}
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(plain, protocol=2))


def _is_scale(name: str) -> bool:
    return name.endswith(("LayerNorm.weight", "ln_1.weight", "ln_2.weight", "ln_f.weight"))


def _small(random: numpy.random.Generator, shape: tuple[int, ...]) -> numpy.ndarray[Any, Any]:
    return random.normal(scale=0.02, size=shape)
