"""Trains demo-moe, its MTP layer and both drafts on one GPU.

    python3 train.py --corpus CORPUS_DIR --models MODELS_DIR --out OUT_DIR [--stages target,drafters,spm,evaluate]
                     [--minutes T,D,S] [--dropout P --last-dropout P --decay W] [--sample WINDOWS]

T, D and S are the minutes of the target, of the MTP layer with demo-draft (trained side by side from one teacher
pass), and of demo-draft-spm. Every schedule runs on the clock, so that a slower machine trains on fewer tokens but
ends on time. A stage finds the earlier ones' files in OUT_DIR, so that each stage can run on a machine of its own.
Outputs: {target,mtp,draft,draft-spm}.safetensors in the shipped format, training.json, results.json.
--sample: the evaluation takes so many held-out windows of each domain, which a CPU does in minutes.
--dropout, --last-dropout (in the last part of the time) and --decay are the target's: the corpus is seen twenty times.
"""

import argparse
import json
import pathlib
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

import evaluate
from data import EOS, Windows, bpe_stream, read_corpus, spm_stream
from model import DRAFT, DRAFT_SPM, MOE, MTP, Model, rope_table
from optim import Optimizer
from quantize import export, load_mtp, load_target, restore
from text import DOMAINS

SEED = 20261121
DRAFT_HEAD = 2816
MTP_STEPS = 4
MTP_WEIGHTS = (1.0, 0.7, 0.5, 0.4)
BALANCE_RATE = 1e-3
REPEATS = {"documentation": 3}  # of a document in the training stream; twice in the other domains
LONG_SHARE = 0.15  # last part of the target's time: windows of 2,048, experts on the 4-bit grid
SAMPLE_MINUTES = 0.6
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch._dynamo.config.automatic_dynamic_shapes = False
torch._dynamo.config.recompile_limit = 64


def log(*words):
    print(f"[{time.strftime('%H:%M:%S')}]", *words, flush=True)


def factor(progress, warmup=0.01, hold=0.35):
    """Learning-rate factor: short warm-up, constant, then linear to zero."""
    return min(1.0, progress / warmup + 0.01, (1 - progress) / (1 - hold))


class Clock:
    """Progress of a stage by elapsed time; time spent compiling at the start and at a switch is not counted."""

    def __init__(self, minutes):
        self.budget, self.spent, self.steps = minutes * 60, 0.0, 0
        self.last = None
        self.done = []

    def tick(self):
        # The host may run one step ahead of the device.
        self.done.append(torch.cuda.Event())
        self.done[-1].record()
        if len(self.done) > 1:
            self.done.pop(0).synchronize()
        now = time.time()
        if self.last is not None:
            self.spent += now - self.last
        self.last = now
        self.steps += 1
        return self.spent / self.budget

    def pause(self):
        self.last = None


@torch.compile
def cross_entropy(states, head, targets):
    logits = F.linear(states, head.to(states.dtype))
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


@torch.compile
def distil(student, teacher, tv_weight):
    """Divergence of student logits from teacher logits (same columns, teacher mass may be missing)."""
    log_q = student.float().log_softmax(-1)
    kl = -(teacher * log_q).sum(-1)
    overlap = torch.minimum(teacher, log_q.exp()).sum(-1)
    return ((1 - tv_weight) * kl + tv_weight * 2 * (1 - overlap)).mean(), overlap.mean()


def balance(layers, loads, rate):
    with torch.no_grad():
        for mlp, load in zip(layers, loads):
            mlp.correction += rate * torch.sign(load.float().mean() - load.float())


def train_target(windows, held, minutes, dropout, last_dropout, decay, batch=64, length=1024):
    torch.manual_seed(SEED)
    model = Model(MOE).to(DEVICE)
    for layer in model.layers:
        layer.dropout = dropout
        layer.compile()
    optimizer = Optimizer([model], decay=decay)
    moe = [layer.mlp for layer in model.layers if layer.moe]
    clock, tokens, progress, total = Clock(minutes), 0, 0.0, 0.0
    while progress < 1:
        if progress > 1 - LONG_SHARE and not moe[0].fake_quant:
            batch, length = batch // 2, length * 2
            for mlp in moe:
                mlp.fake_quant = True
            for layer in model.layers:
                layer.dropout = last_dropout
            clock.pause()
        data = windows.draw(batch, length + 1)
        states, loads = model.hidden(data[:, :-1])
        loss = cross_entropy(states, model.lm_head.weight, data[:, 1:])
        loss.backward()
        rate = factor(progress)
        balance(moe, loads, BALANCE_RATE * rate)
        optimizer.step(rate)
        if clock.steps < 5:
            clock.pause()
        tokens += data[:, 1:].numel()
        progress = clock.tick()
        total = total + loss.detach()
        if clock.steps % 100 == 0:
            spread = torch.stack([load.max() / load.float().mean() for load in loads]).mean().item()
            log(f"target step {clock.steps} {progress:.3f} loss {total.item() / 100:.4f} {tokens / 1e6:.0f} M tokens, "
                f"{tokens / max(clock.spent, 1) / 1e6:.3f} M/s, busiest expert {spread:.2f}")
            total = 0.0
        if clock.steps % 2000 == 0:
            with torch.compiler.set_stance("force_eager"):
                part = evaluate.bits(model.eval(), {d: (w[:64], 1) for d, (w, _) in held.items()})
            log("held-out perplexity, first windows:", {d: round(r["perplexity"], 3) for d, r in part.items()})
            model.train()
            clock.pause()
    return model.eval(), {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent}


def most_frequent(stream):
    counts = torch.bincount(stream.long(), minlength=MOE.vocab_size)
    counts[EOS] = counts.max()
    return counts.argsort(descending=True)[:DRAFT_HEAD].sort().values


def train_drafters(target, windows, head_ids, minutes, batch=64, length=512):
    """The MTP layer and demo-draft, from the same teacher pass."""
    torch.manual_seed(SEED + 1)
    for layer in target.layers:
        layer.compile()
    head = target.lm_head.weight.detach()
    draft_head = head[head_ids]
    mtp, draft = MTP(MOE).to(DEVICE), Model(DRAFT).to(DEVICE)
    mtp.block.mlp.fake_quant = True
    step = torch.compile(mtp.step)
    for layer in draft.layers:
        layer.compile()
    optimizer = Optimizer([mtp, draft])
    clock, progress, tokens = Clock(minutes), 0.0, 0
    while progress < 1:
        tv = max(0.0, min(0.8, (progress - 0.3) * 2))
        tv = torch.tensor(tv, device=DEVICE)
        data = windows.draw(batch, length)
        with torch.no_grad():
            states, _ = target.hidden(data)
            teacher = F.linear(states, head.bfloat16()).float().softmax(-1)
            restricted = teacher[..., head_ids]
        bases = length - MTP_STEPS
        carry, history, loss, overlaps, load_sum = states[:, :bases], [], 0.0, [], 0
        for s in range(MTP_STEPS):
            cos, sin = rope_table(MOE, torch.arange(s, s + bases, device=DEVICE)[None])
            embedded = F.embedding(data[:, 1 + s : 1 + s + bases], target.embed_tokens).bfloat16()
            carry, load = step(carry, embedded, cos, sin, history)
            logits = F.linear(carry, draft_head.bfloat16())
            part, overlap = distil(logits, restricted[:, 1 + s : 1 + s + bases], tv)
            loss = loss + MTP_WEIGHTS[s] * part
            overlaps.append(overlap.detach())
            load_sum = load_sum + load
        draft_states, _ = draft.hidden(data)
        part, overlap = distil(draft.lm_head(draft_states), teacher, tv)
        overlaps.append(overlap.detach())
        (loss + part).backward()
        rate = factor(progress)
        balance([mtp.block.mlp], [load_sum], BALANCE_RATE * rate)
        optimizer.step(rate)
        if clock.steps < 5:
            clock.pause()
        tokens += data.numel()
        progress = clock.tick()
        if clock.steps % 100 == 0:
            log(f"drafters step {clock.steps} {progress:.3f} {tokens / max(clock.spent, 1) / 1e6:.3f} M/s overlap: MTP "
                + " ".join(f"{o.item():.3f}" for o in overlaps[:-1]) + f", draft {overlaps[-1].item():.3f}")
    return mtp, draft, {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent}


@torch.no_grad()
def sample_texts(target, windows, tokenizer, minutes, batch=4096, prompt=32, length=256):
    """Text drawn from the target at temperature 1 after short training prompts: the data demo-draft-spm distils."""
    texts, start = [], time.time()
    s = MOE
    while time.time() - start < minutes * 60:
        data = torch.zeros(batch, length, dtype=torch.long, device=DEVICE)
        data[:, :prompt] = windows.draw(batch, prompt)
        shape = (s.layers, batch, s.kv_heads, length, s.head_dim)
        keys = torch.zeros(shape, dtype=torch.bfloat16, device=DEVICE)
        values = torch.zeros_like(keys)
        for t in range(length - 1):
            cos, sin = rope_table(s, torch.tensor([[t]], device=DEVICE))
            x = F.embedding(data[:, t : t + 1], target.embed_tokens).bfloat16()
            for i, layer in enumerate(target.layers):
                x = layer.cached(x, cos, sin, keys[i], values[i], t)
            if t + 1 >= prompt:
                logits = target.lm_head(target.norm(x))[:, 0].float()
                noise = -torch.empty_like(logits).exponential_().log()
                data[:, t + 1] = (logits + noise).argmax(-1)
        for row in data.tolist():
            pieces, piece = [], []
            for token in row + [EOS]:
                if token == EOS:
                    pieces.append(piece)
                    piece = []
                else:
                    piece.append(token)
            texts += tokenizer.decode_batch([p for p in pieces if len(p) > 8])
    return texts


def train_spm_draft(streams, minutes, batch=128, length=512):
    """Next-token training of demo-draft-spm on corpus text and, half of each batch, on text of the target."""
    torch.manual_seed(SEED + 2)
    draft = Model(DRAFT_SPM).to(DEVICE)
    for layer in draft.layers:
        layer.compile()
    optimizer = Optimizer([draft])
    clock, progress, tokens = Clock(minutes), 0.0, 0
    while progress < 1:
        data = torch.cat([w.draw(batch // len(streams), length + 1) for w in streams])
        states, _ = draft.hidden(data[:, :-1])
        loss = cross_entropy(states, draft.lm_head.weight, data[:, 1:])
        loss.backward()
        optimizer.step(factor(progress))
        if clock.steps < 5:
            clock.pause()
        tokens += data[:, 1:].numel()
        progress = clock.tick()
        if clock.steps % 200 == 0:
            log(f"draft-spm step {clock.steps} {progress:.3f} loss {loss.item():.4f} {tokens / max(clock.spent, 1) / 1e6:.3f} M/s")
    return draft, {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--stages", default="target,drafters,spm,evaluate")
    parser.add_argument("--minutes", default="11.5,7.5,1.8")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--last-dropout", type=float, default=0.0)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--sample", type=int)
    args = parser.parse_args()
    stages = args.stages.split(",")
    target_minutes, drafter_minutes, spm_minutes = (float(m) for m in args.minutes.split(","))
    args.out.mkdir(parents=True, exist_ok=True)
    stats_file = args.out / "training.json"
    stats = json.loads(stats_file.read_text()) if stats_file.exists() else {}

    def finish(name, tensors, numbers):
        file = args.out / f"{name}.safetensors"
        save_file(tensors, f"{file}.new")
        pathlib.Path(f"{file}.new").rename(file)
        stats[name] = numbers
        stats_file.write_text(json.dumps(stats, indent=2))
        log("finished", name, numbers)

    corpus = read_corpus(args.corpus)
    bpe_file = args.models / "demo-moe/tokenizer.json"
    spm_file = args.models / "demo-draft-spm/tokenizer.model"
    train_texts = [t for _, train in corpus.values() for _, t in train]
    streams = {source: bpe_stream(bpe_file, [t for _, t in train]) for source, (_, train) in corpus.items()}
    stream = torch.cat([s for source, s in streams.items() for _ in range(REPEATS.get(DOMAINS[source], 2))])
    windows = Windows(stream, SEED, DEVICE)
    held, held_spm = evaluate.heldout(corpus, bpe_file), evaluate.heldout_spm(corpus, spm_file)
    if args.sample:
        held, held_spm = evaluate.sample(held, args.sample), evaluate.sample(held_spm, args.sample)
    stats["corpus"] = {"characters": sum(map(len, train_texts)), "tokens": sum(map(len, streams.values()))}
    log("corpus", stats["corpus"])

    if "target" in stages:
        model, numbers = train_target(windows, held, target_minutes, args.dropout, args.last_dropout, args.decay)
        finish("target", export(model), numbers)
        stats["target_f32"] = evaluate.bits(model.requires_grad_(False), held)
    target = load_target(MOE, load_file(args.out / "target.safetensors"), DEVICE).requires_grad_(False)
    if "target" in stages:
        stats["target_shipped"] = evaluate.bits(target, held)
        stats_file.write_text(json.dumps(stats, indent=2))
        log("f32", stats["target_f32"])
        log("shipped", stats["target_shipped"])

    if "drafters" in stages:
        head_ids = most_frequent(stream).to(DEVICE)
        mtp, draft, numbers = train_drafters(target, windows, head_ids, drafter_minutes)
        finish("draft", export(draft), numbers)
        tensors = export(mtp, MOE.layers)
        tensors[f"model.layers.{MOE.layers}.shared_head.d2t"] = head_ids.cpu() - torch.arange(DRAFT_HEAD)
        finish("mtp", tensors, numbers)

    if "spm" in stages:
        texts = sample_texts(target, windows, Tokenizer.from_file(str(bpe_file)), SAMPLE_MINUTES)
        log("sampled", sum(map(len, texts)) / 1e6, "M characters;", repr(texts[0][:300]))
        spm_streams = [Windows(spm_stream(spm_file, t), SEED + i, DEVICE) for i, t in enumerate((train_texts, texts))]
        draft_spm, numbers = train_spm_draft(spm_streams, spm_minutes)
        finish("draft-spm", export(draft_spm), numbers | {"sampled_characters": sum(map(len, texts))})

    if "evaluate" in stages:
        tensors = load_file(args.out / "mtp.safetensors")
        offsets = tensors[f"model.layers.{MOE.layers}.shared_head.d2t"]
        head_ids = (offsets + torch.arange(DRAFT_HEAD)).to(DEVICE)
        mtp = load_mtp(MOE, tensors, DEVICE).requires_grad_(False)
        draft = restore(Model(DRAFT), load_file(args.out / "draft.safetensors")).to(DEVICE).requires_grad_(False)
        spm = restore(Model(DRAFT_SPM), load_file(args.out / "draft-spm.safetensors")).to(DEVICE).requires_grad_(False)
        stats["acceptance_windows"] = {domain: len(windows) for domain, (windows, _) in held.items()}
        stats["acceptance"] = evaluate.acceptance(target, mtp, head_ids, draft, held)
        stats["experts"] = evaluate.distinct_experts(target, held)
        stats["draft_bits"] = evaluate.bits(draft, held)
        stats["draft_spm_bits"] = evaluate.bits(spm, held_spm)
        (args.out / "results.json").write_text(json.dumps(stats, indent=2))
        log(json.dumps(stats, indent=1))


if __name__ == "__main__":
    main()
