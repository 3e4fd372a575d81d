"""Races specdec against llama.cpp on the same weights: pairs in turn, a bandwidth probe before and after each.

    race.py --data DIR --ours build/release/ours --specdec build/release/specdec --json FILE [--cases a,b] [--pairs N]

DIR holds CASE/ (made by specdec synth) and CASE.gguf (made by to_gguf.py). Prints Markdown.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTHS = [1, 2, 4, 8, 16]
PREFILL = 512
CONTEXT = 200
GUESSES = [1, 2, 3, 5, 7]
DRAFT_S = [0.0027, 0.0003]
ACCEPTANCE = 0.8  # as both sides force it
REPEATS = 5  # passes of a width in one pair
STEPS = 10  # of speculation, for each number of guesses in one pair
FAST_BYTES_PER_S = 75e9  # pairs count for ratios if the probe reads as fast before and after
median = statistics.median


class Side:
    def __init__(self, *command):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.hello = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            exit_code = self.process.wait()
            self.log.seek(0)
            last_words = "".join(self.log.readlines()[-5:])
            raise SystemExit(f"{self.process.args}: ended with exit code {exit_code}:\n{last_words}")
        return json.loads(line)

    def ask(self, **what):
        time.sleep(0.005)  # the other side's threads stop spinning
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def expected_tokens(guesses: int) -> float:
    """Tokens of a step if each guess is accepted with ACCEPTANCE (Leviathan et al. 2023)."""
    return (1 - ACCEPTANCE ** (guesses + 1)) / (1 - ACCEPTANCE)


def compare_logits(args, case: str, theirs: Side, tokens: list[int]) -> float:
    """Correlation of both sides' logits after the same tokens: that they compute the same model."""
    with tempfile.TemporaryDirectory() as directory:
        lists, ours, other = (Path(directory) / name for name in ("tokens.json", "ours.safetensors", "theirs.npy"))
        lists.write_text(json.dumps([tokens]))
        subprocess.run(
            [args.specdec, "logits", "--model", args.data / case, "--tokens", lists, "--out", ours],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.ask(do="logits", tokens=tokens, file=str(other))
        raw = ours.read_bytes()
        data = raw[8 + int.from_bytes(raw[:8], "little") :]
        return float(np.corrcoef(np.frombuffer(data, np.float32), np.load(other).ravel())[0, 1])


class Tokens:
    """Random ids of a model's vocabulary."""

    def __init__(self, vocabulary: int):
        self.dice = random.Random(1)
        self.vocabulary = vocabulary

    def draw(self, count: int) -> list[int]:
        return [self.dice.randrange(self.vocabulary) for _ in range(count)]


def run_pair(ours: Side, theirs: Side, context: list[int], tokens: Tokens, speculate: bool) -> dict:
    theirs.ask(do="context", tokens=context)  # it has one memory; prefill and speculation of the last pair were in it
    pair = {"probe_before": ours.ask(do="probe", patience_s=0.2)["bytes_per_s"], "widths": {}, "guesses": {}}
    for width in WIDTHS:
        asked = [tokens.draw(width) for _ in range(REPEATS)]
        mine, other = ours.ask(do="passes", rows=asked), theirs.ask(do="passes", rows=asked)
        pair["widths"][width] = {
            "ours_s": median(mine["s"]),
            "theirs_s": median(other["s"]),
            "bytes": statistics.mean(mine["bytes"]),
        }
    prompt = tokens.draw(PREFILL)
    mine = ours.ask(do="prefill", tokens=prompt, step=PREFILL)["s"]
    pair["prefill"] = {"ours_s": mine, "theirs_s": theirs.ask(do="prefill", tokens=prompt, step=PREFILL)["s"]}
    for draft_s in DRAFT_S if speculate else []:
        for k in [0, *GUESSES]:
            asked = {"do": "speculate", "tokens": context, "k": k, "draft_s": draft_s, "steps": STEPS}
            mine, other = ours.ask(**asked), theirs.ask(**asked)
            pair["guesses"][f"{draft_s} {k}"] = {
                "ours_s": median(mine["s"]),
                "theirs_s": median(other["s"]),
                "bytes": statistics.mean(mine["bytes"]),
            }
    pair["probe_after"] = ours.ask(do="probe", patience_s=0.2)["bytes_per_s"]
    return pair


def race(args, case: str) -> dict:
    ours = Side(args.ours, args.data / case, args.threads)
    theirs = Side(sys.executable, Path(__file__).parent / "theirs.py", args.data / f"{case}.gguf", args.threads)
    tokens = Tokens(ours.hello["vocabulary"])
    correlation = compare_logits(args, case, theirs, tokens.draw(8))
    context = tokens.draw(CONTEXT)
    ours.ask(do="context", tokens=context)
    run_pair(ours, theirs, context, tokens, False)  # warms up
    pairs = []
    while len(pairs) < args.most_pairs and sum(map(is_fast, pairs)) < args.pairs:
        pairs.append(run_pair(ours, theirs, context, tokens, case in args.speculate))
    ours.close()
    theirs.close()
    return {"case": case, "ours": ours.hello, "theirs": theirs.hello, "correlation": correlation, "pairs": pairs}


def is_fast(pair: dict) -> bool:
    return min(pair["probe_before"], pair["probe_after"]) >= FAST_BYTES_PER_S


def print_case(result: dict) -> None:
    fast = [pair for pair in result["pairs"] if is_fast(pair)]
    pairs = fast or result["pairs"]

    def over(get):
        return median(get(pair) for pair in pairs)

    def probe(pair):
        return (pair["probe_before"] + pair["probe_after"]) / 2

    print(f"\n### {result['case']}\n")
    print(f"{len(fast)} of {len(result['pairs'])} pairs at {FAST_BYTES_PER_S / 1e9:.0f} GB/s or more", end="")
    print("" if fast else "; none: the ratios below are of slow pairs and do not count", end="")
    print(f"; probe {over(probe) / 1e9:.1f} GB/s; correlation of logits {result['correlation']:.5f}\n")
    print("| w | MB | ours ms | theirs ms | theirs / ours | ours T(w)/T(1) | theirs T(w)/T(1) | bytes(w)/bytes(1) "
          "| ours, share of probe | theirs, share of probe |")  # fmt: skip
    print("|---" * 10 + "|")
    for width in WIDTHS:
        def at(pair, key, w=width):
            return pair["widths"][w][key]

        print(
            f"| {width} | {over(lambda p: at(p, 'bytes')) / 1e6:.1f} | {over(lambda p: at(p, 'ours_s')) * 1e3:.2f} "
            f"| {over(lambda p: at(p, 'theirs_s')) * 1e3:.2f} | {over(lambda p: at(p, 'theirs_s') / at(p, 'ours_s')):.2f} "
            f"| {over(lambda p: at(p, 'ours_s') / at(p, 'ours_s', 1)):.2f} "
            f"| {over(lambda p: at(p, 'theirs_s') / at(p, 'theirs_s', 1)):.2f} "
            f"| {over(lambda p: at(p, 'bytes') / at(p, 'bytes', 1)):.2f} "
            f"| {over(lambda p: at(p, 'bytes') / at(p, 'ours_s') / probe(p)):.0%} "
            f"| {over(lambda p: at(p, 'bytes') / at(p, 'theirs_s') / probe(p)):.0%} |"
        )
    print(
        f"\nprefill of {PREFILL}: ours {PREFILL / over(lambda p: p['prefill']['ours_s']):.0f} tokens/s, "
        f"theirs {PREFILL / over(lambda p: p['prefill']['theirs_s']):.0f}, theirs / ours in time "
        f"{over(lambda p: p['prefill']['theirs_s'] / p['prefill']['ours_s']):.2f}"
    )
    if not pairs[0]["guesses"]:
        return
    print(f"\nspeculation, every guess accepted with {ACCEPTANCE}, tokens/s (plain: K = 0; by bytes: what a plain step "
          "says that reading this many bytes takes, and the drafter's time)\n")  # fmt: skip
    print("| draft ms | K | ours | by bytes | ours / by bytes | theirs |\n|---|---|---|---|---|---|")
    for draft_s in DRAFT_S:
        best = {"ours_s": 0.0, "theirs_s": 0.0}
        for k in [0, *GUESSES]:
            def step(pair, key, guesses=k, s=draft_s):
                return pair["guesses"][f"{s} {guesses}"][key]

            def by_bytes(pair):
                return step(pair, "ours_s", 0) * step(pair, "bytes") / step(pair, "bytes", 0) + k * draft_s

            rates = {key: expected_tokens(k) / over(lambda p: step(p, key)) for key in best}
            best = {key: max(best[key], rates[key]) for key in best}
            print(
                f"| {draft_s * 1e3:.1f} | {k} | {rates['ours_s']:.1f} | {expected_tokens(k) / over(by_bytes):.1f} "
                f"| {over(lambda p: by_bytes(p) / step(p, 'ours_s')):.0%} | {rates['theirs_s']:.1f} |"
            )
        print(f"| {draft_s * 1e3:.1f} | best | {best['ours_s']:.1f} | | | {best['theirs_s']:.1f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--specdec", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cases", default="", help="names in DIR, separated by commas; all if not given")
    parser.add_argument("--speculate", default="a3b-mini-4,a3b-mini-8", help="cases that also speculate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=5, help="at full bandwidth")
    parser.add_argument("--most-pairs", type=int, default=15)
    args = parser.parse_args()
    cases = args.cases.split(",") if args.cases else sorted(path.stem for path in args.data.glob("*.gguf"))
    args.speculate = args.speculate.split(",")
    results = []
    for case in cases:
        results.append(race(args, case))
        if len(results) == 1:
            print(f"{results[0]['ours']['name']}; {results[0]['theirs']['name']}; {args.threads} threads; medians")
        print_case(results[-1])
        sys.stdout.flush()
        if args.json:
            args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
