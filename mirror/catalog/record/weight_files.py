"""Which files of a model are its weights: one set of them, however often it is there.

A repo has the same model as one file and in shards, in half precision beside it, and as
ten GGUF files of other quantisations. Its parameters are those of one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

#: Heads that are read for one repo: the largest real models have about 200 shards.
MAX_SHARDS: Final = 500

_SHARD: Final = re.compile(r"(.*?)[-_.]\d{5}-of-(\d{5})(\.[a-z]+)")
#: ``model.fp16.safetensors``: the same model once more.
_VARIANT: Final = re.compile(r"\.(?:fp16|fp32|bf16|fp8|int8|non_ema|ema)(?=[-.])")
#: Not the model: its projector, its draft, its optimizer.
_BESIDE: Final = re.compile(r"(?:^|/)(?:mmproj|mtp-|draft|optimizer|imatrix)[^/]*$|imatrix")

_GGUF_NAME: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:UD[-_])?(?:IQ[1-4]_(?:XXS|XS|S|M|NL)|Q[2-8]_K(?:_(?:XL|[SML]))?|Q[458]_[01]"
    r"|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|F16|FP16|F32|FP32))(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def main_weights(sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Give the files that together are the model, sorted; none where none can be read.

    Safetensors go before GGUF, the root before folders, and the greatest set before all
    others; of a pipeline (``unet/``, ``vae/`` …) every folder gives one set.

    Args:
        sizes: every file of the commit, in bytes.
    """
    for suffix in (".safetensors", ".gguf"):
        sets = _complete_sets(path for path in sizes if path.endswith(suffix))
        if not sets:
            continue
        if "model_index.json" in sizes and suffix == ".safetensors":
            return _pipeline(sets, sizes)
        return _largest(_at_root(sets) or list(sets.values()), sizes)[:MAX_SHARDS]
    return ()


_Sets = dict[tuple[str, str], list[str]]


def _complete_sets(paths: Iterable[str]) -> _Sets:
    """Shards that belong together, by folder and name; a set that lacks one is none."""
    sets: dict[tuple[str, str, int], list[str]] = {}
    for path in sorted(paths):
        if _BESIDE.search(path.lower()):
            continue
        folder, _, name = path.rpartition("/")
        shard = _SHARD.fullmatch(name)
        stem, count = (shard[1] + shard[3], int(shard[2])) if shard else (name, 1)
        sets.setdefault((folder, stem, count), []).append(path)
    return {
        (folder, f"{stem} {count}"): found
        for (folder, stem, count), found in sets.items()
        if len(found) == count
    }


def _at_root(sets: _Sets) -> list[list[str]]:
    root = {name: found for (folder, name), found in sets.items() if not folder}
    # What transformers loads goes before whatever else lies beside it.
    named = [found for name, found in root.items() if name.startswith("model.safetensors")]
    return named or list(root.values())


def _pipeline(sets: _Sets, sizes: Mapping[str, int]) -> tuple[str, ...]:
    folders: dict[str, list[list[str]]] = {}
    for (folder, _), found in sets.items():
        if folder:
            folders.setdefault(folder, []).append(found)
    chosen: list[str] = []
    for groups in folders.values():
        plain = [found for found in groups if not _VARIANT.search(found[0])]
        chosen += _largest(plain or groups, sizes)
    return tuple(sorted(chosen))[:MAX_SHARDS]


def _largest(sets: list[list[str]], sizes: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(max(sets, key=lambda found: (sum(sizes[path] for path in found), found)))


def gguf_quantization(path: str) -> str | None:
    """Give what a GGUF file's name says of its precision: ``Q4_K_M``."""
    found = _GGUF_NAME.findall(path.rpartition("/")[2])
    if not found:
        return None
    name: str = found[-1].upper().replace("UD-", "").replace("UD_", "")
    return {"FP16": "F16", "FP32": "F32"}.get(name, name)
