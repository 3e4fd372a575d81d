"""demo-eagle3: an EAGLE-3 head (arXiv 2503.01840) as SpecForge stores it, its 4-bit grid, and the bytes it reads.

Per position i the head reads the embedding of token i+1 and a state: fc over three hidden states of the target, or what
the head itself made of the position before. It predicts token i+2.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from model import MLP, Attention, Linear, RMSNorm, fake_quantize, rope_table
from quantize import dequantize, quantize

GRID = (4, 64)


@dataclasses.dataclass
class EagleShape:
    hidden: int = 256
    heads: int = 8
    kv_heads: int = 4
    head_dim: int = 32
    intermediate: int = 1280
    draft_vocab: int = 3840
    taps: tuple = (3, 7, 11)  # the target's layers whose output is read
    rotary: float = 1.0
    eps: float = 1e-5
    theta: float = 10000.0


class GridLinear(Linear):
    """Its weights are on the 4-bit grid while it trains (straight-through)."""

    fake_quant = True

    def forward(self, x):
        w = fake_quantize(self.weight, *GRID) if self.fake_quant else self.weight
        return F.linear(x, w.to(x.dtype))


class EagleAttention(Attention):
    def __init__(self, s):
        nn.Module.__init__(self)
        self.heads, self.kv_heads, self.head_dim = s.heads, s.kv_heads, s.head_dim
        self.q_proj = GridLinear(2 * s.hidden, s.heads * s.head_dim)
        self.k_proj = GridLinear(2 * s.hidden, s.kv_heads * s.head_dim)
        self.v_proj = GridLinear(2 * s.hidden, s.kv_heads * s.head_dim)
        self.o_proj = GridLinear(s.heads * s.head_dim, s.hidden, gain=0.3)
        self.q_norm, self.k_norm = nn.Identity(), nn.Identity()


class EagleMLP(MLP):
    def __init__(self, hidden, width):
        nn.Module.__init__(self)
        self.gate_proj = GridLinear(hidden, width)
        self.up_proj = GridLinear(hidden, width)
        self.down_proj = GridLinear(width, hidden, gain=0.3)


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = RMSNorm(s.hidden, s.eps)
        self.hidden_norm = RMSNorm(s.hidden, s.eps)
        self.self_attn = EagleAttention(s)
        self.post_attention_layernorm = RMSNorm(s.hidden, s.eps)
        self.mlp = EagleMLP(s.hidden, s.intermediate)


class Eagle3(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.shape = s
        self.fc = GridLinear(3 * s.hidden, s.hidden)
        self.midlayer = Layer(s)
        self.norm = RMSNorm(s.hidden, s.eps)
        self.lm_head = GridLinear(s.hidden, s.draft_vocab, gain=0.1)
        # Of the three states, so that fc trains on values of size 1; part of fc.weight when it is stored.
        self.register_buffer("tap_scale", torch.ones(3))
        self.dropout = 0.0

    def joining(self):
        return self.fc.weight * self.tap_scale.repeat_interleave(self.shape.hidden)

    def join(self, taps):
        w = self.joining()
        return F.linear(taps, (fake_quantize(w, *GRID) if self.fc.fake_quant else w).to(taps.dtype))

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def step(self, state, embedded, cos, sin, history):
        """The next state; history holds keys and values of the steps so far (Attention.chained)."""
        layer = self.midlayer
        x = torch.cat([layer.input_layernorm(embedded), layer.hidden_norm(state)], -1)
        state = state + self.drop(layer.self_attn.chained(x, cos, sin, history))
        return state + self.drop(layer.mlp(layer.post_attention_layernorm(state)))

    def logits(self, state):
        return self.lm_head(self.norm(state))

    def forward(self, taps, tokens, embedding, steps, dtype=torch.float32):
        """Logits of every teacher-forced chained step. Step s (from 0) at base i reads token i+1+s, predicts i+2+s."""
        bases = tokens.shape[1] - steps
        state, history = self.join(taps[:, :bases]), []
        for s in range(steps):
            cos, sin = rope_table(self.shape, torch.arange(s, s + bases, device=tokens.device)[None])
            embedded = F.embedding(tokens[:, 1 + s : 1 + s + bases], embedding).to(dtype)
            state = self.step(state, embedded, cos, sin, history)
            yield self.logits(state)

    def on_grid(self):
        for module in self.modules():
            if isinstance(module, GridLinear):
                module.fake_quant = False
        return self.eval()


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


def export(head, head_ids, vocab):
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
    tensors["t2d"] = torch.zeros(vocab, dtype=torch.bool).index_fill_(0, head_ids, True)
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
    return head.on_grid(), tensors["d2t"] + torch.arange(len(tensors["d2t"]))


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
        "attention_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": eos,
        "eos_token_id": eos,
        "torch_dtype": "bfloat16",
        "eagle_config": {"eagle_aux_hidden_state_layer_ids": list(shape.taps), "use_aux_hidden_state": True},
        "quantization": quantization,
        "quantization_config": quantization,
    }


def step_bytes(shape):
    """Bytes that one row reads when it joins states of the target: all of the head, and one row of the target's
    8-bit embedding."""
    h, q, kv = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    weights = 3 * h * h + 2 * h * (q + 2 * kv) + q * h + 3 * h * shape.intermediate + shape.draft_vocab * h
    return weights * (GRID[0] / 8 + 4 / GRID[1]) + 4 * h * 2 + h * (1 + 4 / 64)
