"""Parameters of weights from the heads of their files: safetensors and GGUF.

No tensor is read and no library that could load one: both formats begin with a table of
names, types and shapes. The bytes are anybody's, so every length in them has a limit,
and what does not add up is ``None``.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from mirror.catalog.values import MAX_VALUE, as_text

#: A shard of a model of 1,000 B has about 1 MB of header; the format's own limit is 100 MB.
MAX_HEADER_BYTES: Final = 32 << 20
MAX_TENSORS: Final = 300_000
#: More is no model but a lie, and sums of it overflow what SQLite holds.
MAX_PARAMETERS: Final = 10**15
#: Vocabularies of 260,000 words, with scores and merges, stand among a GGUF file's values.
MAX_GGUF_VALUES: Final = 2_000_000
MAX_GGUF_KEYS: Final = 10_000


@dataclass(frozen=True)
class Weights:
    """What the head of one file, or of several together, says."""

    dtypes: Mapping[str, int] = field(default_factory=dict)
    """Parameters by type, as the format spells it: ``BF16``, ``Q4_K``."""
    quantization: str | None = None
    """Of GGUF: ``Q4_K_M``."""
    packed_bits: int = 0
    """Bits of the tensors of which one number holds several parameters (GPTQ, AWQ …)."""
    packed_numbers: int = 0
    """The numbers in them, which are counted in ``dtypes``."""

    def parameters(self, bits: int | None = None) -> int:
        """Give the number of parameters; ``bits`` of each one that is packed, if known."""
        numbers = sum(self.dtypes.values())
        if bits is None or not self.packed_bits:
            return numbers
        return numbers - self.packed_numbers + self.packed_bits // bits

    def __add__(self, other: Weights) -> Weights:
        """Give both shards together."""
        total = Counter(self.dtypes) + Counter(other.dtypes)
        return Weights(
            dict(sorted(total.items())),
            self.quantization or other.quantization,
            self.packed_bits + other.packed_bits,
            self.packed_numbers + other.packed_numbers,
        )


#: Names of packed tensors: of GPTQ and AWQ, of compressed-tensors, of bitsandbytes, of MXFP4.
_PACKED: Final = (".qweight", ".weight_packed", ".weight", "_blocks")
_WORDS: Final = {"I32": 32, "U8": 8}


class _Bad(Exception):
    """Not what it says it is, or too much of it."""


def read_weights(path: str, stream: BinaryIO) -> Weights | None:
    """Read the head of a file that is called ``path``; ``None`` if it has no good one."""
    try:
        if path.endswith(".safetensors"):
            return _read_safetensors(stream)
        if path.endswith(".gguf"):
            return _Gguf(stream).read()
    except (_Bad, ValueError, OverflowError, struct.error, RecursionError, OSError):
        pass
    return None


# --- safetensors: length of the header, the header as JSON -------------------------------


def _read_safetensors(stream: BinaryIO) -> Weights:
    length = int.from_bytes(_exactly(stream, 8), "little")
    if length > MAX_HEADER_BYTES:
        raise _Bad
    header = json.loads(_exactly(stream, length))
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise _Bad
    dtypes: Counter[str] = Counter()
    packed_bits = packed_numbers = 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(tensor, dict):
            raise _Bad
        dtype, numbers = _dtype(tensor.get("dtype")), _elements(tensor.get("shape"))
        dtypes[dtype] += numbers
        if dtype in _WORDS and name.endswith(_PACKED):
            packed_bits += _WORDS[dtype] * numbers
            packed_numbers += numbers
    return replace(_weights(dtypes), packed_bits=packed_bits, packed_numbers=packed_numbers)


def _dtype(value: object) -> str:
    if not isinstance(value, str) or (text := as_text(value, 32)) is None:
        raise _Bad
    return text


def _elements(shape: object) -> int:
    if not isinstance(shape, list) or len(shape) > 16:
        raise _Bad
    if not all(type(side) is int and 0 <= side <= MAX_PARAMETERS for side in shape):
        raise _Bad
    return math.prod(shape)


def _weights(dtypes: Mapping[str, int], quantization: str | None = None) -> Weights:
    if sum(dtypes.values()) > MAX_PARAMETERS:
        raise _Bad
    return Weights({name: dtypes[name] for name in sorted(dtypes)}, quantization)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise _Bad
    return data


# --- GGUF: values by key, then tensors ---------------------------------------------------

_STRING: Final = 8
_ARRAY: Final = 9
#: Type of a value → its bytes.
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32: Final = 4

_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
    30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
#: ``general.file_type`` → what people call the file.
_FILE_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0",
    38: "MXFP4_MOE",
}  # fmt: skip


class _Gguf:
    """Reads a GGUF head of version 2 or 3, little-endian; both limits are for all of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._bytes_left = MAX_HEADER_BYTES
        self._values_left = MAX_GGUF_VALUES

    def read(self) -> Weights:
        magic, version, tensors, keys = struct.unpack("<4sIQQ", self._take(24))
        if magic != b"GGUF" or version not in {2, 3} or tensors > MAX_TENSORS:
            raise _Bad
        if keys > MAX_GGUF_KEYS:
            raise _Bad
        file_type = None
        for _ in range(keys):
            name = self._take(self._length())
            (kind,) = struct.unpack("<I", self._take(4))
            if name == b"general.file_type" and kind == _UINT32:
                (file_type,) = struct.unpack("<I", self._take(4))
            else:
                self._skip(kind)
        dtypes: Counter[str] = Counter()
        for _ in range(tensors):
            kind, elements = self._tensor()
            dtypes[_TYPES.get(kind, f"GGML_{kind}")] += elements
        quantization = _FILE_TYPES.get(file_type) if file_type is not None else None
        return _weights(dtypes, quantization)

    def _tensor(self) -> tuple[int, int]:
        if (length := self._length()) > 4 * MAX_VALUE:
            raise _Bad
        self._take(length)
        (dimensions,) = struct.unpack("<I", self._take(4))
        if dimensions > 8:
            raise _Bad
        sides = struct.unpack(f"<{dimensions}Q", self._take(8 * dimensions))
        kind, _ = struct.unpack("<IQ", self._take(12))
        elements = math.prod(sides)
        if elements > MAX_PARAMETERS:
            raise _Bad
        return kind, elements

    def _skip(self, kind: int, depth: int = 0) -> None:
        if kind in _SIZES:
            self._take(_SIZES[kind])
        elif kind == _STRING:
            self._take(self._length())
        elif kind == _ARRAY and depth < 3:
            inner, count = struct.unpack("<IQ", self._take(12))
            if inner in _SIZES:
                self._take(_SIZES[inner] * count)
                return
            self._values_left -= count
            if self._values_left < 0:
                raise _Bad
            for _ in range(count):
                self._skip(inner, depth + 1)
        else:
            raise _Bad

    def _length(self) -> int:
        return int.from_bytes(self._take(8), "little")

    def _take(self, length: int) -> bytes:
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise _Bad
        return _exactly(self._stream, length)
