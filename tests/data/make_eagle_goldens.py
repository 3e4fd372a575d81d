#!/usr/bin/env python3
"""Writes tests/data/heads: tiny random EAGLE heads for tests/data/models/glm4_moe_mtp, and their logits.

    python tests/data/make_eagle_goldens.py      (needs numpy, safetensors, torch for bfloat16)

heads/<case>/{config.json, model.safetensors}   the head
heads/<case>/golden.safetensors   tokens int64 [positions], states float32 [positions, taps * hidden], logits_k

The states stand for what the head reads of the target; they are random, because the target's own are not what is
tested. Plain float64 of the published formulas (arXiv 2401.15077, 2503.01840), one row at a time, on the stored weights.
logits_k [positions - k, columns], row i: the k-th guess of the chain that starts at i and is fed the true tokens: its
first row reads states[i] and token i+1 after rows 0..i-1 of the same kind; every further row is at the next position and
reads what the row before carried on.
"""

import json
import os

import numpy as np
import torch
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "models", "glm4_moe_mtp")
VOCAB, HIDDEN, LAYERS, POSITIONS, STEPS = 96, 32, 2, 9, 3
HEADS, KV_HEADS, HEAD_DIM, WIDTH, EPS = 4, 2, 12, 24, 1e-5

LAYER = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM,
         "intermediate_size": WIDTH, "num_hidden_layers": 1, "rms_norm_eps": EPS, "vocab_size": VOCAB,
         "model_type": "llama"}
CASES = {
    # Some ids in no order, the target's embedding, a rope base of its own.
    "eagle3": dict(layer="midlayer", ids=24, theta=500.0,
                   config=LAYER | {"architectures": ["LlamaForCausalLMEagle3"], "draft_vocab_size": 24, "rope_theta": 500.0,
                                   "eagle_config": {"eagle_aux_hidden_state_layer_ids": [0, 1]}}),
    # The residual is normed, fc reads normed states, an embedding of its own, all ids; no rope base: 10000.
    "eagle3_speculators": dict(layer="layers.0", ids=0, theta=10000.0, own_embedding=True, norm_before_fc=True,
                               norm_before_residual=True,
                               config={"architectures": ["Eagle3DraftModel"], "speculators_model_type": "eagle3",
                                       "draft_vocab_size": VOCAB, "norm_before_fc": True, "target_hidden_size": HIDDEN,
                                       "eagle_aux_hidden_state_layer_ids": [1, 2], "transformer_layer_config": LAYER}),
    "eagle_bias": dict(layer="layers.0", eagle3=False, fc_bias=True, own_embedding=True, theta=10000.0, config=LAYER),
    "eagle_without_bias": dict(layer="layers.0", eagle3=False, qkv_bias=True, theta=1e6,
                               config=LAYER | {"rope_theta": 1e6, "bias": False}),
}


def norm(x, w):
    return x / np.sqrt(np.mean(x * x) + EPS) * w


def rotated(head, position, theta):
    half = HEAD_DIM // 2
    angle = position * theta ** (-np.arange(half) * 2 / HEAD_DIM)
    a, b = head[..., :half], head[..., half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


class Head:
    def __init__(self, case, tensors, target):
        self.case, self.w, self.target = case, tensors, target
        self.eagle3 = case.get("eagle3", True)
        own = "embed_tokens.weight"
        self.embedding = tensors[own] if own in tensors else target["model.embed_tokens.weight"]

    def layer(self, name):
        return self.w.get(f"{self.case['layer']}.{name}")

    def row(self, token, state, carried, position, cache):
        """(logits, what is carried on); appends keys and values to the cache."""
        e = self.embedding[token]
        if self.eagle3:
            g = state
            if not carried:
                g = self.w["fc.weight"] @ (norm(state, self.w["input_norm.weight"]) if "input_norm.weight" in self.w else state)
            x = np.concatenate([norm(e, self.layer("input_layernorm.weight")), norm(g, self.layer("hidden_norm.weight"))])
            residual = norm(g, self.layer("hidden_norm.weight")) if self.case.get("norm_before_residual") else g
        else:
            x = residual = self.w["fc.weight"] @ np.concatenate([e, state]) + self.w.get("fc.bias", 0)
        q, k, v = (self.layer(f"self_attn.{p}_proj.weight") @ x for p in "qkv")
        q, k, v = (t + (0 if b is None else b) for t, b in ((t, self.layer(f"self_attn.{p}_proj.bias")) for p, t in zip("qkv", (q, k, v))))
        q = rotated(q.reshape(HEADS, HEAD_DIM), position, self.case["theta"])
        cache.append((rotated(k.reshape(KV_HEADS, HEAD_DIM), position, self.case["theta"]), v.reshape(KV_HEADS, HEAD_DIM)))
        out = []
        for head in range(HEADS):
            kv = head // (HEADS // KV_HEADS)
            scores = np.array([keys[kv] @ q[head] for keys, _ in cache]) / np.sqrt(HEAD_DIM)
            p = np.exp(scores - scores.max())
            out.append(sum(a * values[kv] for a, (_, values) in zip(p / p.sum(), cache)))
        h = residual + self.layer("self_attn.o_proj.weight") @ np.concatenate(out)
        y = norm(h, self.layer("post_attention_layernorm.weight"))
        gate, up = self.layer("mlp.gate_proj.weight") @ y, self.layer("mlp.up_proj.weight") @ y
        h = h + self.layer("mlp.down_proj.weight") @ (gate / (1 + np.exp(-gate)) * up)
        logits = self.w["lm_head.weight"] @ norm(h, self.w["norm.weight"]) if self.eagle3 else self.target["lm_head.weight"] @ h
        return logits, h


def random_tensors(case, rng):
    def matrix(rows, columns):
        return torch.tensor(rng.normal(size=(rows, columns)) * 1.5 / np.sqrt(columns)).bfloat16()

    def vector(size, centre, spread=0.3):
        return torch.tensor(centre + spread * rng.normal(size=size)).bfloat16()

    eagle3, layer = case.get("eagle3", True), case["layer"]
    read = 2 * HIDDEN if eagle3 else HIDDEN
    tensors = {"fc.weight": matrix(HIDDEN, 2 * HIDDEN), f"{layer}.post_attention_layernorm.weight": vector(HIDDEN, 1)}
    for p, heads in zip("qkv", (HEADS, KV_HEADS, KV_HEADS)):
        tensors[f"{layer}.self_attn.{p}_proj.weight"] = matrix(heads * HEAD_DIM, read)
        if case.get("qkv_bias"):
            tensors[f"{layer}.self_attn.{p}_proj.bias"] = vector(heads * HEAD_DIM, 0)
    tensors[f"{layer}.self_attn.o_proj.weight"] = matrix(HIDDEN, HEADS * HEAD_DIM)
    for p in ("gate", "up"):
        tensors[f"{layer}.mlp.{p}_proj.weight"] = matrix(WIDTH, HIDDEN)
    tensors[f"{layer}.mlp.down_proj.weight"] = matrix(HIDDEN, WIDTH)
    if eagle3:
        for name in (f"{layer}.input_layernorm", f"{layer}.hidden_norm", "norm"):
            tensors[f"{name}.weight"] = vector(HIDDEN, 1)
        tensors["lm_head.weight"] = matrix(case["ids"] or VOCAB, HIDDEN)
    if case.get("norm_before_fc"):
        tensors["input_norm.weight"] = vector(2 * HIDDEN, 1)
    if case.get("fc_bias"):
        tensors["fc.bias"] = vector(HIDDEN, 0)
    if case.get("own_embedding"):
        tensors["embed_tokens.weight"] = matrix(VOCAB, HIDDEN)
    if case.get("ids"):
        ids = torch.tensor(rng.permutation(VOCAB)[: case["ids"]])
        tensors["d2t"] = ids - torch.arange(len(ids))
        tensors["t2d"] = torch.zeros(VOCAB, dtype=torch.bool).index_fill_(0, ids, True)
    return tensors


def floats(tensors):
    return {name: t.float().double().numpy() if t.is_floating_point() else t.numpy() for name, t in tensors.items()}


def main():
    target = floats(load_file(os.path.join(TARGET, "model.safetensors")))
    for number, (name, case) in enumerate(CASES.items()):
        rng = np.random.default_rng(20261129 + number)
        folder = os.path.join(HERE, "heads", name)
        os.makedirs(folder, exist_ok=True)
        tensors = random_tensors(case, rng)
        save_file(tensors, os.path.join(folder, "model.safetensors"))
        with open(os.path.join(folder, "config.json"), "w") as file:
            file.write(json.dumps(case["config"], indent=2) + "\n")
        head = Head(case, floats(tensors), target)
        taps = 2 if head.eagle3 else 1
        tokens = rng.integers(0, VOCAB, POSITIONS)
        states = rng.normal(size=(POSITIONS, taps * HIDDEN)).astype(np.float32)
        logits = [[] for _ in range(STEPS)]
        kept = []
        for i in range(POSITIONS - 1):
            cache = list(kept)
            state, carried = states[i].astype(np.float64), False
            for step in range(min(STEPS, POSITIONS - 1 - i)):
                out, state = head.row(tokens[i + 1 + step], state, carried, i + step, cache)
                carried = True
                logits[step].append(out)
                if step == 0:
                    kept = list(cache)
        golden = {"tokens": torch.tensor(tokens), "states": torch.tensor(states)}
        for step, rows in enumerate(logits):
            golden[f"logits_{step + 1}"] = torch.tensor(np.array(rows), dtype=torch.float32)
        save_file(golden, os.path.join(folder, "golden.safetensors"))
        print(name, {k: tuple(v.shape) for k, v in golden.items()})


main()
