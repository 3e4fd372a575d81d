"""Trains demo-moe, its MTP layer and both drafts on one GPU.

    python3 train.py --corpus CORPUS_DIR --models MODELS_DIR --out OUT_DIR [--stages target,mtp,draft,spm,evaluate]
                     [--minutes T,M,D,S] [--resume-at P] [--dropout P --last-dropout P --decay W --repeats C,S,D,P] [--sample WINDOWS]

T, M, D and S are the minutes of the target, the MTP layer, demo-draft and demo-draft-spm. Every schedule runs on the
clock, so that a slower machine trains on fewer tokens but ends on time. A stage finds the target's files in OUT_DIR, so
that the stages after it can run side by side or on machines of their own.
Outputs: {target,mtp,draft,draft-spm}.safetensors in the shipped format, each with its .json, and results.json.
--sample: acceptance is measured on so many held-out windows of each domain; a CPU needs minutes for 24.
--resume-at: the drafters start from their files in OUT_DIR, at this part of their schedule (0 to 1).
--dropout, --last-dropout (in the last part of the time) and --decay are the target's: the corpus is seen twenty times.
--repeats: of a document in the training stream, by domain: code, structured, documentation, prose.
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
LONG_SHARE = 0.25  # last part of the target's time: windows of 2,048, experts on the 4-bit grid
QUANTISATION_SAMPLE = 32  # held-out windows of a domain on which the weights before and after quantisation are compared
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
    """Progress of a stage by elapsed time, from `start` on; time spent compiling at the start and at a switch is not
    counted."""

    def __init__(self, minutes, start=0.0):
        self.budget, self.spent, self.steps = minutes * 60, 0.0, 0
        self.start = start
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
        return self.start + (1 - self.start) * self.spent / self.budget

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


def drafter_windows(progress):
    """(batch, length): the last part at the target's context, or a drafter is lost beyond the length it has seen."""
    return (16, 2048) if progress > 1 - LONG_SHARE else (64, 512)


def tv_weight(progress):
    """Of the total variation in the drafters' loss; the rest is divergence."""
    return torch.tensor(max(0.0, min(0.8, (progress - 0.3) * 2)), device=DEVICE)


def train_mtp(target, windows, head_ids, mtp, minutes, start):
    for layer in target.layers:
        layer.compile()
    head = target.lm_head.weight.detach()
    draft_head = head[head_ids]
    mtp.block.mlp.fake_quant = True
    step = torch.compile(mtp.step)
    optimizer = Optimizer([mtp])
    clock, progress, tokens = Clock(minutes, start), start, 0
    while progress < 1:
        tv = tv_weight(progress)
        batch, length = drafter_windows(progress)
        data = windows.draw(batch, length)
        with torch.no_grad():
            states, _ = target.hidden(data)
            teacher = F.linear(states, head.bfloat16()).float().softmax(-1)[..., head_ids]
        bases = length - MTP_STEPS
        carry, history, loss, overlaps, load_sum = states[:, :bases], [], 0.0, [], 0
        for s in range(MTP_STEPS):
            cos, sin = rope_table(MOE, torch.arange(s, s + bases, device=DEVICE)[None])
            embedded = F.embedding(data[:, 1 + s : 1 + s + bases], target.embed_tokens).bfloat16()
            carry, load = step(carry, embedded, cos, sin, history)
            logits = F.linear(carry, draft_head.bfloat16())
            part, overlap = distil(logits, teacher[:, 1 + s : 1 + s + bases], tv)
            loss = loss + MTP_WEIGHTS[s] * part
            overlaps.append(overlap.detach())
            load_sum = load_sum + load
        loss.backward()
        rate = factor(progress)
        balance([mtp.block.mlp], [load_sum], BALANCE_RATE * rate)
        optimizer.step(rate)
        if clock.steps < 5:
            clock.pause()
        tokens += data.numel()
        progress = clock.tick()
        if clock.steps % 100 == 0:
            log(f"mtp step {clock.steps} {progress:.3f} {tokens / max(clock.spent, 1) / 1e6:.3f} M/s overlap "
                + " ".join(f"{o.item():.3f}" for o in overlaps))
    return {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent}


def train_draft(target, windows, draft, minutes, start):
    for layer in [*target.layers, *draft.layers]:
        layer.compile()
    optimizer = Optimizer([draft])
    clock, progress, tokens = Clock(minutes, start), start, 0
    while progress < 1:
        tv = tv_weight(progress)
        data = windows.draw(*drafter_windows(progress))
        with torch.no_grad():
            teacher = target.lm_head(target.hidden(data)[0]).float().softmax(-1)
        loss, overlap = distil(draft.lm_head(draft.hidden(data)[0]), teacher, tv)
        loss.backward()
        optimizer.step(factor(progress))
        if clock.steps < 5:
            clock.pause()
        tokens += data.numel()
        progress = clock.tick()
        if clock.steps % 200 == 0:
            log(f"draft step {clock.steps} {progress:.3f} {tokens / max(clock.spent, 1) / 1e6:.3f} M/s "
                f"overlap {overlap.item():.3f}")
    return {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent}


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


def train_spm_draft(streams, draft, minutes, start):
    """Next-token training of demo-draft-spm on corpus text and, half of each batch, on text of the target."""
    for layer in draft.layers:
        layer.compile()
    optimizer = Optimizer([draft])
    clock, progress, tokens = Clock(minutes, start), start, 0
    while progress < 1:
        batch, length = drafter_windows(progress)
        data = torch.cat([w.draw(batch, length + 1) for w in streams])
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
    return {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--stages", default="target,mtp,draft,spm,evaluate")
    parser.add_argument("--minutes", default="12,4.5,8,2")
    parser.add_argument("--resume-at", type=float, metavar="PROGRESS")
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--last-dropout", type=float, default=0.3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--repeats", default="2,1,3,1")
    parser.add_argument("--sample", type=int, default=96)
    args = parser.parse_args()
    stages = args.stages.split(",")
    target_minutes, mtp_minutes, draft_minutes, spm_minutes = (float(m) for m in args.minutes.split(","))
    args.out.mkdir(parents=True, exist_ok=True)

    def write(name, numbers):
        (args.out / f"{name}.json").write_text(json.dumps(numbers, indent=2) + "\n")
        log(name, json.dumps(numbers))

    def finish(name, tensors, numbers):
        file = args.out / f"{name}.safetensors"
        save_file(tensors, f"{file}.new")
        pathlib.Path(f"{file}.new").rename(file)
        write(name, numbers)

    corpus = read_corpus(args.corpus)
    bpe_file = args.models / "demo-moe/tokenizer.json"
    spm_file = args.models / "demo-draft-spm/tokenizer.model"
    train_texts = [t for _, train in corpus.values() for _, t in train]
    streams = {source: bpe_stream(bpe_file, [t for _, t in train]) for source, (_, train) in corpus.items()}
    repeats = dict(zip(("code", "structured", "documentation", "prose"), map(int, args.repeats.split(","))))
    stream = torch.cat([s for source, s in streams.items() for _ in range(repeats[DOMAINS[source]])])
    windows = Windows(stream, SEED, DEVICE)
    held, held_spm = evaluate.heldout(corpus, bpe_file), evaluate.heldout_spm(corpus, spm_file)
    tokens = sum(map(len, streams.values()))
    log(f"corpus: {tokens / 1e6:.1f} M tokens, held out", {d: len(w) for d, (w, _) in held.items()})

    if "target" in stages:
        model, numbers = train_target(windows, held, target_minutes, args.dropout, args.last_dropout, args.decay)
        numbers |= {"dropout": args.dropout, "last_dropout": args.last_dropout, "decay": args.decay, "repeats": repeats}
        numbers |= {"corpus_characters": sum(map(len, train_texts)), "corpus_tokens": tokens}
        tensors = export(model)
        sample = evaluate.sample(held, QUANTISATION_SAMPLE)
        with torch.compiler.set_stance("force_eager"):
            numbers["sample_f32"] = evaluate.bits(model.requires_grad_(False), sample)
        numbers["sample_shipped"] = evaluate.bits(load_target(MOE, tensors, DEVICE).requires_grad_(False), sample)
        finish("target", tensors, numbers)
    target = load_target(MOE, load_file(args.out / "target.safetensors"), DEVICE).requires_grad_(False)

    start = args.resume_at or 0.0

    def model_of(name, fresh):
        """The model of a stage as its file has it, if training resumes, and what was counted so far."""
        if args.resume_at is None:
            return fresh.to(DEVICE), {}
        restore(fresh, load_file(args.out / f"{name}.safetensors"), MOE.layers if name == "mtp" else None)
        return fresh.to(DEVICE), json.loads((args.out / f"{name}.json").read_text())

    def total(before, numbers):
        counted = {key: value + before.get(key, 0) for key, value in numbers.items()}
        return before | counted | {"windows": "512 and at the end 2,048"}

    if "mtp" in stages:
        torch.manual_seed(SEED + 1)
        head_ids = most_frequent(stream).to(DEVICE)
        mtp, before = model_of("mtp", MTP(MOE))
        numbers = total(before, train_mtp(target, windows, head_ids, mtp, mtp_minutes, start))
        tensors = export(mtp, MOE.layers)
        tensors[f"model.layers.{MOE.layers}.shared_head.d2t"] = head_ids.cpu() - torch.arange(DRAFT_HEAD)
        finish("mtp", tensors, numbers)

    if "draft" in stages:
        torch.manual_seed(SEED + 2)
        draft, before = model_of("draft", Model(DRAFT))
        numbers = total(before, train_draft(target, windows, draft, draft_minutes, start))
        finish("draft", export(draft), numbers)

    if "spm" in stages:
        texts = sample_texts(target, windows, Tokenizer.from_file(str(bpe_file)), SAMPLE_MINUTES)
        log("sampled", sum(map(len, texts)) / 1e6, "M characters;", repr(texts[0][:300]))
        spm_streams = [Windows(spm_stream(spm_file, t), SEED + i, DEVICE) for i, t in enumerate((train_texts, texts))]
        torch.manual_seed(SEED + 3)
        draft_spm, before = model_of("draft-spm", Model(DRAFT_SPM))
        numbers = train_spm_draft(spm_streams, draft_spm, spm_minutes, start)
        numbers = total(before, numbers | {"sampled_characters": sum(map(len, texts))})
        finish("draft-spm", export(draft_spm), numbers)

    if "evaluate" in stages:
        tensors = load_file(args.out / "mtp.safetensors")
        offsets = tensors[f"model.layers.{MOE.layers}.shared_head.d2t"]
        head_ids = (offsets + torch.arange(DRAFT_HEAD)).to(DEVICE)
        mtp = load_mtp(MOE, tensors, DEVICE).requires_grad_(False)
        draft = restore(Model(DRAFT), load_file(args.out / "draft.safetensors")).to(DEVICE).requires_grad_(False)
        spm = restore(Model(DRAFT_SPM), load_file(args.out / "draft-spm.safetensors")).to(DEVICE).requires_grad_(False)
        results = {n: json.loads((args.out / f"{n}.json").read_text()) for n in ("target", "mtp", "draft", "draft-spm")}
        sample = evaluate.sample(held, args.sample)
        with torch.compiler.set_stance("force_eager"):  # no stage before it is worth compiling for float32
            results["bits"] = evaluate.bits(target, held)
            results["draft_bits"] = evaluate.bits(draft, sample)
            results["draft_spm_bits"] = evaluate.bits(spm, held_spm)
            results["acceptance_windows"] = {domain: len(windows) for domain, (windows, _) in sample.items()}
            results["acceptance"] = evaluate.acceptance(target, mtp, head_ids, draft, sample)
            results["experts"] = evaluate.distinct_experts(target, sample)
        write("results", results)


if __name__ == "__main__":
    main()
