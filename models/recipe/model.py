"""The PyTorch models: glm4_moe with its MTP layer, and the dense qwen3 draft.

Module names are those of the Hugging Face checkpoints, except that experts are stacked (gate and up in one tensor).
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass
class Shape:
    vocab_size: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    head_dim: int = 32
    rotary: float = 0.5
    bias: bool = True
    experts: int = 0
    top_k: int = 0
    expert_width: int = 0
    dense_layers: int = 0
    routed_scale: float = 2.5
    eps: float = 1e-5
    theta: float = 10000.0


MOE = Shape(4096, 256, 12, 8, 4, 640, experts=64, top_k=6, expert_width=64, dense_layers=1)
DRAFT = Shape(4096, 128, 4, 4, 2, 384, rotary=1.0, bias=False)
DRAFT_SPM = dataclasses.replace(DRAFT, vocab_size=3072)


class Linear(nn.Module):
    def __init__(self, inputs, outputs, bias=False, gain=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * gain / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight.to(x.dtype) * y.to(x.dtype)


def rope_table(shape, positions):
    size = int(shape.head_dim * shape.rotary)
    frequency = shape.theta ** (-torch.arange(0, size, 2, device=positions.device).float() / size)
    angle = positions.float()[..., None] * frequency
    return torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()


def rotate(x, cos, sin):
    """Half-split rotation of the first dimensions of x [batch, position, head, head_dim]."""
    size = cos.shape[-1]
    r = x[..., :size].float()
    a, b = r.chunk(2, -1)
    r = r * cos[..., None, :] + torch.cat([-b, a], -1) * sin[..., None, :]
    return torch.cat([r.to(x.dtype), x[..., size:]], -1)


def chained_attention(q, history):
    """q [batch, position, head, head_dim] over history[0] up to its own position, and over its own position in the rest."""
    heads, kv_heads, head_dim = q.shape[2], *history[0][0].shape[2:]
    q = q.unflatten(2, (kv_heads, heads // kv_heads)) * head_dim**-0.5
    length = q.shape[1]
    scores = torch.einsum("bikgd,bjkd->bkgij", q, history[0][0])
    future = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
    scores = scores.masked_fill(future, float("-inf"))
    own = [torch.einsum("bikgd,bikd->bkgi", q, keys)[..., None] for keys, _ in history[1:]]
    p = torch.cat([scores, *own], -1).float().softmax(-1).to(q.dtype)
    y = torch.einsum("bkgij,bjkd->bikgd", p[..., :length], history[0][1])
    for step, (_, values) in enumerate(history[1:]):
        y = y + torch.einsum("bkgi,bikd->bikgd", p[..., length + step], values)
    return y.flatten(2, 3)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = s.heads, s.kv_heads, s.head_dim
        self.q_proj = Linear(s.hidden, s.heads * s.head_dim, s.bias)
        self.k_proj = Linear(s.hidden, s.kv_heads * s.head_dim, s.bias)
        self.v_proj = Linear(s.hidden, s.kv_heads * s.head_dim, s.bias)
        self.o_proj = Linear(s.heads * s.head_dim, s.hidden, gain=0.3)
        self.q_norm = RMSNorm(s.head_dim, s.eps)
        self.k_norm = RMSNorm(s.head_dim, s.eps)

    def qkv(self, x, cos, sin):
        split = (*x.shape[:2], -1, self.head_dim)
        q = rotate(self.q_norm(self.q_proj(x).view(split)), cos, sin)
        k = rotate(self.k_norm(self.k_proj(x).view(split)), cos, sin)
        return q, k, self.v_proj(x).view(split)

    def forward(self, x, cos, sin):
        q, k, v = (t.transpose(1, 2) for t in self.qkv(x, cos, sin))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def cached(self, x, cos, sin, keys, values, length):
        """One position per row; keys and values [batch, kv head, capacity, head_dim] are extended in place."""
        q, k, v = (t.transpose(1, 2) for t in self.qkv(x, cos, sin))
        keys[:, :, length : length + 1] = k
        values[:, :, length : length + 1] = v
        k, v = keys[:, :, : length + 1], values[:, :, : length + 1]
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def chained(self, x, cos, sin, history):
        """Attention of a chained MTP step: the first step's keys up to the base position, then the base's own drafts.

        history holds (k, v) of the steps so far; the entry of this step is appended.
        """
        q, k, v = self.qkv(x, cos, sin)
        history.append((k, v))
        return self.o_proj(chained_attention(q, history).flatten(2))


class MLP(nn.Module):
    def __init__(self, hidden, width):
        super().__init__()
        self.gate_proj = Linear(hidden, width)
        self.up_proj = Linear(hidden, width)
        self.down_proj = Linear(width, hidden, gain=0.3)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Dispatch(torch.autograd.Function):
    """Rows of x repeated for their experts, sorted by expert; the gradient is a gather and a sum, not a scatter."""

    @staticmethod
    def forward(ctx, x, order, inverse, top_k):
        ctx.save_for_backward(order, inverse)
        ctx.top_k = top_k
        return x[order // top_k]

    @staticmethod
    def backward(ctx, grad):
        _, inverse = ctx.saved_tensors
        return grad[inverse].unflatten(0, (-1, ctx.top_k)).sum(1), None, None, None


class Combine(torch.autograd.Function):
    """The inverse of Dispatch: sums the expert outputs of each row."""

    @staticmethod
    def forward(ctx, y, order, inverse, top_k):
        ctx.save_for_backward(order, inverse)
        ctx.top_k = top_k
        return y[inverse].unflatten(0, (-1, top_k)).sum(1)

    @staticmethod
    def backward(ctx, grad):
        order, _ = ctx.saved_tensors
        return grad[order // ctx.top_k], None, None, None


class Permute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, order, inverse):
        ctx.save_for_backward(inverse)
        return x[order]

    @staticmethod
    def backward(ctx, grad):
        return grad[ctx.saved_tensors[0]], None, None


def fake_quantize(w, bits=4, group=32):
    """Straight-through estimate of the affine grid that quantize.py writes."""
    g = w.detach().unflatten(-1, (-1, group))
    low, high = g.amin(-1, keepdim=True), g.amax(-1, keepdim=True)
    scale = ((high - low) / (2**bits - 1)).clamp_min(1e-8).bfloat16().float()
    bias = low.bfloat16().float()
    q = ((g - bias) / scale).round().clamp(0, 2**bits - 1)
    return w + ((q * scale + bias).flatten(-2) - w.detach())


class MoE(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.top_k, self.scale = s.top_k, s.routed_scale
        self.gate = nn.Parameter(torch.randn(s.experts, s.hidden) / math.sqrt(s.hidden))
        self.register_buffer("correction", torch.zeros(s.experts))
        self.gate_up = nn.Parameter(torch.randn(s.experts, 2 * s.expert_width, s.hidden) / math.sqrt(s.hidden))
        self.down = nn.Parameter(0.3 * torch.randn(s.experts, s.hidden, s.expert_width) / math.sqrt(s.expert_width))
        self.shared_experts = MLP(s.hidden, s.expert_width)
        self.fake_quant = False

    def route(self, x):
        scores = F.linear(x.float(), self.gate).sigmoid()
        chosen = (scores.detach() + self.correction).topk(self.top_k, -1, sorted=False).indices
        weights = scores.gather(-1, chosen)
        return chosen, weights / (weights.sum(-1, keepdim=True) + 1e-20) * self.scale

    def forward(self, x):
        """Returns the output and the number of rows that chose each expert."""
        rows = x.flatten(0, -2)
        chosen, weights = self.route(rows)
        experts = self.gate.shape[0]
        counts = (chosen.flatten()[:, None] == torch.arange(experts, device=x.device)).sum(0)
        ends = counts.cumsum(0).to(torch.int32)
        order = chosen.flatten().to(torch.uint8).sort(stable=True).indices
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=x.device))
        gate_up, down = self.gate_up, self.down
        if self.fake_quant:
            gate_up, down = fake_quantize(gate_up), fake_quantize(down)
        h = Dispatch.apply(rows, order, inverse, self.top_k)
        h = grouped_mm(h, gate_up.to(x.dtype).transpose(1, 2), ends)
        gate, up = h.chunk(2, -1)
        h = F.silu(gate) * up * Permute.apply(weights.flatten(), order, inverse).to(x.dtype)[:, None]
        h = grouped_mm(h, down.to(x.dtype).transpose(1, 2), ends)
        y = Combine.apply(h, order, inverse, self.top_k).view_as(x)
        return y + self.shared_experts(x), counts


def grouped_mm(x, weight, ends):
    if x.dtype == torch.bfloat16:
        return torch._grouped_mm(x, weight, offs=ends)
    starts = [0, *ends.tolist()]
    return torch.cat([x[starts[e] : starts[e + 1]] @ weight[e] for e in range(len(weight))])


class Layer(nn.Module):
    def __init__(self, s, moe):
        super().__init__()
        self.self_attn = Attention(s)
        self.mlp = MoE(s) if moe else MLP(s.hidden, s.intermediate)
        self.input_layernorm = RMSNorm(s.hidden, s.eps)
        self.post_attention_layernorm = RMSNorm(s.hidden, s.eps)
        self.moe = moe
        self.dropout = 0.0

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def feed(self, x):
        y = self.mlp(self.post_attention_layernorm(x))
        return (x + self.drop(y[0]), y[1]) if self.moe else (x + self.drop(y), None)

    def forward(self, x, cos, sin):
        return self.feed(x + self.drop(self.self_attn(self.input_layernorm(x), cos, sin)))

    def cached(self, x, cos, sin, keys, values, length):
        return self.feed(x + self.self_attn.cached(self.input_layernorm(x), cos, sin, keys, values, length))[0]


class Model(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.shape = s
        self.embed_tokens = nn.Parameter(0.5 * torch.randn(s.vocab_size, s.hidden))
        self.layers = nn.ModuleList(Layer(s, s.experts > 0 and i >= s.dense_layers) for i in range(s.layers))
        self.norm = RMSNorm(s.hidden, s.eps)
        self.lm_head = Linear(s.hidden, s.vocab_size, gain=0.1)

    def hidden(self, tokens, dtype=torch.bfloat16):
        """States after the final norm, and per MoE layer the load of its experts."""
        cos, sin = rope_table(self.shape, torch.arange(tokens.shape[1], device=tokens.device)[None])
        x = F.embedding(tokens, self.embed_tokens).to(dtype)
        loads = []
        for layer in self.layers:
            x, load = layer(x, cos, sin)
            if load is not None:
                loads.append(load)
        return self.norm(x), loads


class MTP(nn.Module):
    """Layer num_hidden_layers of the hub's glm4_moe files; embedding and head rows are the target's own."""

    def __init__(self, s):
        super().__init__()
        self.shape = s
        self.enorm = RMSNorm(s.hidden, s.eps)
        self.hnorm = RMSNorm(s.hidden, s.eps)
        self.eh_proj = Linear(2 * s.hidden, s.hidden)
        self.block = Layer(s, True)
        self.shared_head_norm = RMSNorm(s.hidden, s.eps)

    def step(self, carry, embedded, cos, sin, history):
        x = self.eh_proj(torch.cat([self.enorm(embedded), self.hnorm(carry)], -1))
        x = x + self.block.self_attn.chained(self.block.input_layernorm(x), cos, sin, history)
        x, load = self.block.feed(x)
        return self.shared_head_norm(x), load

    def forward(self, hidden, tokens, embedding, steps, dtype=torch.bfloat16):
        """Teacher-forced chained steps. Step s (from 0) at base i reads token i+1+s and predicts token i+2+s.

        Bases are the positions i with i + steps < T; yields (state after shared_head.norm, expert load) per step.
        """
        bases = tokens.shape[1] - steps
        carry, history = hidden[:, :bases], []
        for s in range(steps):
            positions = torch.arange(s, s + bases, device=tokens.device)[None]
            cos, sin = rope_table(self.shape, positions)
            embedded = F.embedding(tokens[:, 1 + s : 1 + s + bases], embedding).to(dtype)
            carry, load = self.step(carry, embedded, cos, sin, history)
            yield carry, load
