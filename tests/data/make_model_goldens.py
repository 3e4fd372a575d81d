#!/usr/bin/env python3
"""Writes tests/data/models and tests/data/affine: tiny random checkpoints and the logits transformers gives for them.

    python tests/data/make_model_goldens.py [case ...]      (no names: everything)

Needs torch, transformers >= 5.23, safetensors, numpy and mlx (CPU builds suffice). Everything is seeded.

models/<case>/{config.json, model*.safetensors}   the checkpoint
models/<case>/golden.safetensors   tokens int64 [lists, positions], logits float32 [lists, positions, vocab]

The logits are those of the checkpoint AS READ BACK FROM DISK, weights upcast to float32, eager attention, float32
throughout. For the affine_* cases (MLX layout) the weights are mx.dequantize of the packed tensors with scales and
biases upcast to float32 first; for gpt_oss_mxfp4 they are those of the dequantised experts. For every case the script
fails, or tries the next seed, unless
  * the reloaded logits equal those of the model in memory, agree with a float64 run and, loosely, with one whose
    embedding is disturbed by 1e-5 (no near-tie in the choice of experts or of the indexer),
  * model_goldens/plain.py, which reads the files by itself and works row by row in float64, agrees within 3e-6,
  * the top two logits of every row differ by MARGIN, so that the greedy token is not ambiguous,
  * each norm weight, bias, correction bias, sink, A_log and D, and each setting in `matters`, changes the logits when
    removed, and no setting in `same` does.

nemotron_h_steps, whose steps are smaller than time_step_min: logits are those of decoding token by token, which does not
lengthen steps, and lengthened_logits those of the whole text at once, which does.

*_mtp: with multi-token prediction. With h the trunk's hidden states AFTER the final norm, t the tokens, n = positions:
  step 1, row i = 0..n-2: x_i = eh_proj [enorm(embed(t_{i+1})) ; hnorm(h_i)], then the decoder layer (causal over rows,
     RoPE position i), y_i = shared_head.norm(output), mtp_logits_1[:, i] = lm_head(y_i), so it predicts t_{i+2}.
  step 2 of the chain at i: to the keys and values of rows 0..i of step 1 (true hidden states) one row is appended at
     RoPE position i+1: x = eh_proj [enorm(embed(t_{i+2})) ; hnorm(y_i)]; y' = shared_head.norm(output);
     mtp_logits_2[:, i] = lm_head(y'). Rows i+1.. of step 1 take no part.
  step 3: one more row, RoPE position i+2, token t_{i+3}, carried state y': mtp_logits_3[:, i].
mtp_logits_k is [lists, n-k, vocab]: row i is the k-th draft of the chain that starts at position i, fed with the true
tokens. Made by model_goldens/plain.py; glm4_moe_mtp and deepseek_v3_mtp are checked against transformers' own MtpModel
(which numbers the RoPE positions from 1 instead of 0; RoPE is relative, so the results agree).
  glm4_moe, glm4_moe_lite, deepseek_v3, deepseek_v32, glm_moe_dsa: layer num_hidden_layers; with an indexer every row of
  every step asks it. deepseek_v3 and deepseek_v32 also have mtp_raw_logits_2 and _3, as some engines do it: the output
  before shared_head.norm is carried.
  qwen3_5_moe: mtp.pre_fc_norm_embedding and _hidden, mtp.fc, mtp.layers.0, and mtp.norm in place of shared_head.norm.
  nemotron_h: mtp.layers.0 (enorm, hnorm, eh_proj, attention), mtp.layers.1 (experts), its final_layernorm.
"""

import itertools
import os
import shutil
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

from model_goldens.affine import dequantised_file, make_affine, save_plain
from model_goldens.cases import CASES, VOCAB
from model_goldens.checkpoints import build, is_zero_centred, load, mxfp4_dequantised, raw_config
from model_goldens.plain import Plain, mtp_drafts

HERE = os.path.dirname(os.path.abspath(__file__))
MARGIN, EFFECT = 5e-3, 2e-3
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


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


def neutral(name, model_type):
    """The value that takes a parameter out of the computation, or None for one that is always needed."""
    if name.endswith("sinks"):
        return -1e4
    if name.endswith(("bias", "_bias", "A_log", ".D")):
        return 0.0
    if "norm" in name:
        return 0.0 if is_zero_centred(name, model_type) else 1.0
    return None


def least_effect(directory, model, tokens, golden, c):
    """The norm, bias or named setting that matters least, all of which must, and how much it does."""
    least = (9.0, "")
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        value = neutral(name, model.config.get_text_config().model_type)
        if value is None or any(part in name for part in ("vision", "visual", "projector")):
            continue
        saved = tensor.detach().clone()
        tensor.data.fill_(value)
        least = min(least, (difference(logits_of(model, tokens), golden), name))
        tensor.data.copy_(saved)
    for overrides in c["matters"]:
        changed = difference(logits_of(load(directory, c, **overrides), tokens), golden)
        least = min(least, (changed, str(overrides)))
    for overrides in c["same"]:
        assert difference(logits_of(load(directory, c, **overrides), tokens), golden) < 1e-6, overrides
    return least


def plain_of(directory):
    tensors = {}
    for file in os.listdir(directory):
        if file.startswith("model") and file.endswith(".safetensors"):
            tensors |= load_file(os.path.join(directory, file))
    return Plain(raw_config(directory), mxfp4_dequantised(tensors))


def decoded_logits(directory, c, tokens):
    """Logits of a text that is read token by token into a cache; the first with open limits, too."""
    model = load(directory, c)
    for module in model.modules():
        if hasattr(module, "time_step_limit"):
            module.time_step_limit = (0.0, float("inf"))
    with torch.no_grad():
        rows, cache = [], None
        for token in tokens.unbind(1):
            out = model(token[:, None], past_key_values=cache, use_cache=True)
            rows, cache = rows + [out.logits], out.past_key_values
    return torch.cat(rows, 1)


def plain_goldens(directory, c, tokens, golden, least_step=0.0):
    """Checks the logits by another implementation, which also makes the goldens of multi-token prediction."""
    plain, out = plain_of(directory), {}
    plain.least_step = least_step
    for row, t in enumerate(tokens.tolist()):
        h = plain.trunk(t)
        error = difference(plain.head(h), golden[row])
        assert error < 3e-6, error
        if c["mtp"]:
            for k, v in mtp_drafts(plain, t, h).items():
                out.setdefault(f"mtp_logits_{k}", []).append(v)
            if plain.family.startswith("deepseek_v3"):
                for k, v in mtp_drafts(plain, t, h, normed=False).items():
                    out.setdefault(f"mtp_raw_logits_{k}", []).append(v)
    if c["mtp"] and mtp_effect(plain, t, h, out["mtp_logits_1"][-1]) < EFFECT:
        return {"unsuitable": torch.zeros(2)}  # without a margin
    out.pop("mtp_raw_logits_1", None)  # the first step is the same
    return {k: torch.stack(v).float() for k, v in out.items()}


def mtp_effect(plain, tokens, trunk, golden):
    """The least effect of a norm or bias of the predicting layer when it is removed."""
    effects = []
    for name, saved in list(plain.t.items()):
        value = neutral(name, plain.family)
        if name.startswith(("mtp.", f"layers.{plain.layers}.")) and value is not None:
            plain.t[name] = torch.full_like(saved, value)
            effects.append(difference(mtp_drafts(plain, tokens, trunk, steps=(1,))[1], golden))
            plain.t[name] = saved
    return min(effects)


def check_mtp(directory, c, tokens, out):
    """The same through transformers' MtpModel, which is handed its layer once and then the chain of one position."""
    from transformers.cache_utils import MtpCache
    from transformers.modeling_layers import MtpModel
    main = load(directory, c)
    main._keys_to_ignore_on_load_unexpected = [rf"model\.layers\.{main.config.num_hidden_layers}.*"]
    mtp = MtpModel.from_pretrained(main, dtype=torch.float32).eval()
    with torch.no_grad():
        h = main.model(tokens, use_cache=False).last_hidden_state
        for i in range(tokens.shape[1] - 3):
            cache = MtpCache(config=main.config.get_mtp_config())
            positions = torch.arange(1, i + 2).expand(c["lists"], -1)
            state = mtp.forward_layer(0, h[:, : i + 1], positions, cache, input_ids=tokens[:, 1 : i + 2])
            assert difference(mtp.shared_head(state), out["mtp_logits_1"][:, : i + 1]) < 3e-6
            for k in (2, 3):
                state = mtp.forward_layer(0, state[:, -1:], torch.full([c["lists"], 1], i + k), cache,
                                          input_ids=tokens[:, i + k : i + k + 1])
                assert difference(mtp.shared_head(state)[:, 0], out[f"mtp_logits_{k}"][:, i]) < 3e-6


def make_case(name, c):
    directory = os.path.join(HERE, "models", name)
    for seed in itertools.count(1):  # the first seed without a near-tie
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        generator = torch.Generator().manual_seed(seed)
        memory = build(directory, c, generator)
        tokens = torch.randint(0, VOCAB, [c["lists"], c["positions"]], generator=generator)
        with tempfile.TemporaryDirectory() as plain:
            readable = directory
            if c["affine"]:
                readable = plain
                save_plain(plain, raw_config(directory), dequantised_file(directory))
            model = load(readable, c)
            golden = {"tokens": tokens, "logits": logits_of(model, tokens)}
            assert torch.equal(golden["logits"], logits_of(memory, tokens)), name
            wide = logits_of(load(readable, c, torch.float64), tokens)
            noisy = logits_of(with_noise(load(readable, c), generator), tokens)
            rounded = difference(golden["logits"], wide)
            if rounded > 3e-6 or difference(noisy, wide) > 1e-3:
                continue
            if margin(golden["logits"]) > MARGIN:
                least_step = model.config.time_step_min if c["small_steps"] else 0.0
                golden |= plain_goldens(readable, c, tokens, golden["logits"], least_step)
            gap = min(margin(v) for k, v in golden.items() if k != "tokens")
            if gap > MARGIN:
                least = least_effect(readable, model, tokens, golden["logits"], c)
                if least[0] > EFFECT:
                    break
                assert seed < 20, (name, least)
    if c["small_steps"]:
        golden = golden | {"lengthened_logits": golden["logits"], "logits": decoded_logits(directory, c, tokens)}
        plain_goldens(directory, c, tokens, golden["logits"])
        assert margin(golden["logits"]) > MARGIN
    if name in ("glm4_moe_mtp", "deepseek_v3_mtp"):
        check_mtp(directory, c, tokens, golden)
    save_file(golden, os.path.join(directory, "golden.safetensors"))
    for f in os.listdir(directory):
        os.chmod(os.path.join(directory, f), 0o644)
    size = sum(os.path.getsize(os.path.join(directory, f)) for f in os.listdir(directory))
    print(f"{name:20} {size:7} bytes, seed {seed}, top-2 margin >= {gap:.4f}, logits std {golden['logits'].std():.2f}, "
          f"float64 {rounded:.1e}, least effect {least[0]:.1e} {least[1]}", flush=True)


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
