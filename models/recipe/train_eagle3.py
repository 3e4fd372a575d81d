"""Trains demo-eagle3 for the shipped demo-moe on one GPU, and measures it beside the MTP layer.

    python3 train_eagle3.py --corpus CORPUS_DIR --models MODELS_DIR --out OUT_DIR [--minutes M | --tokens M]
                            [--resume-at P --from DIR] [--taps A,B,C --heads N --kv-heads N --width N --draft-vocab N]
                            [--batch TOKENS --windows N] [--data FILE] [--sample WINDOWS]

The teacher is demo-moe as shipped, dequantised; it reads the corpus once, and the outputs of its tapped layers stay on the
GPU (68 GB). The head is trained as it drafts (training-time test): STEPS chained steps, each on the states that it made
itself. The schedule runs on the clock, or over --tokens million tokens.
Outputs: eagle3.safetensors in the shipped format, eagle3.json (training and measurements), eagle3.pt (float32), the last
two every 20 s. --resume-at: starts from --from, the outputs of an earlier run, at this part of the schedule (0 to 1).
--data: keeps the tokenised corpus in this file, or reads it from there. --windows: trains on so many windows of it.
"""

import argparse
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.nn.attention.flex_attention import create_block_mask

import eagle3
import evaluate
from data import EOS, bpe_stream, read_corpus
from eagle3 import Eagle3, EagleShape, chain_mask, chain_rope, hidden_and_taps
from model import MOE
from optim import Optimizer
from quantize import load_mtp, load_target, pass_bytes
from text import DOMAINS
from train import DEVICE, SEED, Clock, factor, log, tv_weight

STEPS = 4
STEP_WEIGHTS = (1.0, 0.8, 0.6, 0.5)
SHARES = {"code": 0.38, "structured": 0.17, "documentation": 0.28, "prose": 0.17}  # of the training windows
LENGTHS = (512, 2048)  # of the parts trained on: in the end the target's context, or the head is lost beyond its own
LONG_SHARE = 0.4  # of the time
WINDOW = LENGTHS[1] + STEPS
TEACHER_BATCH = 32
SAVE_SECONDS = 20


def most_frequent(streams, count):
    counts = sum(torch.bincount(s.long(), minlength=MOE.vocab_size) / len(s) * SHARES[d] for d, s in streams.items())
    counts[EOS] = counts.max()
    ids = counts.argsort(descending=True)[:count].sort().values
    log(f"{count} draft ids are {counts[ids].sum() / counts.sum():.4%} of the training windows")
    return ids


def prepare(corpus_folder, bpe_file, file):
    """(training stream by domain, held-out windows by domain), kept in `file` if there is one."""
    if file and file.exists():
        return torch.load(file)
    corpus = read_corpus(corpus_folder)
    parts = {}
    for source, (_, train) in corpus.items():
        parts.setdefault(DOMAINS[source], []).append(bpe_stream(bpe_file, [text for _, text in train]))
    data = {domain: torch.cat(p) for domain, p in parts.items()}, evaluate.heldout(corpus, bpe_file)
    if file:
        torch.save(data, file)
    return data


class TaughtWindows:
    """Windows of the training text with the target's tapped states, on the GPU; draws parts of them."""

    def __init__(self, streams, target, taps, count):
        parts, self.shares = [], []
        total = sum(len(s) // WINDOW for s in streams.values())
        for domain, stream in streams.items():
            windows = stream[: len(stream) // WINDOW * WINDOW].view(-1, WINDOW)
            windows = windows[:: max(1, total // count)] if count else windows
            parts.append(windows.int())
            self.shares += [SHARES[domain] / len(windows)] * len(windows)
        self.shares = torch.tensor(self.shares, device=DEVICE)
        self.tokens = torch.cat(parts).to(DEVICE)
        self.states = torch.empty(*self.tokens.shape, len(taps) * MOE.hidden, dtype=torch.bfloat16, device=DEVICE)
        with torch.no_grad():
            for start in range(0, len(self.tokens), TEACHER_BATCH):
                rows = slice(min(start, max(0, len(self.tokens) - TEACHER_BATCH)), start + TEACHER_BATCH)
                self.states[rows] = hidden_and_taps(target, self.tokens[rows].long(), taps)[1]
        self.generator = torch.Generator(DEVICE).manual_seed(SEED + 4)
        log(f"the target has read {self.tokens.numel() / 1e6:.1f} M tokens")

    def draw(self, batch, length):
        """(tokens, states) of `batch` parts of `length` tokens."""
        rows = torch.multinomial(self.shares, batch, replacement=True, generator=self.generator)
        starts = torch.randint(WINDOW - length + 1, (batch,), generator=self.generator, device=DEVICE)
        places = (rows * WINDOW + starts)[:, None] + torch.arange(length, device=DEVICE)
        return self.tokens.flatten()[places].long(), self.states.flatten(0, 1)[places]


def scale_taps(head, windows):
    states = windows.states[:: len(windows.states) // 16]
    sizes = states.float().unflatten(-1, (3, -1)).square().mean((0, 1, 3)).sqrt()
    head.tap_scale.copy_(1 / sizes)
    log("size of the tapped states", [round(s, 3) for s in sizes.tolist()])


@torch.compile
def said_by_teacher(norm, states, rows, count):
    """Probabilities of the first `count` of all `rows`."""
    return F.linear(norm(states), rows).float().softmax(-1)[..., :count].bfloat16()


@torch.compile
def slopes(logits, teacher, tv):
    """By row: loss (divergence from the teacher and total variation, whose share is tv), overlap, and the slopes of the
    loss by the logits."""
    log_q = logits.float().log_softmax(-1)
    p, q = teacher.float(), log_q.exp()
    overlap = torch.minimum(p, q).sum(-1)
    loss = (1 - tv) * -(p * log_q).sum(-1) + tv * 2 * (1 - overlap)
    under = (q < p).float()
    slope = (1 - tv) * (q * p.sum(-1, keepdim=True) - p) - 2 * tv * q * (under - (q * under).sum(-1, keepdim=True))
    return loss, overlap, slope.to(logits.dtype)


class Distil(torch.autograd.Function):
    """Loss and overlap of every row of `said`; only one tensor as large as the logits is kept for the way back."""

    @staticmethod
    def forward(ctx, said, head, teacher, tv):
        loss, overlap, slope = slopes(F.linear(said, head), teacher, tv)
        ctx.save_for_backward(said, head, slope)
        ctx.mark_non_differentiable(overlap)
        return loss, overlap

    @staticmethod
    def backward(ctx, grad, _):
        said, head, slope = ctx.saved_tensors
        grad, slope = grad.to(slope.dtype)[..., None], slope.flatten(0, 1)
        return (slope @ head).view_as(said) * grad, slope.mT @ (said * grad).flatten(0, 1), None, None


def step_weights(overlaps, tv):
    """Of every step and base. With the total variation comes the slope of tokens per pass by the overlap of the step: the
    chance that the chain reaches it, times what it leads to."""
    leads_to = [1.0]
    for overlap in reversed(overlaps[1:]):
        leads_to.insert(0, 1 + overlap * leads_to[0])
    reach, weights = 1.0, []
    for fixed, overlap, ahead in zip(STEP_WEIGHTS, overlaps, leads_to):
        weights.append((1 - tv) * fixed + tv * reach * ahead)
        reach = reach * overlap
    return weights


def train(target, windows, head, head_ids, args, save):
    lm_head = target.lm_head.weight.detach()
    unsaid = torch.ones(len(lm_head), dtype=torch.bool, device=DEVICE).index_fill_(0, head_ids, False)
    rows = torch.cat([lm_head[head_ids], lm_head[unsaid]]).bfloat16()
    matrices, step = torch.compile(head.matrices), torch.compile(head.step)
    optimizer = Optimizer([head])
    clock, tokens, saved, length = Clock(args.minutes, args.resume_at), 0, 0.0, 0
    progress = args.resume_at

    def numbers():
        return {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent, "progress": progress}

    while progress < 1:
        tv = tv_weight(progress)
        wanted = LENGTHS[progress > 1 - LONG_SHARE]
        fresh = wanted != length
        if fresh:
            length = wanted
            masks = [create_block_mask(*chain_mask(s, length), device=DEVICE) for s in range(STEPS)]
            if DEVICE == "cpu":  # compiles no such attention
                masks = [None] * STEPS
            ropes = [chain_rope(head.shape, s, length, DEVICE) for s in range(STEPS)]
        data, states = windows.draw(args.batch // length, length + STEPS)
        with torch.no_grad():
            teacher = said_by_teacher(target.norm, states[..., -MOE.hidden :], rows, len(head_ids))
        w = matrices(torch.bfloat16)
        embedded = F.embedding(data, w["embed_tokens"])
        state, history, losses, overlaps = F.linear(states[:, :length], w["fc"]), [], [], []
        for s in range(STEPS):
            state, said = step(w, state, embedded[:, 1 + s : 1 + s + length], *ropes[s], history, masks[s])
            loss, overlap = Distil.apply(said, w["lm_head"], teacher[:, 1 + s : 1 + s + length], tv)
            losses.append(loss)
            overlaps.append(overlap)
        sum((loss * weight).mean() for loss, weight in zip(losses, step_weights(overlaps, tv))).backward()
        optimizer.step(factor(progress))
        if fresh or clock.steps < 5:
            clock.pause()
        tokens += data.numel()
        progress = clock.tick()
        if args.tokens:
            progress = tokens / args.tokens / 1e6
        if clock.steps % 100 == 0:
            log(f"eagle3 step {clock.steps} {progress:.3f} {tokens / max(clock.spent, 1) / 1e6:.3f} M/s overlap "
                + " ".join(f"{o.mean().item():.3f}" for o in overlaps))
        if clock.spent - saved > SAVE_SECONDS:
            saved = clock.spent
            save(numbers())
    return numbers()


def accepted_guesses(logits_of_steps, ids, said):
    """How many chained guesses from each base are what `said` [batch, position] has there."""
    kept, alive = 0, True
    for s, logits in enumerate(logits_of_steps):
        end = said.shape[1] - STEPS + s + 1
        guess = ids[logits.argmax(-1)[:, :-1]]
        alive = alive & (guess == said[:, 2 + s : end])
        kept = kept + alive.long()
    return kept


def tokens_per_pass(kept, counted):
    """(tokens, passes) of speculation along windows whose guesses are kept as given."""
    tokens = passes = 0
    for row, counts in zip(kept.tolist(), counted.tolist()):
        first, last = counts.index(True), len(counts) - 1 - counts[::-1].index(True)
        base = first - 1  # the token after the base is final
        while base < min(len(row), last - STEPS):
            tokens += row[base] + 1
            passes += 1
            base += row[base] + 1
    return tokens, passes


def mtp_logits(mtp, head, states, tokens, embedding):
    for carry, _ in mtp(states, tokens, embedding, STEPS, torch.float32):
        yield F.linear(carry, head)


@torch.no_grad()
def measure(target, drafters, held, taps):
    """domain -> drafter -> tokens per pass of chains of STEPS greedy guesses along the held-out text ("text"), and
    share of first guesses that are the target's most probable token ("agree"). drafters: name -> (ids, logits of steps)."""
    result = {}
    for domain, (windows, _) in held.items():
        sums = {name: [0, 0, 0, 0] for name in drafters}
        for tokens, counted in evaluate.batches(windows, target.embed_tokens.device):
            if tokens.shape[1] < STEPS + 2:
                continue
            states, tapped = hidden_and_taps(target, tokens, taps, torch.float32)
            best = target.lm_head(states).argmax(-1)
            for name, (ids, logits) in drafters.items():
                steps = list(logits(states, tapped, tokens))
                sums[name][:2] = (a + b for a, b in zip(sums[name], tokens_per_pass(accepted_guesses(steps, ids, tokens), counted)))
                first = steps[0][:, :-1]
                agree = ids[first.argmax(-1)] == best[:, 1 : 1 + first.shape[1]]
                where = counted[:, 2 : 2 + first.shape[1]]
                sums[name][2] += agree[where].sum().item()
                sums[name][3] += where.sum().item()
        result[domain] = {n: {"text": t / p, "agree": a / c} for n, (t, p, a, c) in sums.items()}
    for name in drafters:
        log(name, {d: {k: round(v, 4) for k, v in r[name].items()} for d, r in result.items()}, "mean",
            round(sum(r[name]["text"] for r in result.values()) / len(result), 4))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=19.2)
    parser.add_argument("--tokens", type=float)
    parser.add_argument("--batch", type=int, default=65536)
    parser.add_argument("--windows", type=int)
    parser.add_argument("--resume-at", type=float, metavar="PROGRESS", default=0.0)
    parser.add_argument("--from", type=pathlib.Path, dest="before")
    shape = EagleShape()
    parser.add_argument("--taps", default=",".join(map(str, shape.taps)))
    parser.add_argument("--heads", type=int, default=shape.heads)
    parser.add_argument("--kv-heads", type=int, default=shape.kv_heads)
    parser.add_argument("--width", type=int, default=shape.intermediate)
    parser.add_argument("--draft-vocab", type=int, default=shape.draft_vocab)
    parser.add_argument("--sample", type=int, default=96)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    taps = tuple(int(layer) for layer in args.taps.split(","))
    shape = EagleShape(heads=args.heads, kv_heads=args.kv_heads, intermediate=args.width, draft_vocab=args.draft_vocab, taps=taps)
    ratio = eagle3.step_bytes(shape) / pass_bytes(MOE, MOE.vocab_size)
    log(shape, f"a step reads {eagle3.step_bytes(shape):,.0f} bytes, {ratio:.2%} of a plain pass")

    streams, held = prepare(args.corpus, args.models / "demo-moe/tokenizer.json", args.data)
    if args.minutes == 0:
        return
    held = evaluate.sample(held, args.sample)
    shipped = load_file(args.models / "demo-moe/model.safetensors")
    target = load_target(MOE, shipped, DEVICE).requires_grad_(False)
    for layer in target.layers:
        layer.compile()
    windows = TaughtWindows(streams, target, taps, args.windows)

    torch.manual_seed(SEED + 4)
    head = Eagle3(shape).to(DEVICE)
    head_ids = most_frequent(streams, args.draft_vocab).to(DEVICE)
    if args.resume_at:
        head.load_state_dict(torch.load(args.before / "eagle3.pt", map_location=DEVICE))
    else:
        with torch.no_grad():
            head.lm_head.weight.copy_(target.lm_head.weight[head_ids])
            head.embed_tokens.weight.copy_(target.embed_tokens)
        scale_taps(head, windows)

    def save(numbers):
        torch.save(head.state_dict(), args.out / "eagle3.pt.new")
        (args.out / "eagle3.pt.new").rename(args.out / "eagle3.pt")
        (args.out / "eagle3.json").write_text(json.dumps(numbers, indent=2) + "\n")

    numbers = train(target, windows, head, head_ids, args, save)
    save(numbers)
    tensors = eagle3.export(head, head_ids)
    save_file(tensors, args.out / "eagle3.safetensors")

    ids = f"model.layers.{MOE.layers}.shared_head.d2t"
    mtp_ids = (shipped[ids] + torch.arange(len(shipped[ids]))).to(DEVICE)
    mtp = load_mtp(MOE, shipped, DEVICE).requires_grad_(False)
    mtp_head = target.lm_head.weight[mtp_ids]
    on_grid = eagle3.restore(tensors, shape)[0].to(DEVICE)
    drafters = {
        "eagle3": (head_ids, lambda states, tapped, tokens: on_grid(tapped, tokens, STEPS)),
        "mtp": (mtp_ids, lambda states, tapped, tokens: mtp_logits(mtp, mtp_head, states, tokens, target.embed_tokens)),
    }
    with torch.compiler.set_stance("force_eager"):
        numbers["held_out"] = measure(target, drafters, held, taps)
    numbers |= {"windows": {d: len(w) for d, (w, _) in held.items()}, "taps": taps, "shares": SHARES}
    numbers |= {"step_bytes": eagle3.step_bytes(shape), "plain_pass_bytes": pass_bytes(MOE, MOE.vocab_size)}
    save(numbers)
    log("done")


if __name__ == "__main__":
    main()
