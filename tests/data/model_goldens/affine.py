"""MLX affine checkpoints, and affine.safetensors."""

import itertools
import json
import os
import shutil

import numpy
import torch
from safetensors.torch import load_file, save_file


def to_mlx(tensor, dtype):
    import mlx.core as mx
    return mx.array(tensor.float().numpy()).astype(getattr(mx, str(dtype).removeprefix("torch.")))


def to_torch(array):
    import mlx.core as mx
    return torch.from_numpy(numpy.array(array.astype(mx.float32)))


def dequantise(weight, scales, biases, group, bits):
    import mlx.core as mx
    return mx.dequantize(weight, scales.astype(mx.float32), biases.astype(mx.float32), group_size=group, bits=bits)


def quantise(directory, config, c):
    """Replaces model.safetensors by its MLX form and adds the quantization block; returns the dequantised tensors."""
    import mlx.core as mx
    group, bits, choose = c["affine"]
    path = os.path.join(directory, "model.safetensors")
    tensors = load_file(path)
    for layer, kind in itertools.product(range(config["num_hidden_layers"]), ["gate_proj", "up_proj", "down_proj"]):
        prefix = f"model.layers.{layer}.mlp."
        names = [f"{prefix}experts.{e}.{kind}.weight" for e in range(config.get("num_experts", 0))]
        if names and names[0] in tensors:
            tensors[f"{prefix}switch_mlp.{kind}.weight"] = torch.stack([tensors.pop(n) for n in names])
    block, out = {"group_size": group, "bits": bits, "mode": "affine"}, {}
    for name, tensor in sorted(tensors.items()):
        module, values = name.removesuffix(".weight"), to_mlx(tensor, tensor.dtype)
        choice = choose(module) if tensor.dim() > 1 else None
        if choice in (None, False):
            out[name] = values
            if choice is False:
                block[module] = False
            continue
        packed = mx.quantize(values, group_size=choice[0], bits=choice[1])
        out |= dict(zip([name, module + ".scales", module + ".biases"], packed))
        if choice != (group, bits):
            block[module] = {"group_size": choice[0], "bits": choice[1], "mode": "affine"}
    mx.save_safetensors(path, out, metadata={"format": "mlx"})
    config = config | {"quantization": block, "quantization_config": block}
    with open(os.path.join(directory, "config.json"), "w") as f:
        f.write(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return dequantised_file(directory)


def dequantised_file(directory):
    """The tensors of an MLX checkpoint under hub names, dequantised to float32."""
    import mlx.core as mx
    block = json.load(open(os.path.join(directory, "config.json")))["quantization"]
    packed, plain = mx.load(os.path.join(directory, "model.safetensors")), {}
    for name, values in packed.items():
        module = name.rpartition(".")[0]
        if name.endswith((".scales", ".biases")):
            continue
        if module + ".scales" in packed:
            o = block.get(module, block)
            values = dequantise(values, packed[module + ".scales"], packed[module + ".biases"],
                                o["group_size"], o["bits"])
        values = to_torch(values)
        if ".switch_mlp." in name:
            plain |= {name.replace("switch_mlp", f"experts.{e}"): v.clone() for e, v in enumerate(values)}
        else:
            plain[name] = values
    return plain


def save_plain(directory, config, tensors):
    config = {k: v for k, v in config.items() if not k.startswith("quantization")} | {"torch_dtype": "float32"}
    json.dump(config, open(os.path.join(directory, "config.json"), "w"))
    save_file(tensors, os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})


def make_affine(directory):
    """b<bits>_g<group>.{weight,scales,biases} and .expected = float32(scale) * q + float32(bias), product rounded."""
    import mlx.core as mx
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    generator, out = torch.Generator().manual_seed(7), {}
    for i, bits in enumerate([2, 3, 4, 5, 6, 8]):
        for j, group in enumerate([32, 64, 128]):
            # Rows of different offsets, so that the biases matter, and one row all zero.
            values = torch.randn([4, 256], generator=generator) + torch.tensor([[0.0], [3.0], [-5.0], [0.0]])
            values[3] = 0
            dtype = [mx.float16, mx.bfloat16, mx.float32][(i + j) % 3]
            weight, scales, biases = mx.quantize(mx.array(values.numpy()).astype(dtype), group_size=group, bits=bits)
            expected = dequantise(weight, scales, biases, group, bits)
            native = mx.dequantize(weight, scales, biases, group_size=group, bits=bits).astype(mx.float32)
            assert mx.allclose(expected, native, rtol=2e-2, atol=4e-2)
            key = f"b{bits}_g{group}."
            out |= {key + "weight": weight, key + "scales": scales, key + "biases": biases, key + "expected": expected}
    mx.save_safetensors(os.path.join(directory, "affine.safetensors"), out)
