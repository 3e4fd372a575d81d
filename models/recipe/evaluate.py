"""Held-out measurements: bits per byte, teacher-forced acceptance, distinct experts. All in float32."""

import math

import torch
import torch.nn.functional as F
import sentencepiece
from tokenizers import Tokenizer

from data import EOS, SPM_BOS
from text import DOMAINS

WINDOW, STRIDE, BATCH = 2048, 1024, 8
STEPS = 3


def windows_of(ids):
    """Overlapping windows of one document as (ids, first position whose prediction counts)."""
    out = [(ids[:WINDOW], 1)]
    start = STRIDE
    while start + WINDOW - STRIDE < len(ids):
        out.append((ids[start : start + WINDOW], WINDOW - STRIDE))
        start += STRIDE
    return out


def collect(corpus, encode):
    """domain -> (windows, bytes)."""
    held = {}
    for source, domain in DOMAINS.items():
        windows, size = held.get(domain, ([], 0))
        for _, text in corpus[source][0]:
            windows += windows_of(encode(text))
            size += len(text.encode())
        held[domain] = (windows, size)
    return held


def heldout(corpus, bpe_file):
    tokenizer = Tokenizer.from_file(str(bpe_file))
    return collect(corpus, lambda text: [EOS, *tokenizer.encode(text).ids])


def heldout_spm(corpus, spm_file):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(spm_file))
    return collect(corpus, lambda text: [SPM_BOS, *processor.encode(text)])


def sample(held, count):
    """At most `count` windows of every domain, drawn evenly, with their share of its bytes."""
    result = {}
    for domain, (windows, size) in held.items():
        part = windows[:: -(-len(windows) // count)]
        tokens = [sum(len(ids) - first for ids, first in w) for w in (part, windows)]
        result[domain] = (part, size * tokens[0] / tokens[1])
    return result


def batches(windows, device):
    """(tokens, counted): counted[b, t] says that the prediction of token t counts."""
    windows = sorted(windows, key=lambda w: len(w[0]))
    for i in range(0, len(windows), BATCH):
        part = windows[i : i + BATCH]
        longest = max(len(ids) for ids, _ in part)
        tokens = torch.zeros(len(part), longest, dtype=torch.long)
        counted = torch.zeros(len(part), longest, dtype=torch.bool)
        for row, (ids, first) in enumerate(part):
            tokens[row, : len(ids)] = torch.tensor(ids)
            counted[row, first : len(ids)] = True
        yield tokens.to(device), counted.to(device)


@torch.no_grad()
def bits(model, held):
    """domain -> bits per byte, perplexity per token, bytes per token."""
    result = {}
    for domain, (windows, size) in held.items():
        nats, count = 0.0, 0
        for tokens, counted in batches(windows, model.embed_tokens.device):
            states, _ = model.hidden(tokens, torch.float32)
            loss = F.cross_entropy(model.lm_head(states[:, :-1]).mT, tokens[:, 1:], reduction="none")
            nats += loss[counted[:, 1:]].double().sum().item()
            count += counted.sum().item()
        result[domain] = {
            "bits_per_byte": nats / math.log(2) / size,
            "perplexity": math.exp(nats / count),
            "bytes_per_token": size / count,
            "tokens": count,
        }
    return result


@torch.no_grad()
def acceptance(target, mtp, head_ids, draft, held):
    """domain -> overlap (mean of sum min(p, q)) and greedy agreement of each MTP step and of the draft."""
    head = target.lm_head.weight[head_ids]
    result = {}
    for domain, (windows, _) in held.items():
        sums = {}

        def add(name, p, q, ids, counted):
            overlap = torch.minimum(p[..., ids], q).sum(-1)
            agree = (p.argmax(-1) == ids[q.argmax(-1)]).float()
            old = sums.get(name, (0.0, 0.0, 0))
            sums[name] = (
                old[0] + overlap[counted].double().sum().item(),
                old[1] + agree[counted].double().sum().item(),
                old[2] + counted.sum().item(),
            )

        for tokens, counted in batches(windows, head.device):
            if tokens.shape[1] < STEPS + 2:
                continue
            states, _ = target.hidden(tokens, torch.float32)
            p = target.lm_head(states).softmax(-1)
            q = draft.lm_head(draft.hidden(tokens, torch.float32)[0]).softmax(-1)
            every = torch.arange(p.shape[-1], device=p.device)
            add("draft", p[:, :-1], q[:, :-1], every, counted[:, 1:])
            bases = tokens.shape[1] - STEPS
            for s, (carry, _) in enumerate(mtp(states, tokens, target.embed_tokens, STEPS, torch.float32)):
                q = F.linear(carry, head).softmax(-1)[:, : bases - 1]
                end = 1 + s + bases - 1
                add(f"mtp{s + 1}", p[:, 1 + s : end], q, head_ids, counted[:, 2 + s : end + 1])
        result[domain] = {name: {"overlap": o / n, "greedy": g / n} for name, (o, g, n) in sums.items()}
    return result


@torch.no_grad()
def distinct_experts(target, held, limit=64):
    """domain -> rows in a pass -> mean number of distinct experts per MoE layer; and the uniform expectation."""
    shape = target.shape
    result = {}
    chosen = []

    def record(mlp):
        route = type(mlp).route.__get__(mlp)

        def recording(x):
            out = route(x)
            chosen.append(out[0])
            return out

        return recording

    moe = [layer.mlp for layer in target.layers if layer.moe]
    for mlp in moe:
        mlp.route = record(mlp)
    for domain, (windows, _) in held.items():
        full = [w for w in windows if len(w[0]) == WINDOW][:limit]
        counts = {t: [] for t in (1, 2, 4, 8, 16)}
        for tokens, _ in batches(full, target.embed_tokens.device):
            chosen.clear()
            target.hidden(tokens, torch.float32)
            for layer in chosen:
                hot = F.one_hot(layer, shape.experts).sum(1).view(tokens.shape[0], -1, shape.experts)
                for t in counts:
                    counts[t].append((hot.unflatten(1, (-1, t)).sum(2) > 0).float().sum(-1).mean().item())
        result[domain] = {str(t): sum(c) / len(c) for t, c in counts.items() if c}
    for mlp in moe:
        del mlp.route
    miss = 1 - shape.top_k / shape.experts
    result["uniform"] = {str(t): shape.experts * (1 - miss**t) for t in (1, 2, 4, 8, 16)}
    return result
