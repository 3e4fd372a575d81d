"""For differ.py --mlx: cases that mlx-lm computes as transformers does, and checkpoints as mlx-lm converts them."""

import shutil
from pathlib import Path

import mlx.core as mx
import torch
from mlx.utils import tree_map
from mlx_lm.utils import load_model, quantize_model, save_config, save_model
from safetensors.torch import load_file, save_file

from .cases import CASES, default_ropes

GROUP = 32
SAME = 1e-3  # as what transformers computes
UNKNOWN = ("layer_types", "mlp_layer_types", "mlp_only_layers", "layers_block_type", "hidden_act", "hidden_activation",
           "sliding_window", "use_sliding_window", "max_window_layers", "clip_qkv", "attention_bias", "mlp_bias",
           "use_bias", "swiglu_limit", "swiglu_alpha", "moe_latent_size", "rope_interleave", "indexer_types",
           "index_topk_pattern", "index_topk_freq", "index_skip_topk_offset", "final_logit_softcapping")
WIDTHS = ("intermediate_size", "moe_intermediate_size", "kv_lora_rank", "q_lora_rank", "v_head_dim",
          "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size")
PLAIN_HEADS = ("llama", "qwen2", "mixtral")  # no head_dim but the hidden size by heads
ASKS_HEAD_DIM = ("qwen3_moe", "glm4_moe")
ROUTER = dict(scoring_func="sigmoid", topk_method="noaux_tc", moe_layer_freq=1)
YARN = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=32)


def make_common(c, architecture, r):
    """Changes a case into one that mlx-lm has, too, with sizes of whole groups, so that there is much to quantise."""
    config, extra = c["config"], c["extra"]
    for key in UNKNOWN + (("head_dim",) if architecture in PLAIN_HEADS else ()):
        config.pop(key, None)
    heads = config["num_attention_heads"]
    config |= dict(hidden_size=heads * GROUP * r.choice([1, 2] if heads < 3 else [1]), tie_word_embeddings=False)
    config |= {key: r.choice([GROUP, 2 * GROUP]) for key in WIDTHS if config.get(key) and r.coin(0.7)}
    flat = architecture.startswith("qwen3_5")  # its published config.json is one of transformers 5
    c |= dict(fused=flat, shards=None, old=not flat and architecture != "glm_moe_dsa")
    if c["nested"]:
        c["nested"] = c["nested"] | dict(vocab_size=config["vocab_size"], tie_word_embeddings=False)
    if "rope_parameters" in config:
        config["rope_parameters"] = dict(rope_type="default", rope_theta=1e4)
    if architecture in ASKS_HEAD_DIM:
        config["head_dim"] = r.choice([8, 16, 24])
    if "n_group" in config:
        config["n_shared_experts"] = r.choice([1, 2]) if architecture != "nemotron_h" else 1
        if architecture != "deepseek_v2":  # scores of other groups are 0 there, and may be chosen
            config |= dict(n_group=1, topk_group=1)
            extra |= ROUTER
    if architecture == "glm4_moe":
        config["rope_parameters"]["partial_rotary_factor"] = 0.5
    if architecture == "deepseek_v2":
        config["rope_parameters"] = YARN | dict(mscale=0.7, mscale_all_dim=0.7)
    if architecture == "nemotron_h":
        config["hybrid_override_pattern"] = "M*" + "".join(r.choice("ME*-") for _ in range(3))
    if architecture.startswith("gemma3"):  # it rounds roots to bfloat16, but not that of 64
        pattern = r.choice([2, 3])
        config |= default_ropes(dict(full_attention=1e6, sliding_attention=1e4)) | dict(
            sliding_window=r.randrange(2, 20), sliding_window_pattern=pattern, num_hidden_layers=pattern,
            hidden_size=64, num_attention_heads=2, num_key_value_heads=1)
        extra["sliding_window_pattern"] = pattern
    if architecture == "gpt_oss":  # its experts are MXFP4, its yarn truncates
        c["mxfp4"] = True
        extra["quantization_config"] = CASES["gpt_oss_mxfp4"]["extra"]["quantization_config"]
        config |= dict(hidden_size=64, intermediate_size=r.choice([GROUP, 2 * GROUP]), num_hidden_layers=4,
                       sliding_window=r.randrange(2, 20), rope_parameters=YARN | dict(truncate=True))
    if "linear_num_key_heads" in config:
        interval = r.choice([2, 3])
        key_dim, value_dim = r.choice([(32, 32), (32, 16), (64, 32)])
        config |= dict(full_attention_interval=interval, num_hidden_layers=interval, linear_key_head_dim=key_dim,
                       linear_value_head_dim=value_dim)
        config["linear_conv_kernel_dim"] = r.choice([2, 4])  # one tap has the same shape, turned or not
        config["rope_parameters"]["partial_rotary_factor"] = 0.25
        extra["full_attention_interval"] = interval
        c["dtype"] = "float32"  # it adds 1 to norms, which rounds


def widened(tensor):
    return tensor.astype(mx.float32) if mx.issubdtype(tensor.dtype, mx.floating) else tensor


def logits_of(directory, tokens):
    model, _ = load_model(directory)
    model.update(tree_map(widened, model.parameters()))
    return torch.tensor(model(mx.array([tokens.tolist()]))[0].tolist())


def convert(directory, r):
    """Makes a checkpoint one of mlx-lm, with its logits in the golden; why not, if they mean something else."""
    directory = Path(directory)
    golden = load_file(directory / "golden.safetensors")
    tokens = golden["tokens"][: len(golden["logits"])].clone()
    apart = (logits_of(directory, tokens) - golden["logits"]).abs().max()
    if not apart <= SAME:
        return f"mlx-lm is {apart:.2g} from transformers"
    model, config = load_model(directory)
    if bits := r.choice([None, 4, 8]):
        def rule(path, module):
            fits = hasattr(module, "to_quantized") and module.weight.shape[-1] % GROUP == 0
            return fits and {"group_size": GROUP, "bits": bits, "mode": "affine"}
        model, config = quantize_model(model, config, GROUP, bits, quant_predicate=rule)
    shutil.rmtree(directory)
    save_model(directory, model)
    save_config(config, directory / "config.json")
    save_file(dict(tokens=tokens, logits=logits_of(directory, tokens)), directory / "golden.safetensors")
    return None
