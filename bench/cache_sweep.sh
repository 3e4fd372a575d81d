#!/usr/bin/env bash
# Decoding with a part of the experts in memory, with and without guesses, for budgets of 10 to 100 %, beside what
# `specdec experts` predicts from runs with all of them in memory and from `specdec probe`:
#   bench/cache_sweep.sh                        demo-moe, guessing with its MTP layer
#   SPECDEC_SCALE=DIR bench/cache_sweep.sh big  an 8B mixture of experts of random weights, 7 of 10 guesses right; DIR gets
#                                               4.2 GB for the run
# Prints tables in Markdown: figures of a budget are medians of REPEATS runs, all ways of reading ahead in turn. DRAFT,
# POLICY, BUDGETS and TOKENS change what is run.
set -euo pipefail

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly specdec=$root/build/release/specdec
readonly policy=${POLICY:-lru}
readonly budgets=${BUDGETS:-10% 25% 40% 55% 70% 85% 100%}
readonly work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "${1:-}" = big ]; then
  readonly place=${SPECDEC_SCALE:?name a directory with 5 GB to spare: SPECDEC_SCALE=DIR bench/cache_sweep.sh big}
  readonly repeats=${REPEATS:-1} target=$place/moe-8b draft=replay,text=$work/plain.jsonl,right=0.7,k=3
  trap 'rm -rf "$work" "$place/moe-8b"' EXIT
  "$specdec" synth --like "$root/bench/shapes/moe-8b/config.json" --experts affine4g64 --rest affine4g64 "$target" >&2
  # Random weights end in loops when the likeliest token is taken. At temperature 1 a guess must be what plain decoding
  # draws: no drafter gives more.
  readonly text=(--max-tokens "${TOKENS:-24}" --ignore-eos --temperature 1 --rule matched
    --prompt-tokens "$(seq 0 255 | paste -sd,)")
  readonly probe=(--like "$target" --memory 800MB --directory "$place" --seconds 8)
else
  readonly repeats=${REPEATS:-3} target=demo-moe draft=${DRAFT:-mtp,k=3}
  readonly text=(--max-tokens "${TOKENS:-96}" --ignore-eos)
  readonly probe=(--like "$root/models/demo-moe" --seconds 6)
fi

run() { "$specdec" run --target "$target" "${text[@]}" --expert-policy "$policy" "$@" >/dev/null; }

# All of a block follow one another within seconds, so that a machine that changes its pace changes it for all of them.
resident() {
  run --draft none --expert-cache 100% --trace "$work/plain.jsonl"
  run --draft "$draft" --expert-cache 100% --trace "$work/guessed.jsonl"
}
resident
for repeat in $(seq "$repeats"); do
  for budget in $budgets; do
    resident
    "$specdec" probe "${probe[@]}" --widths 1,2,4 --json "$work/probe" >/dev/null 2>&1
    for prefetch in none draft next-layer; do
      run --draft "$draft" --expert-cache "$budget" --expert-prefetch "$prefetch" --json "$work/run,$budget,$prefetch,$repeat"
    done
    "$specdec" experts --trace "$work/guessed.jsonl" --plain "$work/plain.jsonl" --policy "$policy" --budget "$budget" \
      --probe "$work/probe" --measured "$work/run,$budget,none,$repeat" --json "$work/predicted,$budget,$repeat" >/dev/null
  done
done
python3 - "$work" "$target" "$draft" "$policy" <<'PYTHON'
import json, pathlib, statistics, sys

work, target, draft, policy = sys.argv[1:]
work = pathlib.Path(work)
ways = ["none", "draft", "next-layer"]
runs = {}
for path in work.glob("run,*"):
    _, budget, prefetch, _ = path.name.split(",")
    runs.setdefault((float(budget.rstrip("%")), prefetch), []).append(json.loads(path.read_text()))
name = pathlib.Path(target).name
print(f"{name}, {draft.replace(str(work) + '/', '')}, {policy}\n")
print("| budget | hits plain | hits | MB/token plain | MB/token | plain tokens/s: predicted (measured) | off "
      "| tokens/s with guesses: predicted (measured) | off | speed-up: predicted (measured) | off |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
errors, curves = [], {"predicted": [], "measured": []}
blocks = {}
for path in work.glob("predicted,*"):
    line = json.loads(path.read_text())["table"][0]
    blocks.setdefault(line["share"], []).append(line)
for share, lines in sorted(blocks.items()):
    cells = []
    def of(line, what):
        sides = [line["plain"][f"{what}_tokens_per_s"], line[f"{what}_tokens_per_s"]]
        return sides + [sides[1] / sides[0]]
    for i in range(3):
        predicted, measured = (statistics.median(of(line, what)[i] for line in lines) for what in ("predicted", "measured"))
        off = statistics.median(of(line, "predicted")[i] / of(line, "measured")[i] for line in lines) - 1
        digits = 2 if measured < 30 else 0
        cells += [f"{predicted:.{digits}f} ({measured:.{digits}f})", f"{100 * off:+.0f} %"]
        errors.append(abs(off))
    for what in curves:
        curves[what].append((share, statistics.median(of(line, what)[2] for line in lines)))
    line, plain = lines[0], lines[0]["plain"]
    print(f"| {100 * share:.0f} % | {100 * plain['hit_rate']:.0f} % | {100 * line['hit_rate']:.0f} % "
          f"| {plain['bytes_per_token'] / 1e6:.2f} | {line['bytes_per_token'] / 1e6:.2f} | " + " | ".join(cells) + " |")
print(f"\nPredictions are off by {100 * statistics.median(errors):.0f} % in the middle and {100 * max(errors):.0f} % at most "
      f"({sum(error <= 0.15 for error in errors)} of {len(errors)} within 15 %).")
for what, curve in curves.items():
    crossings = [a[0] + (b[0] - a[0]) * (1 - a[1]) / (b[1] - a[1]) for a, b in zip(curve, curve[1:]) if (a[1] > 1) != (b[1] > 1)]
    pays = "pays" if curve[0][1] > 1 else "does not pay"
    print(f"{what.capitalize()}: at the smallest budget guessing {pays}" + "".join(f"; it changes at {100 * x:.0f} %" for x in crossings) + ".")
print("\n| budget | read ahead | plain tokens/s | with guesses | speed-up | MB/token | waited | experts read ahead | of them used | MB there before they were wanted |")
print("|---|---|---|---|---|---|---|---|---|---|")
for (budget, prefetch), found in sorted(runs.items(), key=lambda item: (item[0][0], ways.index(item[0][1]))):
    if budget == 100 and prefetch != "none":
        continue
    def figure(key, scale=1.0):
        return statistics.median(run["figures"].get(key) or 0 for run in found) * scale
    total = figure("tokens") / max(figure("tokens_per_s"), 1e-9)
    used = statistics.median(sum(layer["prefetched_used"] for layer in run["expert_traffic_by_layer"]) for run in found)
    digits = 2 if figure("tokens_per_s") < 30 else 0
    print(f"| {budget:.0f} % | {prefetch} | {figure('plain_tokens_per_s'):.{digits}f} | {figure('tokens_per_s'):.{digits}f} "
          f"| {figure('speed_up'):.2f} | {figure('reloaded_bytes_per_token', 1e-6):.2f} "
          f"| {100 * figure('expert_stall_s') / total:.0f} % | {figure('experts_prefetched'):.0f} | {used:.0f} "
          f"| {figure('expert_overlapped_bytes', 1e-6):.1f} |")
PYTHON
