"""Trains demo-eagle3 for the shipped demo-moe on one GPU, and measures it beside the MTP layer.

    python3 train_eagle3.py --corpus CORPUS_DIR --models MODELS_DIR --out OUT_DIR [--minutes M] [--resume-at P --from DIR]
                            [--taps A,B,C --heads N --kv-heads N --width N --draft-vocab N --dropout P]
                            [--data FILE] [--sample WINDOWS]

The teacher is demo-moe as shipped, dequantised. The head is trained as it drafts (training-time test): STEPS chained
steps, each on the states that it made itself. The schedule runs on the clock.
Outputs: eagle3.safetensors in the shipped format, eagle3.json (training and measurements), eagle3.pt (float32), the last
two every 20 s. --resume-at: starts from --from, the outputs of an earlier run, at this part of the schedule (0 to 1).
--data: keeps the tokenised corpus in this file, or reads it from there.
"""

import argparse
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import eagle3
import evaluate
from data import Windows, bpe_stream, read_corpus
from eagle3 import Eagle3, EagleShape, hidden_and_taps
from model import MOE, rope_table
from optim import Optimizer
from quantize import load_mtp, load_target, pass_bytes
from text import DOMAINS
from train import DEVICE, EOS, SEED, Clock, distil, drafter_windows, factor, log, tv_weight

STEPS = 4
STEP_WEIGHTS = (1.0, 0.8, 0.6, 0.5)
REPEATS = {"code": 2, "structured": 1, "documentation": 3, "prose": 1}
SAVE_SECONDS = 20


def most_frequent(stream, count):
    counts = torch.bincount(stream.long(), minlength=MOE.vocab_size)
    counts[EOS] = counts.max()
    ids = counts.argsort(descending=True)[:count].sort().values
    log(f"{count} draft ids are {counts[ids].sum() / counts.sum():.4%} of the training stream")
    return ids


def prepare(corpus_folder, bpe_file, file):
    """(training stream, held-out windows by domain), kept in `file` if there is one."""
    if file and file.exists():
        return torch.load(file)
    corpus = read_corpus(corpus_folder)
    streams = []
    for source, (_, train) in corpus.items():
        streams += [bpe_stream(bpe_file, [text for _, text in train])] * REPEATS[DOMAINS[source]]
    data = torch.cat(streams), evaluate.heldout(corpus, bpe_file)
    if file:
        torch.save(data, file)
    return data


@torch.no_grad()
def scale_taps(target, head, windows):
    _, taps = hidden_and_taps(target, windows.draw(16, 512), head.shape.taps)
    sizes = taps.float().unflatten(-1, (3, -1)).square().mean((0, 1, 3)).sqrt()
    head.tap_scale.copy_(1 / sizes)
    log("size of the tapped states", [round(s, 3) for s in sizes.tolist()])


def train(target, windows, head, head_ids, minutes, start, save):
    for layer in target.layers:
        layer.compile()
    lm_head = target.lm_head.weight.detach()
    step, logits_of = torch.compile(head.step), torch.compile(head.logits)
    optimizer = Optimizer([head])
    clock, progress, tokens, saved, seen = Clock(minutes, start), start, 0, 0.0, 0
    while progress < 1:
        tv = tv_weight(progress)
        batch, length = drafter_windows(progress)
        data = windows.draw(batch, length)
        with torch.no_grad():
            states, taps = hidden_and_taps(target, data, head.shape.taps)
            teacher = F.linear(states, lm_head.bfloat16()).float().softmax(-1)[..., head_ids]
        bases = length - STEPS
        state, history, loss, overlaps = head.join(taps[:, :bases]), [], 0.0, []
        for s in range(STEPS):
            cos, sin = rope_table(head.shape, torch.arange(s, s + bases, device=DEVICE)[None])
            embedded = F.embedding(data[:, 1 + s : 1 + s + bases], target.embed_tokens).bfloat16()
            state = step(state, embedded, cos, sin, history)
            part, overlap = distil(logits_of(state), teacher[:, 1 + s : 1 + s + bases], tv)
            loss = loss + STEP_WEIGHTS[s] * part
            overlaps.append(overlap.detach())
        loss.backward()
        optimizer.step(factor(progress))
        if clock.steps < 5 or length != seen:
            clock.pause()
        seen = length
        tokens += data.numel()
        progress = clock.tick()
        if clock.steps % 100 == 0:
            log(f"eagle3 step {clock.steps} {progress:.3f} {tokens / max(clock.spent, 1) / 1e6:.3f} M/s overlap "
                + " ".join(f"{o.item():.3f}" for o in overlaps))
        if clock.spent - saved > SAVE_SECONDS:
            saved = clock.spent
            save({"tokens": tokens, "steps": clock.steps, "seconds": clock.spent, "progress": progress})
    return {"tokens": tokens, "steps": clock.steps, "seconds": clock.spent, "progress": progress}


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
    parser.add_argument("--minutes", type=float, default=14.5)
    parser.add_argument("--resume-at", type=float, metavar="PROGRESS", default=0.0)
    shape = EagleShape()
    parser.add_argument("--taps", default=",".join(map(str, shape.taps)))
    parser.add_argument("--heads", type=int, default=shape.heads)
    parser.add_argument("--kv-heads", type=int, default=shape.kv_heads)
    parser.add_argument("--width", type=int, default=shape.intermediate)
    parser.add_argument("--draft-vocab", type=int, default=shape.draft_vocab)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--from", type=pathlib.Path, dest="before")
    parser.add_argument("--sample", type=int, default=96)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    taps = tuple(int(layer) for layer in args.taps.split(","))
    shape = EagleShape(heads=args.heads, kv_heads=args.kv_heads, intermediate=args.width, draft_vocab=args.draft_vocab, taps=taps)
    ratio = eagle3.step_bytes(shape) / pass_bytes(MOE, MOE.vocab_size)
    log(shape, f"a step reads {eagle3.step_bytes(shape):,.0f} bytes, {ratio:.2%} of a plain pass")

    stream, held = prepare(args.corpus, args.models / "demo-moe/tokenizer.json", args.data)
    if args.minutes == 0:
        return
    windows, held = Windows(stream, SEED + 4, DEVICE), evaluate.sample(held, args.sample)
    if args.resume_at:
        offsets = load_file(args.before / "eagle3.safetensors")["d2t"]
        head_ids = (offsets + torch.arange(len(offsets))).to(DEVICE)
    else:
        head_ids = most_frequent(stream, args.draft_vocab).to(DEVICE)
    shipped = load_file(args.models / "demo-moe/model.safetensors")
    target = load_target(MOE, shipped, DEVICE).requires_grad_(False)

    torch.manual_seed(SEED + 4)
    head = Eagle3(shape).to(DEVICE)
    head.dropout = args.dropout
    with torch.no_grad():
        head.lm_head.weight.copy_(target.lm_head.weight[head_ids])
    if args.resume_at:
        head.load_state_dict(torch.load(args.before / "eagle3.pt", map_location=DEVICE))
    else:
        scale_taps(target, head, windows)

    def save(numbers):
        torch.save(head.state_dict(), args.out / "eagle3.pt.new")
        (args.out / "eagle3.pt.new").rename(args.out / "eagle3.pt")
        (args.out / "eagle3.json").write_text(json.dumps(numbers, indent=2) + "\n")

    numbers = train(target, windows, head, head_ids, args.minutes, args.resume_at, save)
    save(numbers)
    tensors = eagle3.export(head, head_ids, MOE.vocab_size)
    save_file(tensors, args.out / "eagle3.safetensors")

    ids = f"model.layers.{MOE.layers}.shared_head.d2t"
    mtp_ids = (shipped[ids] + torch.arange(len(shipped[ids]))).to(DEVICE)
    mtp = load_mtp(MOE, shipped, DEVICE).requires_grad_(False)
    mtp_head = target.lm_head.weight[mtp_ids]
    on_grid = eagle3.restore(tensors, shape)[0].to(DEVICE).requires_grad_(False)
    drafters = {
        "eagle3": (head_ids, lambda states, tapped, tokens: on_grid(tapped, tokens, target.embed_tokens, STEPS)),
        "mtp": (mtp_ids, lambda states, tapped, tokens: mtp_logits(mtp, mtp_head, states, tokens, target.embed_tokens)),
    }
    with torch.compiler.set_stance("force_eager"):
        numbers["held_out"] = measure(target, drafters, held, taps)
    numbers |= {"windows": {d: len(w) for d, (w, _) in held.items()}, "taps": taps, "dropout": args.dropout}
    numbers |= {"step_bytes": eagle3.step_bytes(shape), "plain_pass_bytes": pass_bytes(MOE, MOE.vocab_size)}
    save(numbers)
    log("done")


if __name__ == "__main__":
    main()
