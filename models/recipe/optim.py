"""Muon for matrices (experts included), AdamW for embeddings, heads, routers, norms and biases."""

import torch

MOMENTUM = 0.95
ADAM_DECAY = 0.05  # embeddings, heads and routers; norms and biases are not decayed


def orthogonalize(g):
    """Newton-Schulz iteration on a batch of matrices with no more rows than columns."""
    x = g.bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon:
    def __init__(self, named, lr, decay):
        """named: (name, parameter) pairs; stacked gate_up tensors are taken apart into their matrices."""
        self.lr, self.decay = lr, decay
        self.groups = {}
        for name, p in named:
            rows = p.shape[-2] // 2 if name.endswith("gate_up") else p.shape[-2]
            key = (min(rows, p.shape[-1]), max(rows, p.shape[-1]))
            self.groups.setdefault(key, []).append((p, rows, torch.zeros_like(p)))

    @torch.no_grad()
    def step(self, factor):
        for (small, large), entries in self.groups.items():
            grads = [p.grad for p, _, _ in entries]
            buffers = [b for _, _, b in entries]
            torch._foreach_lerp_(buffers, grads, 1 - MOMENTUM)
            updates = torch._foreach_lerp(grads, buffers, MOMENTUM)
            wide = [u.reshape(-1, rows, u.shape[-1]) for u, (_, rows, _) in zip(updates, entries)]
            flat = torch.cat([w if w.shape[-2] == small else w.mT for w in wide])
            flat = orthogonalize(flat)
            start = 0
            for (p, rows, _), w in zip(entries, wide):
                part = flat[start : start + len(w)]
                start += len(w)
                part = part if w.shape[-2] == small else part.mT
                scale = max(1.0, rows / p.shape[-1]) ** 0.5
                p.mul_(1 - self.lr * factor * self.decay)
                p.add_(part.reshape(p.shape), alpha=-self.lr * factor * scale)


class Optimizer:
    def __init__(self, modules, muon_lr=0.02, decay=0.1, adam_lr=3e-3, embedding_lr=1e-2):
        named = [(n, p) for module in modules for n, p in module.named_parameters()]
        embedding = [p for n, p in named if n.startswith("embed_tokens")]
        other = [p for n, p in named if p.dim() < 2 or n.startswith("lm_head") or n.endswith(".gate")]
        taken = {id(p) for p in embedding + other}
        matrices = [(n, p) for n, p in named if id(p) not in taken]
        self.muon = Muon(matrices, muon_lr, decay)
        groups = [
            {"params": [p for p in other if p.dim() < 2], "base": adam_lr, "weight_decay": 0.0},
            {"params": [p for p in other if p.dim() > 1], "base": adam_lr, "weight_decay": ADAM_DECAY},
            {"params": embedding, "base": embedding_lr, "weight_decay": ADAM_DECAY},
        ]
        groups = [group for group in groups if group["params"]]
        self.adam = torch.optim.AdamW(groups, lr=adam_lr, betas=(0.9, 0.95), eps=1e-10, fused=True)

    def step(self, factor):
        for group in self.adam.param_groups:
            group["lr"] = group["base"] * factor
        self.adam.step()
        self.muon.step(factor)
        self.adam.zero_grad(set_to_none=True)
        for entries in self.muon.groups.values():
            for p, _, _ in entries:
                p.grad = None
