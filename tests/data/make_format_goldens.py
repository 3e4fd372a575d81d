"""Writes tests/data/formats/formats.safetensors: small matrices in the formats of tests/quant_test.cc, each with
`<case>.expected`, what the library that made the format says they are, in float32.

    python3 -m venv /tmp/formats
    /tmp/formats/bin/pip install torch transformers compressed-tensors safetensors numpy 'mlx[cpu]'
    /tmp/formats/bin/python tests/data/make_format_goldens.py

ModelOpt is not asked: its case is the formula of its documentation, in float32.
"""

import pathlib

import mlx.core as mx
import numpy as np
import torch
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs, QuantizationStrategy
from compressed_tensors.quantization.lifecycle.forward import dequantize
from safetensors.torch import save_file
from transformers.integrations.finegrained_fp8 import Fp8Dequantize
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

OUT, IN = 4, 256
HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(4)
tensors = {}


def add(case, expected, **parts):
    for name, part in parts.items():
        tensors[f"{case}.{name}" if not name.startswith("_") else f"{case}{name}"] = part.clone().contiguous()
    tensors[f"{case}.expected"] = expected.to(torch.float32).contiguous()


def every_byte(count):
    return torch.tensor(np.concatenate([np.arange(256), random.integers(0, 256, count - 256)]).astype(np.uint8))


def finite_e4m3(count, largest=0x7E):
    bits = random.integers(0, largest + 1, count).astype(np.uint8) | (random.integers(0, 2, count) << 7).astype(np.uint8)
    return torch.tensor(bits)


def to_torch(array):
    return torch.tensor(np.array(array))


def mlx_cases():
    values = random.standard_normal((OUT, IN)).astype(np.float32)
    values[1] *= 1e-3
    values[2, 7] = 50
    values[3] = 0
    for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)):
        codes, scales = mx.quantize(mx.array(values), group_size=group, bits=bits, mode=mode)
        read = lambda c, s: to_torch(mx.dequantize(c, s, group_size=group, bits=bits, mode=mode, dtype=mx.float32))
        add(f"{mode}_made", read(codes, scales), weight=to_torch(codes), scales=to_torch(scales))
        # Every code, and scales from the smallest to the largest that MLX itself decodes to a finite float32.
        raw = every_byte(OUT * IN * bits // 8) if bits == 4 else finite_e4m3(OUT * IN)
        words = mx.array(raw.numpy().view(np.uint32).reshape(OUT, -1))
        count = OUT * IN // group
        if mode == "nvfp4":
            extreme = random.integers(0, 0x7F, count).astype(np.uint8)
        else:
            extreme = np.linspace(1, 244, count).astype(np.uint8)
        extreme = mx.array(extreme.reshape(OUT, -1))
        add(f"{mode}_raw", read(words, extreme), weight=to_torch(words), scales=to_torch(extreme))


def compressed_tensors_cases():
    for bits, group, scale_dtype, shape_dtype in (
        (4, 32, torch.bfloat16, torch.int64),
        (4, 128, torch.float16, torch.int32),
        (8, 64, torch.float32, torch.int64),
    ):
        half = 1 << (bits - 1)
        codes = torch.tensor(random.integers(-half, half, (OUT, IN)), dtype=torch.int8)
        scale = torch.tensor(random.uniform(0.001, 0.1, (OUT, IN // group))).to(scale_dtype)
        args = QuantizationArgs(num_bits=bits, strategy=QuantizationStrategy.GROUP, group_size=group, symmetric=True)
        add(
            f"int{bits}_g{group}",
            dequantize(codes, scale.float(), args=args, dtype=torch.float32),
            weight_packed=pack_to_int32(codes, bits),
            weight_scale=scale,
            weight_shape=torch.tensor([OUT, IN], dtype=shape_dtype),
        )
    packed = every_byte(OUT * IN // 2).reshape(OUT, -1)
    scale = finite_e4m3(OUT * IN // 16).bitwise_and(0x7F).reshape(OUT, -1).view(torch.float8_e4m3fn)
    divisor = torch.tensor([173.3])
    args = QuantizationArgs(num_bits=4, type="float", strategy=QuantizationStrategy.TENSOR_GROUP, group_size=16)
    values = unpack_fp4_from_uint8(packed, OUT, IN).to(torch.float32)
    add(
        "nvfp4_packed",
        dequantize(values, scale.float(), args=args, dtype=torch.float32, global_scale=divisor),
        weight_packed=packed,
        weight_scale=scale,
        weight_global_scale=divisor,
    )
    factor = torch.tensor(0.00577)
    add("nvfp4_modelopt", values * (scale.float() * factor).repeat_interleave(16, 1), weight=packed, weight_scale=scale,
        weight_scale_2=factor, input_scale=torch.tensor(1.0))


def transformers_cases():
    reader = Fp8Dequantize(None)
    out, inputs = 256, 256
    weight = finite_e4m3(out * inputs).reshape(out, inputs).view(torch.float8_e4m3fn)
    rows = slice(126, 130)  # both sides of a block's edge; the rest would only take room
    for name, scale in (
        ("f32", torch.tensor(random.uniform(1e-4, 1e-2, (2, 2)), dtype=torch.float32)),
        ("bf16", torch.tensor(random.uniform(1e-4, 1e-2, (2, 2))).to(torch.bfloat16)),
        ("ue8m0", torch.tensor(random.integers(110, 125, (2, 2)).astype(np.uint8)).view(torch.float8_e8m0fnu)),
    ):
        read = reader._dequantize_one(weight, scale, torch.float32)
        add(f"fp8_block_{name}", read[rows], weight_scale_inv=scale)  # their weight is fp8_block.weight
    tensors["fp8_block.weight"] = weight
    small = weight[:OUT, :IN]
    for name, scale in (("tensor", torch.tensor(0.0123)), ("row", torch.tensor(random.uniform(1e-3, 1e-2, (OUT, 1))).float())):
        add(f"fp8_{name}", small.float() * scale, weight=small, weight_scale=scale, input_scale=torch.tensor(1.0))
    experts = 2
    blocks = every_byte(experts * OUT * IN // 2).reshape(experts, OUT, IN // 32, 16)
    scales = torch.tensor(random.integers(100, 140, (experts, OUT, IN // 32)).astype(np.uint8))
    read = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    add("mxfp4", read.transpose(1, 2), _blocks=blocks, _scales=scales)


mlx_cases()
compressed_tensors_cases()
transformers_cases()
(HERE / "formats").mkdir(exist_ok=True)
save_file(tensors, HERE / "formats" / "formats.safetensors")
print(len(tensors), "tensors,", sum(t.numel() * t.element_size() for t in tensors.values()), "bytes")
