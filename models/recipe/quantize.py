"""MLX affine quantisation, and the mapping between model.py and the shipped checkpoints."""

import json
import pathlib

import torch

from model import MTP, Model

EXPERT_GRID = (4, 32)
OTHER_GRID = (8, 64)


def quantize(w, bits, group):
    """Packed codes, scales and biases; the codes are fitted to the scales and biases as rounded to bf16."""
    g = w.float().unflatten(-1, (-1, group))
    low, high = g.amin(-1, keepdim=True), g.amax(-1, keepdim=True)
    scales = ((high - low) / (2**bits - 1)).clamp_min(1e-8).bfloat16()
    biases = low.bfloat16()
    codes = ((g - biases.float()) / scales.float()).round().clamp(0, 2**bits - 1).to(torch.int64).flatten(-2)
    per_word = 32 // bits
    words = (codes.unflatten(-1, (-1, per_word)) << (torch.arange(per_word, device=w.device) * bits)).sum(-1)
    return words.to(torch.uint32), scales.squeeze(-1), biases.squeeze(-1)


def dequantize(words, scales, biases):
    group_words = words.shape[-1] // scales.shape[-1]
    bits = 8 if group_words == OTHER_GRID[1] * 8 // 32 else 4
    shifts = torch.arange(32 // bits, device=words.device) * bits
    codes = ((words.to(torch.int64)[..., None] >> shifts) & (2**bits - 1)).flatten(-2)
    grouped = codes.float().unflatten(-1, (scales.shape[-1], -1))
    return (grouped * scales.float()[..., None] + biases.float()[..., None]).flatten(-2)


def hub_name(name, mtp_layer):
    """The checkpoint's name of a parameter of Model (mtp_layer None) or MTP."""
    if mtp_layer is None:
        name = name.replace("embed_tokens", "embed_tokens.weight")
        name = name if name.startswith("lm_head") else "model." + name
    else:
        name = name.removeprefix("block.").replace("shared_head_norm", "shared_head.norm")
        name = f"model.layers.{mtp_layer}.{name}"
    if name.endswith(".mlp.gate"):
        name += ".weight"
    return name.replace(".mlp.correction", ".mlp.gate.e_score_correction_bias")


def export(model, mtp_layer=None):
    tensors = {}

    def put(path, w, grid):
        for part, tensor in zip(("weight", "scales", "biases"), quantize(w, *grid)):
            tensors[f"{path}.{part}"] = tensor.contiguous().cpu()

    for name, value in model.state_dict().items():
        hub = hub_name(name, mtp_layer)
        prefix = hub.rsplit(".", 1)[0]
        if hub.endswith(".mlp.gate_up"):
            gate, up = value.chunk(2, 1)
            put(prefix + ".switch_mlp.gate_proj", gate, EXPERT_GRID)
            put(prefix + ".switch_mlp.up_proj", up, EXPERT_GRID)
        elif hub.endswith(".mlp.down"):
            put(prefix + ".switch_mlp.down_proj", value, EXPERT_GRID)
        elif hub.endswith("e_score_correction_bias"):
            tensors[hub] = value.float().cpu()
        elif value.dim() == 2 and not hub.endswith(".mlp.gate.weight"):
            put(prefix, value, OTHER_GRID)
        else:
            tensors[hub] = value.bfloat16().cpu()
    return tensors


def restore(model, tensors, mtp_layer=None):
    """Fills model with the dequantised values of a checkpoint."""

    def get(path):
        return dequantize(*(tensors[f"{path}.{part}"] for part in ("weight", "scales", "biases")))

    values = {}
    for name, old in model.state_dict().items():
        hub = hub_name(name, mtp_layer)
        prefix = hub.rsplit(".", 1)[0]
        if hub.endswith(".mlp.gate_up"):
            switch = prefix + ".switch_mlp."
            values[name] = torch.cat([get(switch + "gate_proj"), get(switch + "up_proj")], 1)
        elif hub.endswith(".mlp.down"):
            values[name] = get(prefix + ".switch_mlp.down_proj")
        elif f"{prefix}.scales" in tensors and hub.endswith(".weight"):
            values[name] = get(prefix)
        else:
            values[name] = tensors[hub].float()
        assert values[name].shape == old.shape, name
    model.load_state_dict(values)
    return model


def config(shape, kind, eos, bos, mtp=False):
    rope = {"rope_type": "default", "rope_theta": shape.theta}
    base = {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.theta,
        "rope_parameters": rope,
        "max_position_embeddings": 2048,
        "attention_bias": shape.bias,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "torch_dtype": "bfloat16",
    }
    quantization = {"group_size": OTHER_GRID[1], "bits": OTHER_GRID[0], "mode": "affine"}
    if kind == "glm4_moe":
        rope["partial_rotary_factor"] = shape.rotary
        base |= {
            "architectures": ["Glm4MoeForCausalLM"],
            "partial_rotary_factor": shape.rotary,
            "use_qk_norm": True,
            "first_k_dense_replace": shape.dense_layers,
            "moe_intermediate_size": shape.expert_width,
            "n_routed_experts": shape.experts,
            "num_experts_per_tok": shape.top_k,
            "n_shared_experts": 1,
            "n_group": 1,
            "topk_group": 1,
            "norm_topk_prob": True,
            "routed_scaling_factor": shape.routed_scale,
            "scoring_func": "sigmoid",
            "topk_method": "noaux_tc",
            "rope_scaling": None,
            "num_nextn_predict_layers": int(mtp),
        }
        for layer in range(shape.dense_layers, shape.layers + mtp):
            for part in ("gate_proj", "up_proj", "down_proj"):
                quantization[f"model.layers.{layer}.mlp.switch_mlp.{part}"] = {
                    "group_size": EXPERT_GRID[1],
                    "bits": EXPERT_GRID[0],
                }
            quantization[f"model.layers.{layer}.mlp.gate"] = False
    else:
        base |= {"architectures": ["Qwen3ForCausalLM"], "rope_scaling": None, "use_sliding_window": False}
    return {"model_type": kind} | base | {"quantization": quantization, "quantization_config": quantization}


def write_config(folder, settings):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    generation = {"bos_token_id": settings["bos_token_id"], "eos_token_id": settings["eos_token_id"]}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def load_target(shape, tensors, device="cpu"):
    return restore(Model(shape), tensors).to(device).eval()


def load_mtp(shape, tensors, device="cpu"):
    return restore(MTP(shape), tensors, shape.layers).to(device).eval()


def pass_bytes(shape, head_rows, mtp=False):
    """Bytes that one row reads: weights as shipped, the chosen experts only, one row of the embedding."""
    other, expert = (bits / 8 + 4 / group for bits, group in (OTHER_GRID, EXPERT_GRID))
    h, q, kv = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention = (2 * h * q + 2 * h * kv) * other + 2 * shape.bias * (q + 2 * kv) + 2 * (2 * h + 2 * shape.head_dim)
    dense = 3 * h * shape.intermediate * other
    moe = 3 * h * shape.expert_width * (other + shape.top_k * expert) + shape.experts * (2 * h + 4)
    head = (head_rows + 1) * h * other
    if mtp:
        return attention + moe + 2 * h * h * other + 3 * 2 * h + head
    moe_layers = shape.layers - shape.dense_layers if shape.experts else 0
    return shape.layers * attention + (shape.layers - moe_layers) * dense + moe_layers * moe + 2 * h + head
