"""Writes tests/data/encode/encode.safetensors: rows of weights, and what mlx.core.quantize makes of them on a CPU.

    /work/venv-hf/bin/python tests/data/make_encode_goldens.py        # needs: numpy, mlx[cpu]; a second

`<type>` is a matrix of ROWS in float32, float16 or bfloat16; `<type>.<format>.{weight,scales,biases}` are its codes.
"""

import os

import mlx.core as mx
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH = 128
TYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}


def rows(largest):
    """Rows that tell rules of rounding apart. The last two are beyond what some formats hold."""
    rng = np.random.default_rng(4)
    normal = rng.standard_normal((7, WIDTH))
    outlier = 0.02 * normal[1]
    outlier[77] = 5.3
    steps = np.arange(WIDTH)
    return [
        ("normal", 0.02 * normal[0]),
        ("zero", np.zeros(WIDTH)),
        ("outlier", outlier),
        ("negative", -np.abs(normal[2])),
        ("positive", 3 + 0.1 * normal[3]),
        ("ties of E2M1", np.where(steps % 16 == 0, 6, (steps % 49 - 24) / 4)),
        ("ties of E4M3", np.where(steps % 32 == 0, 448, (steps - 64) * 2.0 ** (steps % 11 - 8))),
        ("all sizes", normal[4] * np.exp2(-0.25 * steps)),
        ("hundreds", 600 * normal[5]),
        ("some subnormal", np.where(steps % 3 == 0, 0.5, 1) * np.where(steps % 2 == 0, 1e-40, 1e-35)),
        ("large", largest * np.clip(normal[6] / 3, -1, 1)),
        ("all subnormal", 1e-41 * steps),
    ]


def main():
    mx.set_default_device(mx.cpu)
    out = {}
    for name, dtype in TYPES.items():
        values = np.stack([row for _, row in rows(6e4 if name == "f16" else 1e37)]).astype(np.float32)
        out[name] = mx.array(values).astype(dtype)
        for bits in (2, 3, 4, 5, 6, 8):
            for group in (32, 64, 128):
                parts = mx.quantize(out[name], group_size=group, bits=bits)
                for part, array in zip(("weight", "scales", "biases"), parts):
                    out[f"{name}.affine{bits}g{group}.{part}"] = array
        for mode in ("mxfp4", "mxfp8", "nvfp4"):
            for part, array in zip(("weight", "scales"), mx.quantize(out[name], mode=mode)):
                out[f"{name}.{mode}.{part}"] = array
    os.makedirs(os.path.join(HERE, "encode"), exist_ok=True)
    mx.save_safetensors(os.path.join(HERE, "encode", "encode.safetensors"), out)


if __name__ == "__main__":
    main()
