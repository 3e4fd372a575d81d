"""Every architecture of issue 9 row by row in plain torch, float64: an independent implementation from the formulas.

It reads the checkpoint under its published names and the raw config.json with its own defaults, holds what a decoder
would keep between rows (keys and values, latents, convolution and recurrent states) and computes nothing in chunks.

What transformers 5.23.0 does and shared/reference/models.md does not say, or says otherwise:
  * gemma3 multiplies embeddings by sqrt(hidden) rounded to the dtype it runs in: here not at all. It reads
    attn_logit_softcapping and does nothing with it; only the class without vision applies final_logit_softcapping.
  * deepseek_v2 never normalises the chosen weights, whatever norm_topk_prob says.
  * first_k_dense_replace does nothing in glm4_moe_lite, whose mlp_layer_types default to one dense layer.
  * nemotron_h limits the Mamba step to time_step_min from below in scans of several rows, with fused kernels too, and
    in decoding one row not at all; all cases but nemotron_h_steps keep above it. attention_bias and mamba_proj_bias do nothing in it.
  * qwen3_next and qwen3_5 take partial_rotary_factor 0.25 when it is absent.
"""

import math
import re

import torch
from torch.nn.functional import gelu, silu, softplus

SIGMOID = ("glm4_moe", "glm4_moe_lite", "deepseek_v3", "kimi_k2", "deepseek_v32", "glm_moe_dsa", "nemotron_h")
GATED = ("qwen3_next", "qwen3_5", "qwen3_5_moe")
ACTIVATIONS = {"silu": silu, "relu": torch.relu, "gelu": gelu,
               "gelu_pytorch_tanh": lambda x: gelu(x, approximate="tanh")}
LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp",
           "linear_attention": "mamba", "full_attention": "attention"}


def gain(factor, m):
    return 0.1 * m * math.log(factor) + 1 if factor > 1 else 1.0


def frequencies(d, rope, context=None):
    """Inverse frequencies of d rotary dimensions and the multiplier of cos and sin."""
    theta, kind = rope["rope_theta"], rope.get("rope_type", rope.get("type", "default"))
    f = theta ** -(torch.arange(0, d, 2).double() / d)
    if kind == "linear":
        return f / rope["factor"], 1.0
    if kind in ("default", "dynamic"):  # within max_position_embeddings
        return f, 1.0
    if kind == "proportional":
        turning = torch.arange(d // 2) < int(rope.get("partial_rotary_factor", 1.0) * d // 2)
        return f * turning / rope.get("factor", 1.0), 1.0
    if kind == "longrope":  # within the original context
        factor = rope.get("factor") or context / rope["original_max_position_embeddings"]
        multiplier = (1 + math.log(factor) / math.log(rope["original_max_position_embeddings"])) ** 0.5
        return f / torch.tensor(rope["short_factor"]).double(), rope.get("attention_factor") or multiplier
    if kind == "llama3":
        old, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
        kept = ((old * f / (2 * math.pi) - low) / (high - low)).clamp(0, 1)
        return (1 - kept) * f / rope["factor"] + kept * f, 1.0
    assert kind == "yarn", kind
    old = rope["original_max_position_embeddings"]
    dim = lambda turns: d * math.log(old / (2 * math.pi * turns)) / (2 * math.log(theta))
    low, high = dim(rope.get("beta_fast") or 32), dim(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, d - 1)
    ramp = ((torch.arange(d // 2).double() - low) / (high - low if high != low else 0.001)).clamp(0, 1)
    m, all_dim = rope.get("mscale"), rope.get("mscale_all_dim")
    factor = gain(rope["factor"], m) / gain(rope["factor"], all_dim) if m and all_dim else gain(rope["factor"], 1)
    return f / rope["factor"] * ramp + f * (1 - ramp), rope.get("attention_factor") or factor


def rotate(x, position, frequency, interleaved=False):
    """x [..., dims], its first 2 * frequencies rotated: pairs (i, i + half), or (2i, 2i + 1) left in place."""
    f, multiplier = frequency
    cos, sin = (position * f).cos() * multiplier, (position * f).sin() * multiplier
    r, rest = x[..., : 2 * len(f)], x[..., 2 * len(f) :]
    a, b = (r[..., 0::2], r[..., 1::2]) if interleaved else (r[..., : len(f)], r[..., len(f) :])
    a, b = a * cos - b * sin, b * cos + a * sin
    return torch.cat([torch.stack([a, b], -1).flatten(-2) if interleaved else torch.cat([a, b], -1), rest], -1)


def attend(q, keys, values, scale, visible=None, sinks=None):
    """q [heads, d], keys and values lists of [kv_heads, d]; returns [heads * dv]."""
    k, v = (torch.stack(z, 1).repeat_interleave(q.shape[0] // z[0].shape[0], 0) for z in (keys, values))
    scores = torch.einsum("hd,hnd->hn", q, k) * scale
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    if sinks is not None:
        scores = torch.cat([scores, sinks[:, None]], 1)
    return torch.einsum("hn,hnd->hd", torch.softmax(scores, -1)[:, : len(keys)], v).flatten()


class Plain:
    def __init__(self, config, tensors):
        self.c = c = config.get("text_config", config)
        self.family = c["model_type"].removesuffix("_text")
        self.heads = c["num_attention_heads"]
        self.zero_centred = self.family in ("gemma3", *GATED)
        self.eps = c.get("rms_norm_eps", c.get("layer_norm_epsilon"))
        self.t = {}
        for name, tensor in tensors.items():
            name = re.sub(r"^(language_model\.model|model\.language_model|backbone|model)\.", "", name)
            self.t[name.removeprefix("language_model.")] = tensor.double()
        if self.family == "nemotron_h":
            kinds = c.get("layers_block_type") or c["hybrid_override_pattern"]
            self.kinds = [LETTERS.get(k, k) for k in kinds]
        self.layers = len(self.kinds) if self.family == "nemotron_h" else c["num_hidden_layers"]
        self.least_step = 0.0
        self.selected = {}  # position -> the indexer's latest selection, which shared layers take over

    # ---- settings

    def rope(self, kind=None):
        c, rope = self.c, self.c.get("rope_parameters")
        if self.family == "gemma3":
            if rope is None:
                rope = {"sliding_attention": {"rope_theta": c.get("rope_local_base_freq", 1e4)},
                        "full_attention": {"rope_theta": c.get("rope_theta", 1e6)} | (c.get("rope_scaling") or {})}
            return rope[kind]
        if rope is None:
            rope = {"rope_theta": c.get("rope_theta", 1e4)} | (c.get("rope_scaling") or {})
        return rope

    def layer_type(self, i):
        c = self.c
        if c.get("layer_types"):
            return c["layer_types"][i]
        if self.family == "gemma3":
            return "full_attention" if (i + 1) % c.get("sliding_window_pattern", 6) == 0 else "sliding_attention"
        if self.family == "gpt_oss":
            return "full_attention" if i % 2 else "sliding_attention"
        if self.family in GATED:
            return "full_attention" if (i + 1) % c.get("full_attention_interval", 4) == 0 else "linear_attention"
        window = c.get("sliding_window") and (self.family in ("mistral", "mixtral") or c.get("use_sliding_window"))
        return "sliding_attention" if window else "full_attention"

    # ---- pieces

    def norm(self, name, x, eps=None, plain=False):
        w = self.t[name + ".weight"]
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + (eps or self.eps))
        return x * (1 + w if self.zero_centred and not plain else w)

    def linear(self, name, x):
        y = self.t[name + ".weight"] @ x
        return y + self.t[name + ".bias"] if name + ".bias" in self.t else y

    def mlp(self, p, x):
        if self.family == "nemotron_h":
            return self.linear(p + "down_proj", torch.relu(self.linear(p + "up_proj", x)) ** 2)
        gate, up = self.linear(p + "gate_proj", x), self.linear(p + "up_proj", x)
        kind = "gelu_pytorch_tanh" if self.family == "gemma3" else self.c.get("hidden_act", "silu")
        return self.linear(p + "down_proj", ACTIVATIONS[kind](gate) * up)

    def gqa(self, p, x, position, cache, kind="full_attention"):
        c, family = self.c, self.family
        d = c.get("head_dim") or c["hidden_size"] // self.heads
        q, k, v = (self.linear(f"{p}{s}_proj", x) for s in "qkv")
        if family in GATED:
            q, gate = q.view(-1, 2, d).unbind(1)
        if family == "olmoe":
            q, k = self.norm(p + "q_norm", q), self.norm(p + "k_norm", k)
            if c.get("clip_qkv"):
                q, k, v = (z.clamp(-c["clip_qkv"], c["clip_qkv"]) for z in (q, k, v))
        q, k, v = (z.reshape(-1, d) for z in (q, k, v))
        if p + "q_norm.weight" in self.t and family != "olmoe":
            q, k = self.norm(p + "q_norm", q), self.norm(p + "k_norm", k)
        if family != "nemotron_h":
            rope = self.rope(kind)
            default = 0.25 if family in GATED else 1.0
            part = c.get("partial_rotary_factor", rope.get("partial_rotary_factor", default))
            part = 1.0 if rope.get("rope_type", rope.get("type")) == "proportional" else part
            f = frequencies(int(d * part), rope, c["max_position_embeddings"])
            q, k = rotate(q, position, f), rotate(k, position, f)
        cache["k"].append(k)
        cache["v"].append(v)
        visible = None
        if kind == "sliding_attention":
            visible = torch.arange(len(cache["k"])) > len(cache["k"]) - 1 - c["sliding_window"]
        scale = c.get("query_pre_attn_scalar", d) ** -0.5
        y = attend(q, cache["k"], cache["v"], scale, visible, self.t.get(p + "sinks"))
        if family in GATED:
            y = y * torch.sigmoid(gate.flatten())
        return self.linear(p + "o_proj", y)

    def mla(self, p, x, position, cache):
        c = self.c
        nope, rope, latent = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["kv_lora_rank"]
        f = frequencies(rope, self.rope())
        if c.get("q_lora_rank"):
            qr = self.norm(p + "q_a_layernorm", self.linear(p + "q_a_proj", x), 1e-6)
            q = self.linear(p + "q_b_proj", qr)
        else:
            q = self.linear(p + "q_proj", x)
        q = q.view(self.heads, nope + rope)
        kv = self.linear(p + "kv_a_proj_with_mqa", x)
        cache["latent"].append(self.norm(p + "kv_a_layernorm", kv[:latent], 1e-6))
        cache["k"].append(rotate(kv[latent:], position, f, interleaved=True))
        up = self.t[p + "kv_b_proj.weight"].view(self.heads, -1, latent)
        scale = (nope + rope) ** -0.5
        if self.rope().get("mscale_all_dim"):
            scale *= gain(self.rope()["factor"], self.rope()["mscale_all_dim"]) ** 2
        visible = None
        if self.family in ("deepseek_v32", "glm_moe_dsa"):
            if p + "indexer.wk.weight" in self.t:
                self.selected[position] = self.select(p + "indexer.", x, qr, position, f, cache)
            visible = torch.zeros(len(cache["k"]), dtype=torch.bool)
            visible[self.selected[position]] = True
        # Absorbed: the query in latent space, one key and one value of the latent's width for all heads.
        q = torch.cat([torch.einsum("hd,hdl->hl", q[:, :nope], up[:, :nope]),
                       rotate(q[:, nope:], position, f, interleaved=True)], -1)
        keys = [torch.cat(z)[None] for z in zip(cache["latent"], cache["k"])]
        y = attend(q, keys, [z[None] for z in cache["latent"]], scale, visible).view(self.heads, latent)
        return self.linear(p + "o_proj", torch.einsum("hl,hdl->hd", y, up[:, nope:]).flatten())

    def select(self, p, x, qr, position, f, cache):
        """Positions that the indexer lets this row see."""
        c, interleaved = self.c, self.family == "glm_moe_dsa"
        q = self.linear(p + "wq_b", qr).view(c["index_n_heads"], c["index_head_dim"])
        k = torch.nn.functional.layer_norm(self.t[p + "wk.weight"] @ x, [c["index_head_dim"]],
                                           self.t[p + "k_norm.weight"], self.t[p + "k_norm.bias"], 1e-6)
        cache["index"].append(rotate(k, position, f, interleaved))
        scores = torch.relu(rotate(q, position, f, interleaved) @ torch.stack(cache["index"]).T)
        scores = self.linear(p + "weights_proj", x) @ scores
        return scores.topk(min(c["index_topk"], len(scores))).indices

    def mamba(self, p, x, cache):
        c = self.c
        heads, hd, groups, n = c["mamba_num_heads"], c["mamba_head_dim"], c["n_groups"], c["ssm_state_size"]
        di = heads * hd
        z, xbc, dt = self.linear(p + "in_proj", x).split([di, di + 2 * groups * n, heads])
        xbc = self.convolve(p + "conv1d", xbc, cache)
        x, b, cc = xbc.split([di, groups * n, groups * n])
        x, b, cc = x.view(heads, hd), *(y.view(groups, n).repeat_interleave(heads // groups, 0) for y in (b, cc))
        dt = softplus(dt + self.t[p + "dt_bias"]).clamp(min=self.least_step)
        decay = torch.exp(-dt * self.t[p + "A_log"].exp())
        state = cache.get("state", torch.zeros(heads, hd, n).double()) * decay[:, None, None]
        cache["state"] = state = state + (dt[:, None] * x)[:, :, None] * b[:, None, :]
        y = torch.einsum("hdn,hn->hd", state, cc) + self.t[p + "D"][:, None] * x
        u = (y.flatten() * silu(z)).view(groups, -1)
        u = u * torch.rsqrt(u.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.linear(p + "out_proj", u.flatten() * self.t[p + "norm.weight"])

    def convolve(self, name, x, cache):
        w = self.t[name + ".weight"][:, 0]
        cache["conv"] = (cache.get("conv", [torch.zeros_like(x)] * w.shape[1]) + [x])[1:]
        y = (torch.stack(cache["conv"], 1) * w).sum(1)
        return silu(y + self.t.get(name + ".bias", 0))

    def delta(self, p, x, cache):
        c = self.c
        kh, vh, kd, vd = (c["linear_num_key_heads"], c["linear_num_value_heads"],
                          c["linear_key_head_dim"], c["linear_value_head_dim"])
        if p + "in_proj_qkvz.weight" in self.t:  # grouped by key head
            r = vh // kh
            q, k, v, z = self.linear(p + "in_proj_qkvz", x).view(kh, -1).split([kd, kd, r * vd, r * vd], -1)
            b, a = (y.flatten() for y in self.linear(p + "in_proj_ba", x).view(kh, 2, r).unbind(1))
            qkv, z = torch.cat([q.flatten(), k.flatten(), v.flatten()]), z.reshape(vh, vd)
        else:
            qkv, z, b, a = (self.linear(f"{p}in_proj_{s}", x) for s in ("qkv", "z", "b", "a"))
            z = z.view(vh, vd)
        q, k, v = self.convolve(p + "conv1d", qkv, cache).split([kh * kd, kh * kd, vh * vd])
        q, k = (y.view(kh, kd) * torch.rsqrt(y.view(kh, kd).pow(2).sum(-1, keepdim=True) + 1e-6) for y in (q, k))
        q, k = q.repeat_interleave(vh // kh, 0) * kd**-0.5, k.repeat_interleave(vh // kh, 0)
        decay = torch.exp(-self.t[p + "A_log"].exp() * softplus(a + self.t[p + "dt_bias"]))
        state = cache.get("state", torch.zeros(vh, kd, vd).double()) * decay[:, None, None]
        error = torch.sigmoid(b)[:, None] * (v.view(vh, vd) - torch.einsum("hkv,hk->hv", state, k))
        cache["state"] = state = state + k[:, :, None] * error[:, None, :]
        y = self.norm(p + "norm", torch.einsum("hkv,hk->hv", state, q), plain=True) * silu(z)
        return self.linear(p + "out_proj", y.flatten())

    # ---- experts

    def moe(self, p, x):
        c, family = self.c, self.family
        router = "router" if family == "gpt_oss" else "gate"
        k, logits = c["num_experts_per_tok"], self.linear(p + router, x)
        if family == "gpt_oss":
            top, chosen = logits.topk(k)
            weights = torch.softmax(top, -1)
        elif family in SIGMOID:
            weights, chosen = self.choose_sigmoid(p, logits, k)
        else:
            scores = torch.softmax(logits, -1)
            if c.get("topk_method") == "group_limited_greedy":
                scores = keep_groups(scores, c["n_group"], c["topk_group"], lambda g: g.max(-1).values, 0.0)
            weights, chosen = scores.topk(k)
            if family in ("mixtral", "qwen3_5_moe") or (c.get("norm_topk_prob") and family != "deepseek_v2"):
                weights = weights / weights.sum()
            weights = weights * c.get("routed_scaling_factor", 1.0)
        z = self.linear(p + "fc1_latent_proj", x) if c.get("moe_latent_size") else x
        y = sum(w * self.expert(p + "experts", e, z) for w, e in zip(weights, chosen.tolist()))
        y = self.linear(p + "fc2_latent_proj", y) if c.get("moe_latent_size") else y
        if p + "shared_expert_gate.weight" in self.t:
            y = y + torch.sigmoid(self.linear(p + "shared_expert_gate", x)) * self.mlp(p + "shared_expert.", x)
        if p + "shared_experts.up_proj.weight" in self.t:
            y = y + self.mlp(p + "shared_experts.", x)
        return y

    def choose_sigmoid(self, p, logits, k):
        c, scores = self.c, torch.sigmoid(logits)
        choice = scores + self.t[p + "gate.e_score_correction_bias"]
        choice = keep_groups(choice, c.get("n_group", 1), c.get("topk_group", 1),
                             lambda g: g.topk(2, -1).values.sum(-1), -math.inf)
        chosen = choice.topk(k).indices
        weights = scores[chosen]
        if c.get("norm_topk_prob", True):
            weights = weights / (weights.sum() + 1e-20)
        return weights * c["routed_scaling_factor"], chosen

    def expert(self, p, e, x):
        if f"{p}.{e}.w1.weight" in self.t:
            t = {n: self.t[f"{p}.{e}.{n}.weight"] for n in ("w1", "w2", "w3")}
            return t["w2"] @ (silu(t["w1"] @ x) * (t["w3"] @ x))
        if self.family == "gpt_oss":
            c, h = self.c, x @ self.t[p + ".gate_up_proj"][e] + self.t[p + ".gate_up_proj_bias"][e]
            gate, up = h[0::2].clamp(max=c["swiglu_limit"]), h[1::2].clamp(-c["swiglu_limit"], c["swiglu_limit"])
            h = (up + 1) * gate * torch.sigmoid(c.get("swiglu_alpha", 1.702) * gate)
            return h @ self.t[p + ".down_proj"][e] + self.t[p + ".down_proj_bias"][e]
        if p + ".up_proj" in self.t:
            return self.t[p + ".down_proj"][e] @ torch.relu(self.t[p + ".up_proj"][e] @ x) ** 2
        if p + ".gate_up_proj" in self.t:
            gate, up = (self.t[p + ".gate_up_proj"][e] @ x).chunk(2)
            return self.t[p + ".down_proj"][e] @ (silu(gate) * up)
        return self.mlp(f"{p}.{e}.", x)

    # ---- layers

    def layer(self, i, x, position, cache, p=None, kind=None):
        """One row x [hidden] through layer i (or the layer named p); what it keeps goes to cache."""
        p, kind = p or f"layers.{i}.", kind or (None if self.family == "nemotron_h" else self.layer_type(i))
        for part in ("k", "v", "latent", "index"):
            cache.setdefault(part, [])
        if self.family == "nemotron_h":
            return self.mixer(p, self.kinds[i], x, position, cache)
        n = self.norm(p + "input_layernorm", x)
        if "kv_lora_rank" in self.c:
            y = self.mla(p + "self_attn.", n, position, cache)
        elif kind == "linear_attention":
            y = self.delta(p + "linear_attn.", n, cache)
        else:
            y = self.gqa(p + "self_attn.", n, position, cache, kind)
        m = p + ("block_sparse_moe." if p + "block_sparse_moe.gate.weight" in self.t else "mlp.")
        ffn = self.moe if m + "gate.weight" in self.t or m + "router.weight" in self.t else self.mlp
        if self.family == "gemma3":
            x = x + self.norm(p + "post_attention_layernorm", y)
            y = ffn(m, self.norm(p + "pre_feedforward_layernorm", x))
            return x + self.norm(p + "post_feedforward_layernorm", y)
        x = x + y
        return x + ffn(m, self.norm(p + "post_attention_layernorm", x))

    def mixer(self, p, kind, x, position, cache):
        n, m = self.norm(p + "norm", x), p + "mixer."
        if kind == "mamba":
            return x + self.mamba(m, n, cache)
        if kind == "attention":
            return x + self.gqa(m, n, position, cache)
        return x + (self.moe if kind == "moe" else self.mlp)(m, n)

    def embed(self, token):
        x = self.t["embeddings.weight" if self.family == "nemotron_h" else "embed_tokens.weight"][token]
        return x * self.c["hidden_size"] ** 0.5 if self.family == "gemma3" else x

    def trunk(self, tokens):
        """Hidden states after the final norm, [positions, hidden]."""
        rows = [self.embed(t) for t in tokens]
        for i in range(self.layers):
            cache = {}
            rows = [self.layer(i, x, position, cache) for position, x in enumerate(rows)]
        name = "norm_f" if self.family == "nemotron_h" else "norm"
        return torch.stack([self.norm(name, x) for x in rows])

    def head(self, rows):
        logits = rows @ self.t.get("lm_head.weight", self.t.get("embed_tokens.weight")).T
        cap = self.c.get("final_logit_softcapping")
        return torch.tanh(logits / cap) * cap if cap else logits

    def mtp(self, state, token, position, cache):
        """One draft step: the state after the MTP norm, and before it."""
        e = self.embed(token)
        cache.setdefault("own", {})
        if self.family in ("qwen3_5", "qwen3_5_moe"):
            joined = [self.norm("mtp.pre_fc_norm_embedding", e), self.norm("mtp.pre_fc_norm_hidden", state)]
            x = self.linear("mtp.fc", torch.cat(joined))
            raw = self.layer(None, x, position, cache["own"], "mtp.layers.0.", "full_attention")
            return self.norm("mtp.norm", raw), raw
        first = "mtp.layers.0." if self.family == "nemotron_h" else f"layers.{self.layers}."
        joined = [self.norm(first + "enorm", e), self.norm(first + "hnorm", state)]
        x = self.linear(first + "eh_proj", torch.cat(joined))
        if self.family == "nemotron_h":
            for part in ("k", "v"):
                cache["own"].setdefault(part, [])
            raw = self.mixer("mtp.layers.1.", "moe", self.mixer(first, "attention", x, position, cache["own"]), 0, {})
            return self.norm("mtp.layers.1.final_layernorm", raw), raw
        raw = self.layer(self.layers, x, position, cache["own"], kind="full_attention")
        return self.norm(first + "shared_head.norm", raw), raw


def keep_groups(scores, groups, kept, score, masked):
    """Scores with those of all but the best groups replaced."""
    if groups is None or groups == 1:
        return scores
    by_group = scores.view(groups, -1)
    best = score(by_group).topk(kept).indices
    out = torch.full_like(by_group, masked)
    out[best] = by_group[best]
    return out.flatten()


def copied(cache):
    """A cache whose lists can grow without changing the original's."""
    return {k: copied(v) if isinstance(v, dict) else list(v) for k, v in cache.items()}


def mtp_drafts(plain, tokens, trunk, steps=(1, 2, 3), normed=True):
    """{k: [positions - k, vocab]}: the k-th draft of the chain that starts at each position, fed with the true tokens.

    normed: the state carried from step to step, and that of the trunk is after the final norm in any case, is the one
    after the MTP norm; otherwise the one before it.
    """
    out, cache = {k: [] for k in steps}, {}
    for i in range(len(tokens) - 1):
        state, raw = plain.mtp(trunk[i], tokens[i + 1], i, cache)
        out[1].append(plain.head(state))
        chain = copied(cache)  # rows 0..i from true hidden states
        for k in steps[1:]:
            if i + k < len(tokens):
                state, raw = plain.mtp(state if normed else raw, tokens[i + k], i + k - 1, chain)
                out[k].append(plain.head(state))
    return {k: torch.stack(v) for k, v in out.items()}
