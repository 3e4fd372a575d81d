#!/usr/bin/env python3
"""Looks for checkpoints that transformers and specdec read differently: random tiny ones over all keys of the configs.

    python tests/data/model_goldens/differ.py PARITY_BENCH [--mlx] [--count N] [--seed S] [--keep DIRECTORY]
                                              [architecture ...]

PARITY_BENCH is the program that bench/peers/parity.cc makes. Of every architecture N checkpoints are drawn, the seeds
from S on, each saved by transformers, its config.json in either spelling and with or without keys that say what the
class assumes, and read back. Texts have 40 or 150 tokens and a greedy continuation of up to 16, as far as it is no
near-tie. Printed are those that specdec refuses, or whose logits are more than 1e-4 from those of transformers in
float64; DIRECTORY keeps them. With --mlx each is what mlx-lm converts it to, quantised or not, and the logits are
those of mlx-lm, which must be those of transformers before anything is quantised.
"""

import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from model_goldens.cases import KIMI_OUTER, QWEN_VISION, SIGLIP, case  # noqa: E402
from model_goldens.checkpoints import build, load, raw_config  # noqa: E402

TEXTS, GREEDY = [40, 40, 40, 150], 16
APART = 1e-4      # of logits of about 2
MLX_APART = 3e-4  # its angles of RoPE are rounded
UNSTABLE = 5e-5   # what float32 may differ from float64 in transformers; more is a near-tie of experts, or rounding
MARGIN = 2e-3     # of the greedy token
ACTIVATIONS = ["gelu_pytorch_tanh", "gelu", "gelu_new", "gelu_fast", "relu", "swish"]


class Draw(random.Random):
    def coin(self, chance=0.5):
        return self.random() < chance

    def divisor(self, n):
        return self.choice([d for d in range(1, n + 1) if n % d == 0])

    def maybe(self, chance=0.5, **keys):
        return keys if self.coin(chance) else {}

    def rope(self, types=("default", "linear", "llama3", "yarn"), latent=False):
        kind = self.choice(types)
        out = dict(rope_type=kind, rope_theta=self.choice([10.0, 100.0, 1e4, 5e5]))
        if kind != "default":
            out["factor"] = self.choice([1.0, 2.0, 4.0, 8.0, 32.0])
        if kind == "llama3":
            out |= dict(low_freq_factor=self.choice([1.0, 2.0]), high_freq_factor=self.choice([3.0, 4.0]))
        if kind in ("llama3", "yarn"):
            out |= self.maybe(0.8, original_max_position_embeddings=self.choice([16, 32, 64, 4096]))
        if kind == "yarn":
            out |= self.maybe(beta_fast=self.choice([1.0, 4.0, 32.0]), beta_slow=self.choice([1.0, 0.5]))
            out |= self.maybe(0.3, truncate=self.coin()) | self.maybe(0.3, attention_factor=self.choice([0.7, 1.3]))
            if latent or self.coin(0.2):
                out |= self.maybe(0.8, mscale=self.choice([0.707, 1.0, 1.4]))
                out |= self.maybe(0.8, mscale_all_dim=self.choice([0.707, 1.0, 1.4]))
        return out

    def common(self, layers=None):
        heads = self.choice([1, 2, 3, 4, 5, 6])
        out = dict(vocab_size=self.randrange(40, 140), hidden_size=heads * self.choice([6, 10, 12, 14, 18]),
                   intermediate_size=self.randrange(9, 60), num_hidden_layers=layers or self.randrange(1, 5),
                   num_attention_heads=heads, num_key_value_heads=self.divisor(heads),
                   max_position_embeddings=self.choice([64, 512, 4096]),
                   bos_token_id=self.choice([None, 1]), eos_token_id=self.choice([None, 2, [2, 5]]))
        out |= self.maybe(tie_word_embeddings=self.coin())
        out |= self.maybe(rms_norm_eps=self.choice([1e-6, 1e-5, 1e-2, 0.1]))
        return out | self.maybe(0.1, hidden_act=self.choice(ACTIVATIONS))

    def head_dim(self):
        return self.choice([4, 6, 10, 12, 14, 18, 20, 34])

    def types(self, layers, kinds=("sliding_attention", "full_attention")):
        return [self.choice(kinds) for _ in range(layers)]

    def window(self):
        return self.choice([1, 2, 3, 7, 16, 17, 39, 40, 100])

    def experts(self, key, width="moe_intermediate_size"):
        experts = self.randrange(2, 13)
        return {key: experts, "num_experts_per_tok": self.randrange(1, min(experts, 5) + 1),
                width: self.randrange(5, 40)}


def llama(r):
    return r.common() | dict(rope_parameters=r.rope()) | r.maybe(head_dim=r.head_dim()) | r.maybe(
        attention_bias=r.coin()) | r.maybe(mlp_bias=r.coin())


def mistral(r):
    return r.common() | dict(rope_parameters=r.rope()) | r.maybe(head_dim=r.head_dim()) | r.maybe(
        0.8, sliding_window=r.choice([None, r.window()]))


def qwen2(r):
    out = r.common() | dict(rope_parameters=r.rope()) | r.maybe(0.3, head_dim=r.head_dim())
    out |= r.maybe(use_sliding_window=r.coin(0.7), sliding_window=r.window())
    out |= r.maybe(max_window_layers=r.randrange(0, 5))
    return out | r.maybe(layer_types=r.types(out["num_hidden_layers"]))


def qwen3(r):
    return qwen2(r) | dict(head_dim=r.head_dim()) | r.maybe(attention_bias=r.coin())


def gemma3_text(r):
    out = r.common() | dict(head_dim=r.head_dim(), query_pre_attn_scalar=r.choice([5, 12, 256]))
    out.pop("hidden_act", None)
    layers = out["num_hidden_layers"]
    out |= r.maybe(0.9, sliding_window=r.window()) | r.maybe(attention_bias=r.coin())
    out |= r.maybe(final_logit_softcapping=r.choice([None, 3.0])) | r.maybe(0.3, attn_logit_softcapping=1.0)
    out |= dict(layer_types=r.types(layers)) if r.coin() else r.maybe(sliding_window_pattern=r.randrange(1, 4))
    out |= r.maybe(0.1, hidden_activation=r.choice(ACTIVATIONS))
    full = r.rope()
    full.pop("truncate", None)  # transformers looks for it beside the kinds of layers
    local = dict(rope_type="default", rope_theta=r.choice([10.0, 1e4]))
    return out | r.maybe(0.9, rope_parameters=dict(sliding_attention=local, full_attention=full))


def mixtral(r):
    out = r.common() | dict(rope_parameters=r.rope()) | r.experts("num_local_experts", "intermediate_size")
    if out["rope_parameters"]["rope_type"] == "yarn" or r.coin():  # yarn of transformers needs it
        out["head_dim"] = r.head_dim()
    return out | r.maybe(sliding_window=r.choice([None, r.window()]))


def olmoe(r):
    return r.common() | dict(rope_parameters=r.rope()) | r.experts("num_experts", "intermediate_size") | r.maybe(
        clip_qkv=r.choice([None, 0.5, 2.0])) | r.maybe(norm_topk_prob=r.coin()) | r.maybe(attention_bias=r.coin())


def sparse(r, layers):
    return r.maybe(0.3, decoder_sparse_step=r.randrange(1, 4)) | r.maybe(
        0.3, mlp_only_layers=r.sample(range(layers), r.randrange(0, layers)))


def qwen3_moe(r):
    out = r.common() | dict(rope_parameters=r.rope()) | r.maybe(head_dim=r.head_dim())
    return out | r.experts("num_experts") | sparse(r, out["num_hidden_layers"]) | r.maybe(
        norm_topk_prob=r.coin()) | r.maybe(attention_bias=r.coin())


def gpt_oss(r):
    out = r.common() | dict(head_dim=r.head_dim()) | r.experts("num_local_experts", "intermediate_size")
    out |= r.maybe(0.9, rope_parameters=r.rope()) | r.maybe(0.8, sliding_window=r.window())
    out |= r.maybe(layer_types=r.types(out["num_hidden_layers"])) | r.maybe(swiglu_limit=r.choice([0.5, 1.5]))
    return out | r.maybe(0.2, attention_bias=r.coin()) | r.maybe(0.3, swiglu_alpha=r.choice([1.0, 1.702]))


def routed(r, key="n_routed_experts"):
    """Experts in groups."""
    groups, size = r.choice([1, 1, 2, 3, 4]), r.randrange(2, 5)
    kept = r.randrange(1, groups + 1)
    out = {key: groups * size, "num_experts_per_tok": r.randrange(1, min(kept * size, 5) + 1), "n_group": groups,
           "topk_group": kept, "moe_intermediate_size": r.randrange(5, 30)}
    return out | r.maybe(norm_topk_prob=r.coin()) | r.maybe(routed_scaling_factor=r.choice([0.5, 1.0, 2.5])) | r.maybe(
        n_shared_experts=r.choice([0, 1, 2, 3]))


def dense_first(r, layers):
    return r.maybe(0.9, first_k_dense_replace=r.randrange(0, layers + 1))


def glm4_moe(r):
    out = r.common() | routed(r) | dict(rope_parameters=r.rope(), num_nextn_predict_layers=0)
    out["rope_parameters"] |= r.maybe(0.7, partial_rotary_factor=r.choice([0.5, 1.0, 0.25]))
    out |= dict(head_dim=r.choice([4, 8, 12, 16, 24])) if r.coin(0.7) else dict(
        hidden_size=8 * out["num_attention_heads"])
    return out | dense_first(r, out["num_hidden_layers"]) | r.maybe(use_qk_norm=r.coin()) | r.maybe(
        attention_bias=r.coin())


def latent(r, splits=True, full=False):
    out = r.common() | routed(r) | dict(rope_parameters=r.rope(latent=True))
    out |= dict(q_lora_rank=r.choice([9, 14, 20]) if full or r.coin(0.7) else None, kv_lora_rank=r.choice([7, 12, 18]),
                qk_nope_head_dim=r.choice([3, 6, 10]), qk_rope_head_dim=r.choice([2, 4, 6, 10]),
                v_head_dim=r.choice([5, 6, 10, 16]), num_key_value_heads=out["num_attention_heads"])
    return out | r.maybe(attention_bias=r.coin()) | (r.maybe(0.3, rope_interleave=r.coin()) if splits else {})


def glm4_moe_lite(r):
    out = latent(r)
    return out | r.maybe(mlp_layer_types=r.types(out["num_hidden_layers"], ("dense", "sparse")))


def deepseek_v2(r):
    out = latent(r, splits=False)
    out |= dict(qk_nope_head_dim=r.choice([2, 6, 10]), kv_lora_rank=r.choice([6, 12, 18]))  # for its complex numbers
    out = out | dense_first(r, out["num_hidden_layers"]) | r.maybe(mlp_bias=r.coin(0.2))
    return out | r.maybe(0.7, topk_method=r.choice(["greedy", "group_limited_greedy"]))


def deepseek_v3(r):
    out = latent(r)
    return out | dense_first(r, out["num_hidden_layers"]) | dict(num_nextn_predict_layers=0)


def indexed(r):
    out = latent(r, splits=False, full=True)
    layers = out["num_hidden_layers"]
    # So many heads that hardly ever all are below zero: torch.topk promises no order of equals.
    out |= dict(index_topk=r.choice([1, 3, 8, 17, 39, 41]), index_n_heads=r.choice([21, 24]),
                index_head_dim=out["qk_rope_head_dim"] + r.choice([0, 2, 5]), norm_topk_prob=r.coin())
    return out | (dense_first(r, layers) if r.coin() else dict(mlp_layer_types=r.types(layers, ("dense", "sparse"))))


def glm_moe_dsa(r):
    out = indexed(r)
    later = [r.choice("FS") for _ in range(out["num_hidden_layers"] - 1)]
    spelling = r.choice(["types", "pattern", "list", "frequency", "none"])
    names = [{"F": "full", "S": "shared"}[kind] for kind in ["F", *later]]
    return out | dict(
        types=dict(indexer_types=names), pattern=dict(index_topk_pattern="F" + "".join(later)),
        list=dict(index_topk_pattern=names), none={},
        frequency=r.maybe(0.8, index_topk_freq=r.randrange(1, 4)) | r.maybe(
            0.8, index_skip_topk_offset=r.randrange(1, 4)),
    )[spelling]


def nemotron_h(r):
    groups, layers = r.choice([1, 2, 3]), r.randrange(1, 7)
    out = r.common(layers) | routed(r) | dict(
        head_dim=r.head_dim(), mamba_num_heads=groups * r.randrange(1, 4), mamba_head_dim=r.choice([3, 6, 8, 14]),
        n_groups=groups, ssm_state_size=r.choice([3, 7, 8, 18]), chunk_size=r.choice([5, 8, 64]), time_step_min=1e-30,
        moe_shared_expert_intermediate_size=r.randrange(4, 30))
    for key in ("num_hidden_layers", "rms_norm_eps", "hidden_act"):
        out.pop(key, None)
    out |= r.maybe(layer_norm_epsilon=r.choice([1e-6, 1e-2])) | r.maybe(conv_kernel=r.choice([1, 2, 3, 5]))
    out |= r.maybe(use_bias=r.coin()) | r.maybe(mlp_bias=r.coin()) | r.maybe(use_conv_bias=r.coin())
    out |= r.maybe(0.3, attention_bias=r.coin()) | r.maybe(moe_latent_size=r.randrange(4, 30))
    pattern = "".join(r.choice("MME*-") for _ in range(layers))
    if r.coin():
        return out | dict(hybrid_override_pattern=pattern)
    new = dict(zip("ME*-", ["linear_attention", "moe", "full_attention", "mlp"]))
    old = new | {"M": "mamba", "*": "attention"}
    return out | dict(layers_block_type=[r.choice([old, new])[kind] for kind in pattern])


def gated(r):
    key_heads = r.choice([1, 2, 3])
    out = r.common() | dict(
        head_dim=r.choice([8, 16, 24, 40]), linear_num_key_heads=key_heads,
        linear_num_value_heads=key_heads * r.choice([1, 2, 3]), linear_key_head_dim=r.choice([3, 6, 10, 16]),
        linear_value_head_dim=r.choice([5, 6, 8, 18]), rope_parameters=r.rope())
    out["rope_parameters"] |= r.maybe(0.7, partial_rotary_factor=r.choice([0.25, 0.5, 1.0]))
    out.pop("hidden_act", None)  # all else would be in its convolutions, too
    kinds = ("linear_attention", "full_attention")
    out |= dict(layer_types=r.types(out["num_hidden_layers"], kinds)) if r.coin() else r.maybe(
        full_attention_interval=r.randrange(1, 4))
    return out | r.maybe(linear_conv_kernel_dim=r.choice([1, 2, 3, 5])) | r.maybe(0.3, attention_bias=r.coin())


def shared_expert(r, key="num_experts"):
    return r.experts(key) | dict(shared_expert_intermediate_size=r.randrange(4, 30))


def qwen3_next(r):
    out = gated(r) | shared_expert(r) | r.maybe(norm_topk_prob=r.coin())
    return out | sparse(r, out["num_hidden_layers"])


def qwen3_5_moe(r):
    out = gated(r) | shared_expert(r)
    out.pop("intermediate_size")
    return out


# Of each architecture: the draw, the model_type of its text model, the outer config where it has one.
ARCHITECTURES = {draw.__name__: (draw, draw.__name__, None) for draw in (
    llama, mistral, qwen2, qwen3, gemma3_text, mixtral, olmoe, qwen3_moe, gpt_oss, glm4_moe, glm4_moe_lite, deepseek_v2,
    deepseek_v3, glm_moe_dsa, nemotron_h, qwen3_next)} | dict(
    deepseek_v32=(indexed, "deepseek_v32", None),
    gemma3=(gemma3_text, "gemma3_text", dict(vision_config=SIGLIP, mm_tokens_per_image=4)),
    kimi_k2=(deepseek_v3, "deepseek_v3", None),
    kimi_k25=(deepseek_v3, "deepseek_v3", KIMI_OUTER),
    qwen3_5=(gated, "qwen3_5_text", dict(vision_config=QWEN_VISION)),
    qwen3_5_text=(gated, "qwen3_5_text", None),
    qwen3_5_moe=(qwen3_5_moe, "qwen3_5_moe_text", dict(vision_config=QWEN_VISION)),
    qwen3_5_moe_text=(qwen3_5_moe, "qwen3_5_moe_text", None))


def drawn_case(architecture, r):
    draw, text_type, outer = ARCHITECTURES[architecture]
    config = draw(r) | dict(model_type=text_type)
    nested = None
    if outer is not None:
        nested = outer | dict(model_type=architecture)
        tied = config.pop("tie_word_embeddings", architecture == "gemma3")
        config["tie_word_embeddings"] = nested["tie_word_embeddings"] = tied
    extra = {key: config[key] for key in ("full_attention_interval", "sliding_window_pattern") if key in config}
    if architecture.startswith("kimi"):
        extra |= dict(model_type="kimi_k2")
    whole = architecture == "kimi_k25"  # transformers renames its tensors wrongly where it saves
    listed = architecture != "gpt_oss" and not config.keys().isdisjoint(["layer_types", "mlp_layer_types"])
    fp32 = ["A_log", ".D"] if r.coin(0.3) else []
    return case(config, r.choice(["float32", "bfloat16", "float16"]), old=not listed and r.coin(), extra=extra,
                fused=not whole and r.coin(0.3), shards="20KB" if not whole and r.coin(0.2) else None, nested=nested,
                fp32=fp32)


SIZES = ("num_key_value_heads", "num_local_experts", "num_experts", "n_routed_experts", "num_experts_per_tok",
         "max_position_embeddings")


def leave_out_defaults(directory, r):
    """Takes keys out of config.json that say what the class assumes anyway, but for sizes that all of them give."""
    path = os.path.join(directory, "config.json")
    raw = raw_config(directory)
    text = raw.get("text_config", raw)
    kind = "deepseek_v3" if text["model_type"] == "kimi_k2" else text["model_type"]
    defaults = transformers.AutoConfig.for_model(kind).to_dict()
    for key in [k for k, v in text.items() if k in defaults and v == defaults[k] and k not in ("model_type", *SIZES)]:
        if r.coin():
            del text[key]
    json.dump(raw, open(path, "w"), indent=2, sort_keys=True)


def logits_of(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens]), use_cache=False).logits[0]


def make(directory, architecture, seed, mlx):
    """Writes checkpoint and golden; why not, if transformers does not take it or it is no test."""
    if mlx:
        from model_goldens import differ_mlx
    r = Draw(f"{architecture} {seed}")
    generator = torch.Generator().manual_seed(seed)
    c = drawn_case(architecture, r)
    if mlx:
        differ_mlx.make_common(c, architecture, r)
    os.makedirs(directory)
    build(directory, c, generator)
    if not mlx and r.coin():
        leave_out_defaults(directory, r)
    model = load(directory, c, torch.float64)
    length = r.choice(TEXTS)
    tokens = [r.randrange(c["config"]["vocab_size"]) for _ in range(length)]
    golden = logits_of(model, tokens)
    if not golden.isfinite().all():
        return "not finite"
    row = golden[-1]
    while len(tokens) < length + GREEDY:
        top = row.topk(2).values
        if top[0] - top[1] < MARGIN:
            break
        tokens.append(row.argmax().item())
        row = logits_of(model, tokens)[-1]
    if (logits_of(load(directory, c), tokens[:length]) - golden).abs().max() > UNSTABLE:
        return "near-tie"
    save_file(dict(tokens=torch.tensor(tokens), logits=golden.float().contiguous()),
              os.path.join(directory, "golden.safetensors"))
    return differ_mlx.convert(directory, r) if mlx else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parity_bench")
    parser.add_argument("architecture", nargs="*")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep")
    parser.add_argument("--mlx", action="store_true")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for architecture in options.architecture or ARCHITECTURES:
        counts = collections.Counter()
        for seed in range(options.seed, options.seed + options.count):
            with tempfile.TemporaryDirectory() as top:
                directory = os.path.join(top, f"{architecture}_{seed}")
                try:
                    unfit = make(directory, architecture, seed, options.mlx)
                except Exception as error:  # of a library
                    unfit = f"{type(error).__name__}: {str(error)[:160]}".replace("\n", " ")
                if unfit:
                    counts["no test"] += 1
                    if unfit not in ("near-tie", "not finite"):
                        print(f"{architecture} {seed}: {unfit}", flush=True)
                    continue
                found = subprocess.run([options.parity_bench, directory], capture_output=True, text=True)
                line = found.stdout.strip().rpartition("\t")[2] or found.stderr.strip() or f"exit {found.returncode}"
                words = line.split()
                apart = MLX_APART if options.mlx else APART
                equal = words[0] == "apart" and float(words[1]) <= apart and words[-3] == words[-1]
                counts["equal" if equal else "refused" if words[0] == "refused:" else "differ"] += 1
                if not equal:
                    print(f"{architecture} {seed}: {line.replace(directory, '...')}", flush=True)
                    if options.keep:
                        shutil.copytree(directory, os.path.join(options.keep, f"{architecture}_{seed}"),
                                        dirs_exist_ok=True)
        print(f"{architecture}: {dict(counts)}", flush=True)


if __name__ == "__main__":
    main()
