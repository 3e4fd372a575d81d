"""demo-eagle3: an EAGLE-3 head (arXiv 2503.01840) as SpecForge stores it, its 4-bit grid, and the bytes it reads.

Per position i the head reads the embedding of token i+1 and a state: fc over three hidden states of the target, or what
the head itself made of the position before. It predicts token i+2.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

from model import Linear, RMSNorm, chained_attention, fake_quantize, rope_table, rotate
from quantize import dequantize, quantize

GRID = (4, 64)


@dataclasses.dataclass
class EagleShape:
    vocab: int = 4096
    hidden: int = 256
    heads: int = 8
    kv_heads: int = 8
    head_dim: int = 32
    intermediate: int = 1152
    draft_vocab: int = 3840
    taps: tuple = (3, 7, 11)  # the target's layers whose output is read
    bias: bool = True
    rotary: float = 1.0
    eps: float = 1e-5
    theta: float = 10000.0


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.q_proj = Linear(2 * s.hidden, s.heads * s.head_dim, s.bias)
        self.k_proj = Linear(2 * s.hidden, s.kv_heads * s.head_dim, s.bias)
        self.v_proj = Linear(2 * s.hidden, s.kv_heads * s.head_dim, s.bias)
        self.o_proj = Linear(s.heads * s.head_dim, s.hidden, s.bias, gain=0.3)


class MLP(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = Linear(s.hidden, s.intermediate)
        self.up_proj = Linear(s.hidden, s.intermediate)
        self.down_proj = Linear(s.intermediate, s.hidden, gain=0.3)


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = RMSNorm(s.hidden, s.eps)
        self.hidden_norm = RMSNorm(s.hidden, s.eps)
        self.self_attn = Attention(s)
        self.post_attention_layernorm = RMSNorm(s.hidden, s.eps)
        self.mlp = MLP(s)


class Eagle3(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.shape = s
        self.embed_tokens = nn.Embedding(s.vocab, s.hidden)
        self.fc = Linear(3 * s.hidden, s.hidden)
        self.midlayer = Layer(s)
        self.norm = RMSNorm(s.hidden, s.eps)
        self.lm_head = Linear(s.hidden, s.draft_vocab, gain=0.1)
        # Of the three states, so that fc trains on values of size 1; part of fc.weight when it is stored.
        self.register_buffer("tap_scale", torch.ones(3))
        self.as_stored = False  # its values are on the grid already

    def joining(self):
        return self.fc.weight * self.tap_scale.repeat_interleave(self.shape.hidden)

    def matrices(self, dtype):
        """Name without path -> values on the grid (straight-through)."""
        named = {name.split(".")[-2]: p for name, p in self.named_parameters() if p.dim() == 2}
        named["fc"] = self.joining()
        return {name: (w if self.as_stored else fake_quantize(w, *GRID)).to(dtype) for name, w in named.items()}

    def step(self, w, state, embedded, cos, sin, history, mask=None):
        """The next state, and normed for lm_head. w: matrices(); history: keys and values of the steps so far, this one's
        are appended; mask: chain_mask of the step, without it attention is dense."""
        layer = self.midlayer
        x = torch.cat([layer.input_layernorm(embedded), layer.hidden_norm(state)], -1)

        def linear(x, name):
            bias = getattr(layer.self_attn, name).bias
            return F.linear(x, w[name], None if bias is None else bias.to(x.dtype))

        q, k, v = (linear(x, name).unflatten(-1, (-1, self.shape.head_dim)) for name in ("q_proj", "k_proj", "v_proj"))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        history.append((k, v))
        y = chained_attention(q, history) if mask is None else masked_attention(q, history, mask)
        state = state + linear(y.flatten(2), "o_proj")
        x = layer.post_attention_layernorm(state)
        x = F.silu(F.linear(x, w["gate_proj"])) * F.linear(x, w["up_proj"])
        state = state + F.linear(x, w["down_proj"])
        return state, self.norm(state)

    @torch.no_grad()
    def forward(self, taps, tokens, steps):
        """Logits of every teacher-forced chained step. Step s (from 0) at base i reads token i+1+s, predicts i+2+s."""
        w = self.matrices(taps.dtype)
        bases = tokens.shape[1] - steps
        state, history = F.linear(taps[:, :bases], w["fc"]), []
        for s in range(steps):
            cos, sin = chain_rope(self.shape, s, bases, tokens.device)
            embedded = F.embedding(tokens[:, 1 + s : 1 + s + bases], w["embed_tokens"])
            state, said = self.step(w, state, embedded, cos, sin, history)
            yield F.linear(said, w["lm_head"])


def chain_rope(shape, step, bases, device):
    return rope_table(shape, torch.arange(step, step + bases, device=device)[None])


def chain_mask(step, bases):
    """What create_block_mask is told for the keys of all steps up to this one side by side: of the first step's, those up to
    the base, and the base's own of the others."""

    def visible(batch, head, q, k):
        return torch.where(k < bases, k <= q, k % bases == q)

    return visible, None, None, bases, (step + 1) * bases


def masked_attention(q, history, mask):
    k, v = (torch.cat(parts, 1).transpose(1, 2) for parts in zip(*history))
    y = flex_attention(q.transpose(1, 2), k, v, block_mask=mask, enable_gqa=k.shape[1] != q.shape[2])
    return y.transpose(1, 2)


def hidden_and_taps(target, tokens, layers, dtype=torch.bfloat16):
    """The target's states after its final norm, and the outputs of `layers` side by side."""
    cos, sin = rope_table(target.shape, torch.arange(tokens.shape[1], device=tokens.device)[None])
    x = F.embedding(tokens, target.embed_tokens).to(dtype)
    taps = []
    for i, layer in enumerate(target.layers):
        x, _ = layer(x, cos, sin)
        if i in layers:
            taps.append(x)
    return target.norm(x), torch.cat(taps, -1)


def export(head, head_ids):
    tensors = {}
    for name, value in head.state_dict().items():
        if name == "tap_scale":
            continue
        value = head.joining().detach() if name == "fc.weight" else value
        if value.dim() == 2:
            for part, tensor in zip(("weight", "scales", "biases"), quantize(value, *GRID)):
                tensors[name.removesuffix("weight") + part] = tensor.contiguous().cpu()
        else:
            tensors[name] = value.bfloat16().cpu()
    head_ids = head_ids.cpu()
    tensors["d2t"] = head_ids - torch.arange(len(head_ids))
    tensors["t2d"] = torch.zeros(head.shape.vocab, dtype=torch.bool).index_fill_(0, head_ids, True)
    return tensors


def restore(tensors, shape):
    """(head, target ids of its columns) as shipped."""
    head, values = Eagle3(shape), {"tap_scale": torch.ones(3)}
    for name in head.state_dict():
        path = name.removesuffix("weight")
        if path + "scales" in tensors:
            values[name] = dequantize(*(tensors[path + part] for part in ("weight", "scales", "biases")))
        elif name not in values:
            values[name] = tensors[name].float()
    head.load_state_dict(values)
    head.as_stored = True
    return head.eval(), tensors["d2t"] + torch.arange(len(tensors["d2t"]))


def config(shape, target, eos):
    quantization = {"group_size": GRID[1], "bits": GRID[0], "mode": "affine"}
    return {
        "architectures": ["LlamaForCausalLMEagle3"],
        "model_type": "llama",
        "vocab_size": target.vocab_size,
        "draft_vocab_size": shape.draft_vocab,
        "hidden_size": shape.hidden,
        "target_hidden_size": target.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": 1,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.theta,
        "rope_scaling": None,
        "max_position_embeddings": 2048,
        "attention_bias": shape.bias,
        "tie_word_embeddings": False,
        "bos_token_id": eos,
        "eos_token_id": eos,
        "torch_dtype": "bfloat16",
        "eagle_config": {"eagle_aux_hidden_state_layer_ids": list(shape.taps), "use_aux_hidden_state": True},
        "quantization": quantization,
        "quantization_config": quantization,
    }


def step_bytes(shape):
    """Bytes that one row reads when it joins states of the target: all of the head, and one row of its embedding."""
    h, q, kv = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    weights = 3 * h * h + 2 * h * (q + 2 * kv) + q * h + 3 * h * shape.intermediate + (shape.draft_vocab + 1) * h
    return weights * (GRID[0] / 8 + 4 / GRID[1]) + 4 * h * 2 + shape.bias * (q + 2 * kv + h) * 2
