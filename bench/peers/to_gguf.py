"""Writes a synthetic checkpoint (specdec synth) as GGUF with exactly the same weights.

    to_gguf.py CHECKPOINT FILE.gguf

Symmetric MLX affine codes of 4 and 8 bits are Q4_0 and Q8_0 with the scales of the groups; bf16 stays bf16. The file has
no tokenizer. For the architectures qwen3 and qwen3_moe.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np

NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    "mlp.switch_mlp.gate_proj": "ffn_gate_exps", "mlp.switch_mlp.up_proj": "ffn_up_exps",
    "mlp.switch_mlp.down_proj": "ffn_down_exps",
}  # fmt: skip
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
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
    bits = quantization.get(path, quantization)["bits"]
    scales = as_float(tensors[path + ".scales"])
    if bits not in (4, 8) or not np.array_equal(as_float(tensors[path + ".biases"]), -(1 << (bits - 1)) * scales):
        raise SystemExit(f"{path}: Q4_0 and Q8_0 hold symmetric codes of 4 and 8 bits, and not these")
    codes = words.view(np.uint8)
    inputs = codes.shape[-1] * 8 // bits
    repeat = inputs // BLOCK // scales.shape[-1]
    d = np.repeat(scales, repeat, axis=-1).astype(np.float16)[..., None].view(np.uint8)
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
    moe = config["model_type"] == "qwen3_moe"
    writer = gguf.GGUFWriter(out, "qwen3moe" if moe else "qwen3")
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
    if moe:
        writer.add_expert_count(config["num_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])

    names = dict(WHOLE)
    for layer in range(config["num_hidden_layers"]):
        names |= {f"model.layers.{layer}.{ours}": f"blk.{layer}.{theirs}" for ours, theirs in NAMES.items()}
    paths = [path for path in names if path + ".weight" in tensors]

    def converted(path):
        if tensors[path + ".weight"][1].ndim == 1:
            return None, as_float(tensors[path + ".weight"])
        return pack(tensors, path, config.get("quantization"))

    for path in paths:  # once for the header, once to be written: no more than one tensor in memory
        kind, data = converted(path)
        writer.add_tensor_info(names[path] + ".weight", data.shape, data.dtype, data.nbytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for path in paths:
        writer.write_tensor_data(np.ascontiguousarray(converted(path)[1]))
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
