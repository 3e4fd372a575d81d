#!/usr/bin/env python3
"""Writes tests/data/models and tests/data/affine: tiny random checkpoints and the logits transformers gives for them.

    python tests/data/make_model_goldens.py [case ...]      (no names: everything)

Needs torch, transformers >= 5.23, safetensors, numpy and mlx (CPU builds suffice). Everything is seeded.

models/<case>/{config.json, model*.safetensors}   the checkpoint
models/<case>/golden.safetensors   tokens int64 [lists, positions], logits float32 [lists, positions, vocab]

The logits are those of the checkpoint AS READ BACK FROM DISK, weights upcast to float32, eager attention, float32
throughout. For the affine_* cases (MLX layout) the weights are mx.dequantize of the packed tensors with scales and
biases upcast to float32 first. For every case the script fails, or tries the next seed, unless
  * the reloaded logits equal those of the model in memory, agree with a float64 run and, loosely, with one whose
    embedding is disturbed by 1e-5 (no near-tie in the choice of experts),
  * the top two logits of every row differ by MARGIN, so that the greedy token is not ambiguous,
  * each norm weight, bias and correction bias, and each setting in `matters`, changes the logits when removed.

glm4_moe_mtp: layer num_hidden_layers holds one multi-token-prediction layer. With h the trunk's hidden states AFTER the
final norm, t the tokens, n = positions:
  step 1, row i = 0..n-2: x_i = eh_proj [enorm(embed(t_{i+1})) ; hnorm(h_i)], then the decoder layer (causal over rows,
     RoPE position i), y_i = shared_head.norm(output), mtp_logits_1[:, i] = lm_head(y_i), so it predicts t_{i+2}.
  step 2 of the chain at i: to the keys and values of rows 0..i of step 1 (true hidden states) one row is appended at
     RoPE position i+1: x = eh_proj [enorm(embed(t_{i+2})) ; hnorm(y_i)]; y' = shared_head.norm(output);
     mtp_logits_2[:, i] = lm_head(y'). Rows i+1.. of step 1 take no part.
  step 3: one more row, RoPE position i+2, token t_{i+3}, carried state y': mtp_logits_3[:, i].
mtp_logits_k is [lists, n-k, vocab]: row i is the k-th draft of the chain that starts at position i, fed with the true
tokens. Plain torch below (class PlainGlm); checked against transformers' own MtpModel (which numbers the RoPE positions
from 1 instead of 0; RoPE is relative, so the results agree).
"""

import copy
import itertools
import json
import os
import shutil
import sys
import tempfile

import numpy
import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, LISTS, POSITIONS, MARGIN = 96, 2, 10, 5e-3
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

TINY = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, rope_theta=100.0)  # one band kept, one blended, two scaled
QWEN_MOE = TINY | dict(model_type="qwen3_moe", head_dim=12, num_experts=4, num_experts_per_tok=2,
                       moe_intermediate_size=8, norm_topk_prob=True, rope_theta=1e4)
GLM = TINY | dict(model_type="glm4_moe", head_dim=12, n_routed_experts=4, num_experts_per_tok=2,
                  moe_intermediate_size=8, n_shared_experts=1, first_k_dense_replace=1, n_group=1, topk_group=1,
                  use_qk_norm=True, norm_topk_prob=True, routed_scaling_factor=1.8, attention_bias=True,
                  eos_token_id=[2, 5], partial_rotary_factor=0.5, rope_theta=1e4, num_nextn_predict_layers=0)
DEFAULT_ROPE = dict(rope_type="default", rope_theta=1e4)


def case(config, dtype="bfloat16", old=False, matters=(), shards=None, fused=False, drop=(), extra={}, affine=None):
    """One case. old: config.json in transformers 4 spelling, without the keys in `drop` and with those in `extra`."""
    return dict(config=config, dtype=dtype, old=old, matters=list(matters), shards=shards, fused=fused, drop=drop,
                extra=extra, affine=affine)


def affine_qwen3_moe_bits(path):
    """(group, bits) of a module of affine_qwen3_moe, or False; the checkpoint's default is (32, 4)."""
    if path == "model.layers.1.self_attn.o_proj":
        return False
    if path == "model.embed_tokens":
        return 64, 6
    if path == "lm_head":
        return 64, 5
    if path.startswith("model.layers.1.mlp.switch_mlp"):
        return {"gate_proj": (64, 3), "up_proj": (32, 4), "down_proj": (32, 3)}[path.rpartition(".")[2]]
    if path == "model.layers.0.mlp.up_proj":
        return 32, 2
    if ".self_attn." in path or path.endswith("mlp.gate"):
        return 64, 8
    return 32, 4


CASES = {
    "llama": case(TINY | dict(model_type="llama", rope_parameters=LLAMA3), old=True, drop=["head_dim"],
                  matters=[dict(rope_parameters=dict(rope_type="default", rope_theta=100.0))]),
    "llama_tied": case(TINY | dict(model_type="llama", rope_parameters=LLAMA3, tie_word_embeddings=True), "float32",
                       matters=[dict(rope_parameters=dict(rope_type="default", rope_theta=100.0))]),
    "llama_bias": case(TINY | dict(model_type="llama", head_dim=12, attention_bias=True, mlp_bias=True, rope_theta=1e4,
                                   rms_norm_eps=1e-5), old=True),
    "llama_sharded": case(TINY | dict(model_type="llama", rope_theta=1e4), "float16", shards="20KB"),
    "qwen2": case(TINY | dict(model_type="qwen2", tie_word_embeddings=True, rope_theta=1e6, num_key_value_heads=1),
                  old=True, extra=dict(use_sliding_window=False, sliding_window=4, max_window_layers=1)),
    "qwen2_layer_types": case(TINY | dict(model_type="qwen2", rope_theta=1e4), "float16"),
    "qwen3": case(TINY | dict(model_type="qwen3", head_dim=12, tie_word_embeddings=True, rope_theta=1e6), old=True),
    "qwen3_moe": case(QWEN_MOE | dict(mlp_only_layers=[0]), old=True,
                      matters=[dict(norm_topk_prob=False)]),
    "qwen3_moe_unnormed": case(QWEN_MOE | dict(norm_topk_prob=False, decoder_sparse_step=2, num_experts=6,
                                          num_experts_per_tok=3),
                               matters=[dict(norm_topk_prob=True)]),
    "qwen3_moe_fused": case(QWEN_MOE, fused=True),
    "glm4_moe": case(GLM, old=True, matters=[dict(routed_scaling_factor=1.0), dict(norm_topk_prob=False),
                                             dict(rope_parameters=DEFAULT_ROPE | dict(partial_rotary_factor=1.0))]),
    "glm4_moe_groups": case(GLM | dict(n_group=2, topk_group=1, use_qk_norm=False, norm_topk_prob=False,
                                       n_shared_experts=2, n_routed_experts=6, head_dim=16, partial_rotary_factor=0.25),
                            matters=[dict(n_group=1), dict(norm_topk_prob=True),
                                     dict(rope_parameters=DEFAULT_ROPE | dict(partial_rotary_factor=0.5))]),
    "glm4_moe_mtp": case(GLM | dict(num_nextn_predict_layers=1), old=True),
    "affine_qwen3_moe": case(
        QWEN_MOE | dict(hidden_size=64, intermediate_size=64, moe_intermediate_size=32,
                        num_key_value_heads=1, head_dim=16, mlp_only_layers=[0]),
        "bfloat16", old=True, affine=(32, 4, affine_qwen3_moe_bits)),
    "affine_llama_g128": case(
        TINY | dict(model_type="llama", hidden_size=128, intermediate_size=128, head_dim=32, num_key_value_heads=1,
                    num_hidden_layers=1, tie_word_embeddings=True, rope_theta=1e4),
        "float16", old=True, affine=(128, 4, lambda path: (128, 4))),
}


# ---- checkpoints ----------------------------------------------------------------------------------------------------

def random_tensor(name, shape, tied, generator):
    """Random values by role: no norm weight is 1, no bias 0, and the logits have a scale of about 2."""
    values = torch.randn(shape, generator=generator)
    if "norm" in name:
        return 1 + 0.35 * values.clamp(-2, 2)
    if name.endswith("e_score_correction_bias"):
        return 0.3 * values  # the scores are sigmoids, so this changes the selection
    if name.endswith("bias"):
        return 0.3 * values
    if name.endswith("embed_tokens.weight"):
        return values * (2.0 / shape[-1] ** 0.5 if tied else 1.0)
    gain = 2.0 if name.endswith(("lm_head.weight", "mlp.gate.weight")) else 1.2
    return values * gain / shape[-1] ** 0.5


def stored_dtype(name, dtype):
    return torch.float32 if name.endswith("e_score_correction_bias") else dtype  # as in the published GLM checkpoints


def write_config(directory, c):
    """config.json as transformers wrote it, or (old) converted to the spelling of transformers 4."""
    path = os.path.join(directory, "config.json")
    config = json.load(open(path))
    config["dtype"] = c["dtype"]
    if c["old"]:
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        if "partial_rotary_factor" in rope:
            config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
        config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
        config["torch_dtype"] = config.pop("dtype")
        if config["model_type"] == "qwen3_moe":
            config["num_experts"] = config.pop("num_local_experts")
        config["transformers_version"] = "4.51.0"
        for key in ["layer_types", "num_local_experts", *c["drop"]]:
            config.pop(key, None)
        config |= c["extra"]
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)
    open(path, "a").write("\n")
    return config


def build(directory, c, generator):
    """Writes config.json and the weight files; returns the logits' model in memory (float32, rounded weights)."""
    config = transformers.AutoConfig.for_model(**c["config"])
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
    dtype = getattr(torch, c["dtype"])
    with torch.no_grad():
        for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
            if "inv_freq" not in name:
                values = random_tensor(name, tensor.shape, config.tie_word_embeddings, generator)
                tensor.copy_(values.to(stored_dtype(name, dtype)).float())
    if c["shards"]:
        copy.deepcopy(model).to(dtype).save_pretrained(directory, max_shard_size=c["shards"])
    else:
        model.save_pretrained(directory, save_original_format=not c["fused"])
        path = os.path.join(directory, "model.safetensors")
        tensors = {name: t.to(stored_dtype(name, dtype)) for name, t in load_file(path).items()}
        if config.model_type == "glm4_moe" and config.num_nextn_predict_layers:
            tensors |= mtp_tensors(tensors, config, dtype, generator)
        save_file(tensors, path, metadata={"format": "pt"})
    os.remove(os.path.join(directory, "generation_config.json"))
    written = write_config(directory, c)
    if c["affine"]:
        dequantised = quantise(directory, written, c)
        with tempfile.TemporaryDirectory() as plain:
            save_plain(plain, written, dequantised)
            model = load(plain)
    return model


def mtp_tensors(tensors, config, dtype, generator):
    """A multi-token-prediction layer: the names of the last trunk layer one higher, with new values, and four more."""
    last, new = (f"model.layers.{config.num_hidden_layers + i}." for i in (-1, 0))
    shapes = {new + n.removeprefix(last): t.shape for n, t in tensors.items() if n.startswith(last)}
    h = config.hidden_size
    shapes |= {new + "enorm.weight": (h,), new + "hnorm.weight": (h,), new + "shared_head.norm.weight": (h,),
               new + "eh_proj.weight": (h, 2 * h)}
    return {n: random_tensor(n, s, False, generator).to(stored_dtype(n, dtype)) for n, s in shapes.items()}


def load(directory, dtype=torch.float32, **overrides):
    config = transformers.AutoConfig.from_pretrained(directory)
    for key, value in overrides.items():
        setattr(config, key, value)
    return transformers.AutoModelForCausalLM.from_pretrained(
        directory, config=config, dtype=dtype, attn_implementation="eager", experts_implementation="eager").eval()


# ---- MLX affine -----------------------------------------------------------------------------------------------------

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


# ---- goldens --------------------------------------------------------------------------------------------------------

def logits_of(model, tokens):
    with torch.no_grad():
        return model(tokens, use_cache=False).logits


def difference(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def margin(logits):
    top = logits.topk(2, dim=-1).values
    return (top[..., 0] - top[..., 1]).min().item()


def with_noise(model, generator):
    """Disturbs the embedding by one part in 1e5: a choice of experts that is nearly a tie would flip."""
    weight = model.get_input_embeddings().weight.data
    weight.mul_(1 + 1e-5 * torch.randn(weight.shape, generator=generator))
    return model


def check_sensitivity(directory, model, tokens, golden, c):
    """Every norm, bias and named setting must matter."""
    least = (9.0, "")
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if "norm" not in name and "bias" not in name:
            continue
        saved = tensor.detach().clone()
        tensor.data.fill_(1.0 if "norm" in name else 0.0)
        least = min(least, (difference(logits_of(model, tokens), golden), name))
        tensor.data.copy_(saved)
    for overrides in c["matters"]:
        least = min(least, (difference(logits_of(load(directory, **overrides), tokens), golden), str(overrides)))
    assert least[0] > 2e-3, least
    return least


class PlainGlm:
    """glm4_moe layers in plain torch on tensors under hub names: an independent implementation for the MTP golden."""

    def __init__(self, directory):
        self.t = {n: t.float() for n, t in load_file(os.path.join(directory, "model.safetensors")).items()}
        self.c = json.load(open(os.path.join(directory, "config.json")))

    def norm(self, name, x):
        return self.t[name] * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.c["rms_norm_eps"])

    def linear(self, name, x):
        y = x @ self.t[name + ".weight"].T
        return y + self.t[name + ".bias"] if name + ".bias" in self.t else y

    def mlp(self, p, x):
        gate = self.linear(p + "gate_proj", x)
        return self.linear(p + "down_proj", gate * torch.sigmoid(gate) * self.linear(p + "up_proj", x))

    def rope(self, x, position):  # [heads, head_dim], half-split over the first part of the dimensions
        d = int(self.c["head_dim"] * self.c["partial_rotary_factor"])
        angle = position / self.c["rope_theta"] ** (torch.arange(0, d, 2).float() / d)
        a, b = x[:, : d // 2], x[:, d // 2 : d]
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin(), x[:, d:]], -1)

    def moe(self, p, x):
        scores = torch.sigmoid(self.linear(p + "gate", x))
        chosen = (scores + self.t[p + "gate.e_score_correction_bias"]).topk(self.c["num_experts_per_tok"]).indices
        weights = scores[chosen] / (scores[chosen].sum() + 1e-20) * self.c["routed_scaling_factor"]
        routed = sum(w * self.mlp(f"{p}experts.{e}.", x) for w, e in zip(weights, chosen.tolist()))
        return routed + self.mlp(p + "shared_experts.", x)

    def layer(self, index, x, position, cache):
        """One row x [hidden] through a layer; its key and value are appended to cache (a list)."""
        p, d = f"model.layers.{index}.", self.c["head_dim"]
        n = self.norm(p + "input_layernorm.weight", x)
        q, k, v = (self.linear(f"{p}self_attn.{s}_proj", n).view(-1, d) for s in "qkv")
        q = self.rope(self.norm(p + "self_attn.q_norm.weight", q), position)
        k = self.rope(self.norm(p + "self_attn.k_norm.weight", k), position)
        cache.append((k, v))
        keys, values = (torch.stack(z, 1).repeat_interleave(q.shape[0] // k.shape[0], 0) for z in zip(*cache))
        attention = torch.softmax(torch.einsum("hd,hnd->hn", q, keys) * d**-0.5, -1)
        x = x + self.linear(p + "self_attn.o_proj", torch.einsum("hn,hnd->hd", attention, values).flatten())
        n = self.norm(p + "post_attention_layernorm.weight", x)
        return x + (self.moe(p + "mlp.", n) if p + "mlp.gate.weight" in self.t else self.mlp(p + "mlp.", n))

    def trunk(self, tokens):
        rows = [self.t["model.embed_tokens.weight"][t] for t in tokens]
        for index in range(self.c["num_hidden_layers"]):
            cache = []
            rows = [self.layer(index, x, position, cache) for position, x in enumerate(rows)]
        return torch.stack([self.norm("model.norm.weight", x) for x in rows])

    def mtp(self, state, token, position, cache):
        index = self.c["num_hidden_layers"]
        p = f"model.layers.{index}."
        e = self.norm(p + "enorm.weight", self.t["model.embed_tokens.weight"][token])
        x = self.linear(p + "eh_proj", torch.cat([e, self.norm(p + "hnorm.weight", state)]))
        return self.norm(p + "shared_head.norm.weight", self.layer(index, x, position, cache))


def mtp_golden(directory, tokens, golden):
    plain = PlainGlm(directory)
    head = plain.t["lm_head.weight"].T
    out = {k: torch.zeros(LISTS, POSITIONS - k, VOCAB) for k in (1, 2, 3)}
    for row, t in enumerate(tokens.tolist()):
        h = plain.trunk(t)
        assert difference(h @ head, golden[row]) < 3e-6
        cache = []
        for i in range(POSITIONS - 1):
            state = plain.mtp(h[i], t[i + 1], i, cache)
            out[1][row, i] = state @ head
            chain = list(cache)  # rows 0..i from true hidden states
            for k in (2, 3):
                if i + k < POSITIONS:
                    state = plain.mtp(state, t[i + k], i + k - 1, chain)
                    out[k][row, i] = state @ head
    check_mtp(directory, tokens, out)
    return {f"mtp_logits_{k}": v for k, v in out.items()}


def check_mtp(directory, tokens, out):
    """The same through transformers' MtpModel, which is handed its layer once and then the chain of one position."""
    from transformers.cache_utils import MtpCache
    from transformers.modeling_layers import MtpModel
    main = load(directory)
    main._keys_to_ignore_on_load_unexpected = [rf"model\.layers\.{main.config.num_hidden_layers}.*"]
    mtp = MtpModel.from_pretrained(main, dtype=torch.float32).eval()
    with torch.no_grad():
        h = main.model(tokens, use_cache=False).last_hidden_state
        for i in range(POSITIONS - 3):
            cache = MtpCache(config=main.config.get_mtp_config())
            positions = torch.arange(1, i + 2).expand(LISTS, -1)
            state = mtp.forward_layer(0, h[:, : i + 1], positions, cache, input_ids=tokens[:, 1 : i + 2])
            assert difference(mtp.shared_head(state), out[1][:, : i + 1]) < 3e-6
            for k in (2, 3):
                state = mtp.forward_layer(0, state[:, -1:], torch.full([LISTS, 1], i + k), cache,
                                          input_ids=tokens[:, i + k : i + k + 1])
                assert difference(mtp.shared_head(state)[:, 0], out[k][:, i]) < 3e-6


def make_case(name, c):
    directory = os.path.join(HERE, "models", name)
    for seed in itertools.count(1):  # the first seed without a near-tie
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        generator = torch.Generator().manual_seed(seed)
        memory = build(directory, c, generator)
        tokens = torch.randint(0, VOCAB, [LISTS, POSITIONS], generator=generator)
        with tempfile.TemporaryDirectory() as plain:
            readable = directory
            if c["affine"]:
                readable = plain
                save_plain(plain, json.load(open(os.path.join(directory, "config.json"))), dequantised_file(directory))
            model = load(readable)
            golden = {"tokens": tokens, "logits": logits_of(model, tokens)}
            assert torch.equal(golden["logits"], logits_of(memory, tokens)), name
            wide = logits_of(load(readable, torch.float64), tokens)
            noisy = logits_of(with_noise(load(readable), generator), tokens)
            if "glm4_moe_mtp" == name:
                golden |= mtp_golden(directory, tokens, golden["logits"])
            least = check_sensitivity(readable, model, tokens, golden["logits"], c)
        gap = min(margin(v) for k, v in golden.items() if k != "tokens")
        if gap > MARGIN and difference(golden["logits"], wide) < 3e-6 and difference(noisy, wide) < 1e-3:
            break
    save_file(golden, os.path.join(directory, "golden.safetensors"))
    for f in os.listdir(directory):
        os.chmod(os.path.join(directory, f), 0o644)
    size = sum(os.path.getsize(os.path.join(directory, f)) for f in os.listdir(directory))
    print(f"{name:20} {size:7} bytes, seed {seed}, top-2 margin >= {gap:.4f}, logits std {golden['logits'].std():.2f}, "
          f"float64 {difference(golden['logits'], wide):.1e}, least effect {least[0]:.1e} {least[1]}", flush=True)


def main():
    torch.set_num_threads(1)
    names = sys.argv[1:] or [*CASES, "affine"]
    for name in names:
        if name == "affine":
            make_affine(os.path.join(HERE, "affine"))
            os.chmod(os.path.join(HERE, "affine", "affine.safetensors"), 0o644)
        else:
            make_case(name, CASES[name])


if __name__ == "__main__":
    main()
