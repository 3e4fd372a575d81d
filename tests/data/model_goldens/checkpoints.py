"""Random checkpoints: values, names, config spellings; and reading them back with transformers."""

import copy
import itertools
import json
import os
import re
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

from .affine import quantise, save_plain

ZERO_CENTRED = ("gemma3", "qwen3_next", "qwen3_5")
# What transformers adds when it saves and no published config.json of transformers 4 has.
SAVED_ONLY = ["layer_types", "mlp_layer_types", "num_local_experts", "qk_head_dim", "_sliding_window_pattern"]


def is_zero_centred(name, model_type):
    return model_type.startswith(ZERO_CENTRED) and "linear_attn.norm" not in name


def random_tensor(name, shape, config, generator):
    """Random values by role: no norm weight is 1, no bias 0, and the logits have a scale of about 2."""
    values = torch.randn(shape, generator=generator)
    if "norm" in name and not name.endswith("bias"):
        return (0 if is_zero_centred(name, config.model_type) else 1) + 0.35 * values.clamp(-2, 2)
    if name.endswith("e_score_correction_bias"):
        return 0.3 * values  # the scores are sigmoids, so this changes the selection
    if name.endswith(("bias", "_bias")):
        return 0.3 * values
    if name.endswith("A_log"):
        return 0.5 * values - 1  # a state remembers a few rows
    if name.endswith(".D"):
        return 1 + 0.35 * values
    if name.endswith("sinks"):
        return values
    if name.endswith(("embed_tokens.weight", "embeddings.weight")):
        return values * (2.0 / shape[-1] ** 0.5 if config.tie_word_embeddings else 1.0)
    gain = 2.0 if name.endswith(("lm_head.weight", "gate.weight", "router.weight")) else 1.2
    transposed = config.model_type == "gpt_oss" and name.endswith("_proj")  # experts [E, in, out]
    return values * gain / shape[-2 if transposed else -1] ** 0.5


def stored_dtype(name, c):
    """float32 for the correction bias, as in the published GLM checkpoints, and for what the case names."""
    return torch.float32 if name.endswith(("e_score_correction_bias", *c["fp32"])) else getattr(torch, c["dtype"])


def old_rope(config):
    """Takes rope_parameters apart into the keys of transformers 4."""
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if config["model_type"].startswith(("deepseek", "kimi")):
        rope["type"] = rope.pop("rope_type")
    config["rope_scaling"] = None if "default" in rope.values() else rope


def write_config(directory, c):
    """config.json as transformers wrote it, or (old) converted to the spelling of transformers 4."""
    path = os.path.join(directory, "config.json")
    config = json.load(open(path))
    text = config.get("text_config", config)
    text["dtype"] = config["dtype"] = c["dtype"]
    dropped = c["drop"]
    if c["old"]:
        if "rope_parameters" in text:
            old_rope(text)
        for part in (config, text):
            if "dtype" in part:
                part["torch_dtype"] = part.pop("dtype")
        if text["model_type"] == "qwen3_moe":
            text["num_experts"] = text.pop("num_local_experts")
        config["transformers_version"] = "4.51.0"
        kept = dict(gpt_oss=["num_local_experts", "layer_types"], mixtral=["num_local_experts"])
        dropped = dropped + [key for key in SAVED_ONLY if key not in kept.get(text["model_type"], [])]
    for key in dropped:
        text.pop(key, None)
    text |= c["extra"]
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)
    open(path, "a").write("\n")
    return config


def automodel(nested):
    return transformers.AutoModelForImageTextToText if nested else transformers.AutoModelForCausalLM


def build(directory, c, generator):
    """Writes config.json and the weight files; returns the logits' model in memory (float32, rounded weights)."""
    whole = c["nested"] | dict(text_config=c["config"]) if c["nested"] else c["config"]
    whole = transformers.AutoConfig.for_model(**whole)
    config = whole.get_text_config()
    model = automodel(c["nested"]).from_config(
        whole, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
    with torch.no_grad():
        for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
            if not any(part in name for part in ("inv_freq", "embed_scale", "vision", "visual", "projector")):
                values = random_tensor(name, tensor.shape, config, generator)
                if c["small_steps"] and name.endswith(("dt_bias", ".D")):
                    values = values - 9 if name.endswith("dt_bias") else 0.01 * values
                if c["mxfp4"] and ".experts." in name and not name.endswith("bias"):
                    values = mxfp4_rounded(values)
                tensor.copy_(values.to(stored_dtype(name, c)).float())
    if c["shards"]:
        copy.deepcopy(model).to(getattr(torch, c["dtype"])).save_pretrained(directory, max_shard_size=c["shards"])
    else:
        model.save_pretrained(directory, save_original_format=not c["fused"])
        path = os.path.join(directory, "model.safetensors")
        tensors = {published_name(name): t.to(stored_dtype(name, c)) for name, t in load_file(path).items()
                   if not re.search("vision|visual|projector", name)}
        if c["mtp"]:
            tensors |= mtp_tensors(tensors, config, c, generator)
        if c["mxfp4"]:
            tensors = mxfp4_tensors(tensors)
        save_file(tensors, path, metadata={"format": "pt"})
    if os.path.exists(os.path.join(directory, "generation_config.json")):
        os.remove(os.path.join(directory, "generation_config.json"))
    written = write_config(directory, c)
    if c["affine"]:
        dequantised = quantise(directory, written, c)
        with tempfile.TemporaryDirectory() as plain:
            save_plain(plain, written, dequantised)
            model = load(plain, c)
    return model


def published_name(name):
    """What transformers turns into "blocks" on its way back from Kimi's vision tower are layers in the files."""
    return name.replace("language_model.model.blocks.", "language_model.model.layers.")


def mtp_tensors(tensors, config, c, generator):
    """A multi-token-prediction layer with new values under its published names."""
    h, out = config.hidden_size, {}

    def like(old, new):
        """The shapes of the tensors of a trunk layer, an expert at a time, under another prefix."""
        shapes = {new + n.removeprefix(old): t.shape for n, t in tensors.items() if n.startswith(old)}
        for n in [n for n in shapes if n.endswith("experts.gate_up_proj")]:
            experts, up, _ = shapes.pop(n)
            shapes.pop(n.replace("gate_up", "down"))
            for e, kind in itertools.product(range(experts), ("gate", "up", "down")):
                shape = (h, up // 2) if kind == "down" else (up // 2, h)
                shapes[n.replace("gate_up_proj", f"{e}.{kind}_proj.weight")] = shape
        return shapes

    if config.model_type == "nemotron_h":
        attention, moe = (config.layers_block_type.index(kind) for kind in ("full_attention", "moe"))
        first, last = "mtp.layers.0.", "mtp.layers.1."
        shapes = like(f"backbone.layers.{attention}.", first) | like(f"backbone.layers.{moe}.", last)
        shapes[last + "final_layernorm.weight"] = (h,)
    elif config.model_type.startswith("qwen3_5"):
        shapes = like(f"model.language_model.layers.{config.layer_types.index('full_attention')}.", "mtp.layers.0.")
        shapes |= {"mtp.fc.weight": (h, 2 * h), "mtp.norm.weight": (h,), "mtp.pre_fc_norm_embedding.weight": (h,),
                   "mtp.pre_fc_norm_hidden.weight": (h,)}
    else:
        last, first = (f"model.layers.{config.num_hidden_layers + i}." for i in (-1, 0))
        shapes = like(last, first)
    if not config.model_type.startswith("qwen3_5"):
        shapes |= {first + "enorm.weight": (h,), first + "hnorm.weight": (h,)}
        if config.model_type != "nemotron_h":
            shapes[first + "shared_head.norm.weight"] = (h,)
        shapes[first + "eh_proj.weight"] = (h, 2 * h)
    if config.model_type in ("deepseek_v3", "deepseek_v32", "glm4_moe_lite"):  # their files repeat both
        out = {first + "embed_tokens.weight": tensors["model.embed_tokens.weight"].clone(),
               first + "shared_head.head.weight": tensors["lm_head.weight"].clone()}
    return out | {n: random_tensor(n, s, config, generator).to(stored_dtype(n, c)) for n, s in shapes.items()}


def raw_config(directory):
    return json.load(open(os.path.join(directory, "config.json")))


def load(directory, c, dtype=torch.float32, **overrides):
    if c["mxfp4"]:
        with tempfile.TemporaryDirectory() as plain:
            tensors = mxfp4_dequantised(load_file(os.path.join(directory, "model.safetensors")))
            save_plain(plain, raw_config(directory), tensors)
            return from_pretrained(plain, c, dtype, overrides)
    return from_pretrained(directory, c, dtype, overrides)


def from_pretrained(directory, c, dtype, overrides):
    raw = raw_config(directory)
    if raw["model_type"] == "kimi_k2":  # transformers knows it inside kimi_k25 only
        config = transformers.AutoConfig.for_model("deepseek_v3", **{k: v for k, v in raw.items() if k != "model_type"})
    else:
        config = transformers.AutoConfig.from_pretrained(directory)
    for key, value in overrides.items():
        setattr(config.get_text_config(), key, value)
    return automodel(c["nested"]).from_pretrained(
        directory, config=config, dtype=dtype, attn_implementation="eager", experts_implementation="eager").eval()


# ---- MXFP4 as gpt-oss publishes it: experts [E, out, in / 32, 16] of two values a byte, low first, and a power of two

FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def mxfp4_codes(values):
    """Codes and exponents of experts [E, in, out], as [E, out, in / 32, 32] and [E, out, in / 32]."""
    groups = values.transpose(1, 2).unflatten(-1, (-1, 32))
    exponent = (groups.abs().amax(-1).log2().floor() - 2).clamp(-127, 127)
    scaled = groups / exponent.exp2()[..., None]
    return (scaled[..., None] - FP4).abs().argmin(-1), exponent


def mxfp4_rounded(values):
    codes, exponent = mxfp4_codes(values)
    return (FP4[codes] * exponent.exp2()[..., None]).flatten(2).transpose(1, 2)


def mxfp4_tensors(tensors):
    out = {}
    for name, tensor in tensors.items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            out[name] = tensor
            continue
        codes, exponent = mxfp4_codes(tensor.float())
        out[name + "_blocks"] = (codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8)
        out[name + "_scales"] = (exponent + 127).to(torch.uint8)
    return out


def mxfp4_dequantised(tensors):
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors
    out = {n: t for n, t in tensors.items() if not n.endswith(("_blocks", "_scales"))}
    for name in (n.removesuffix("_blocks") for n in tensors if n.endswith("_blocks")):
        out[name] = convert_moe_packed_tensors(tensors[name + "_blocks"], tensors[name + "_scales"],
                                               dtype=torch.float32)
    return out
