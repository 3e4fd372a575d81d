"""Writes tests/data/fuzz/weights/formats, with which tests/fuzz/weights_fuzz.cc begins: a safetensors file with a
matrix of 2 x 32 in each of the formats of core/quant that stand in safetensors.

    python3 tests/data/make_weights_seed.py
"""

import json
import math
import pathlib
import struct

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U32": 4, "U8": 1, "F8_E4M3": 1}
MATRICES = {
    "plain32": {".weight": ("F32", [2, 32])},
    "plain16": {".weight": ("F16", [2, 32])},
    "brain": {".weight": ("BF16", [2, 32])},
    "affine": {".weight": ("U32", [2, 4]), ".scales": ("F16", [2, 1]), ".biases": ("F16", [2, 1])},
    "mxfp4": {".weight": ("U32", [2, 4]), ".scales": ("U8", [2, 1])},
    "mxfp8": {".weight": ("U32", [2, 8]), ".scales": ("U8", [2, 1])},
    "nvfp4": {".weight": ("U32", [2, 4]), ".scales": ("U8", [2, 2])},
    "int4": {".weight_packed": ("I32", [2, 4]), ".weight_scale": ("BF16", [2, 1]), ".weight_shape": ("I64", [2])},
    "packed": {
        ".weight_packed": ("U8", [2, 16]),
        ".weight_scale": ("F8_E4M3", [2, 2]),
        ".weight_global_scale": ("F32", [1]),
    },
    "modelopt": {
        ".weight": ("U8", [2, 16]),
        ".weight_scale": ("F8_E4M3", [2, 2]),
        ".weight_scale_2": ("F32", []),
    },
    "blocks8": {".weight": ("F8_E4M3", [2, 32]), ".weight_scale_inv": ("F32", [1, 1])},
    "rows8": {".weight": ("F8_E4M3", [2, 32]), ".weight_scale": ("F32", [2, 1])},
    "gpt": {"_blocks": ("U8", [2, 1, 16]), "_scales": ("U8", [2, 1])},
}

header, data = {}, b""
for path, parts in MATRICES.items():
    for suffix, (dtype, shape) in parts.items():
        count = SIZES[dtype] * math.prod(shape)
        stored = struct.pack("<2q", 2, 32) if suffix == ".weight_shape" else b"\x3c" * count
        header[path + suffix] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + count]}
        data += stored
text = json.dumps(header, separators=(",", ":")).encode()
target = pathlib.Path(__file__).parent / "fuzz" / "weights" / "formats"
target.parent.mkdir(exist_ok=True)
target.write_bytes(struct.pack("<Q", len(text)) + text + data)
