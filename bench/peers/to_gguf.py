"""Writes a synthetic checkpoint (specdec synth) as GGUF with exactly the same weights.

    to_gguf.py CHECKPOINT FILE.gguf

Symmetric MLX affine codes of 4 and 8 bits are Q4_0 and Q8_0 with the scales of the groups; bf16 stays bf16. The file has
no tokenizer. For the architectures qwen3, qwen3_moe and glm4_moe.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np

NAMES = {
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.weight": "attn_k.weight", "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight", "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
    "mlp.switch_mlp.gate_proj.weight": "ffn_gate_exps.weight", "mlp.switch_mlp.up_proj.weight": "ffn_up_exps.weight",
    "mlp.switch_mlp.down_proj.weight": "ffn_down_exps.weight",
    "mlp.shared_experts.gate_proj.weight": "ffn_gate_shexp.weight",
    "mlp.shared_experts.up_proj.weight": "ffn_up_shexp.weight",
    "mlp.shared_experts.down_proj.weight": "ffn_down_shexp.weight",
}  # fmt: skip
WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
ARCHITECTURES = {"qwen3": "qwen3", "qwen3_moe": "qwen3moe", "glm4_moe": "glm4moe"}
DTYPES = {"U32": np.uint32, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
BLOCK = 32


def open_tensors(directory: Path) -> dict[str, tuple[str, np.ndarray]]:
    """name -> (dtype as stored, memory-mapped values; bf16 as uint16)"""
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            dtype = DTYPES[entry["dtype"]]
            values = np.memmap(path, dtype, "r", 8 + length + entry["data_offsets"][0], tuple(entry["shape"]))
            tensors[name] = entry["dtype"], values
    return tensors


def as_float(stored: tuple[str, np.ndarray]) -> np.ndarray:
    dtype, values = stored
    return (values.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else values.astype(np.float32)


def pack(tensors, path: str, quantization: dict):
    """The GGUF type of the matrix at `path`, and its bytes (..., bytes of a row)."""
    dtype, words = tensors[path + ".weight"]
    if dtype == "BF16":
        return gguf.GGMLQuantizationType.BF16, words.view(np.uint8)
    if dtype != "U32":
        raise SystemExit(f"{path}: stored as {dtype}; only bfloat16 and MLX affine codes are converted")
    bits = quantization.get(path, quantization)["bits"]
    scales = as_float(tensors[path + ".scales"])
    if bits not in (4, 8) or not np.array_equal(as_float(tensors[path + ".biases"]), -(1 << (bits - 1)) * scales):
        raise SystemExit(f"{path}: Q4_0 and Q8_0 hold symmetric codes of 4 and 8 bits, and not these")
    codes = words.view(np.uint8)
    inputs = codes.shape[-1] * 8 // bits
    repeat = inputs // BLOCK // scales.shape[-1]
    halves = scales.astype(np.float16)
    if not np.array_equal(halves.astype(np.float32), scales):
        raise SystemExit(f"{path}: Q4_0 and Q8_0 hold scales in float16, which rounds these")
    d = np.repeat(halves, repeat, axis=-1)[..., None].view(np.uint8)
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:-1], inputs // BLOCK, BLOCK)
        packed = codes[..., : BLOCK // 2] | (codes[..., BLOCK // 2 :] << 4)
        kind = gguf.GGMLQuantizationType.Q4_0
    else:
        packed = (codes ^ 128).reshape(*codes.shape[:-1], inputs // BLOCK, BLOCK)
        kind = gguf.GGMLQuantizationType.Q8_0
    blocks = np.concatenate([d, packed], axis=-1)
    return kind, blocks.reshape(*blocks.shape[:-2], -1)


def main(checkpoint: Path, out: Path):
    config = json.loads((checkpoint / "config.json").read_text())
    tensors = open_tensors(checkpoint)
    writer = gguf.GGUFWriter(out, ARCHITECTURES[config["model_type"]])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    layer_names = dict(NAMES)
    if "moe_intermediate_size" in config:
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if config["model_type"] == "qwen3_moe":
        writer.add_expert_count(config["num_experts"])
    if config["model_type"] == "glm4_moe":
        layer_names["post_attention_layernorm.weight"] = "post_attention_norm.weight"
        writer.add_expert_count(config["n_routed_experts"])
        writer.add_expert_shared_count(config["n_shared_experts"])
        writer.add_leading_dense_block_count(config["first_k_dense_replace"])
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        writer.add_expert_weights_scale(config["routed_scaling_factor"])
        writer.add_expert_weights_norm(config["norm_topk_prob"])
        writer.add_rope_dimension_count(int(config["head_dim"] * config["partial_rotary_factor"]))

    names = dict(WHOLE)
    for layer in range(config["num_hidden_layers"]):
        names |= {f"model.layers.{layer}.{ours}": f"blk.{layer}.{theirs}" for ours, theirs in layer_names.items()}
    stored = [name for name in names if name in tensors]
    parts = {path.removesuffix(".weight") + part for path in stored for part in (".scales", ".biases")}
    if unknown := sorted(tensors.keys() - stored - parts):
        raise SystemExit(f"{checkpoint}: no GGUF name is known for {', '.join(unknown[:4])} (of {len(unknown)})")

    def converted(name):
        if tensors[name][1].ndim == 1:
            return None, as_float(tensors[name])
        return pack(tensors, name.removesuffix(".weight"), config.get("quantization"))

    for name in stored:  # once for the header, once to be written: no more than one tensor in memory
        kind, data = converted(name)
        writer.add_tensor_info(names[name], data.shape, data.dtype, data.nbytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name in stored:
        writer.write_tensor_data(np.ascontiguousarray(converted(name)[1]))
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
