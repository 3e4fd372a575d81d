#!/usr/bin/env bash
# What `specdec probe` finds on this machine for the experts of several models, and beside it what whole passes of a model
# reach (`specdec bench` on random weights of bench/shapes/a3b-mini), in turn: Markdown, the measured part of
# docs/probe.md.
#   bench/probe.sh DIR       DIR gets up to 6 GB for the run
# MODELS and PATIENCE (seconds for each) change what is run; PICTURES names a directory for an SVG of each model.
set -euo pipefail

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly specdec=$root/build/release/specdec
readonly place=${1:?name a directory with 6 GB to spare}
readonly seconds=${PATIENCE:-20}
readonly work=$(mktemp -d)
readonly mini=$place/a3b-mini
trap 'rm -rf "$work" "$mini"' EXIT

for model in ${MODELS:-qwen3-30b-a3b:affine4g64 qwen3-30b-a3b:bf16 qwen3.5-35b-a3b:affine4g64 gpt-oss-20b:mxfp4 \
  glm-5.2:mxfp4 kimi-k2.5:affine4g32 nemotron-3-super:affine4g64 mixtral-8x7b:affine4g64}; do
  name=${model%%:*} format=${model##*:}
  "$specdec" probe --like "$name" --format "$format" --seconds "$seconds" --directory "$place" --json "$work/probe,$name,$format" \
    ${PICTURES:+--svg "$PICTURES/probe-$name-$format.svg"} >/dev/null
done
"$specdec" synth --like "$root/bench/shapes/a3b-mini/config.json" "$mini" >&2
for turn in 1 2 3; do
  "$specdec" bench --model "$mini" --widths 1,2 --prefill-steps 16 --context 16 --json "$work/bench,$turn" >/dev/null
  "$specdec" probe --like "$mini" --memory-only --seconds 6 --directory "$place" --json "$work/mini,$turn" >/dev/null
done
python3 - "$work" <<'PYTHON'
import json, pathlib, statistics, sys

work = pathlib.Path(sys.argv[1])
probes = [json.loads(path.read_text()) for path in sorted(work.glob("probe,*"), key=lambda path: path.stat().st_mtime)]
origin = probes[0]["probe"]
machine = origin["machine"]
print(f"specdec {origin['version']}, {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
      f"{machine['instruction_set']}, last-level cache {machine['last_level_cache_bytes'] / 1e6:.0f} MB, {origin['date']}.\n")
widths = [1, 2, 4, 8, 16]
print("Milliseconds of a layer, experts in memory:\n")
print("| experts | routing | " + " | ".join(f"w={w}" for w in widths) + " | distinct experts at w=8 |")
print("|---|---|" + "---|" * (len(widths) + 1))
def points(probe, routing, key="points"):
    return {p["rows"]: p for p in probe[key] if p["routing"] == routing}
for probe in probes:
    shape = probe["shape"]
    label = (f"{shape['name']}, {probe['format']} ({shape['hidden']} x {shape['width']}, {shape['experts_per_token']} of "
             f"{shape['experts']}{'' if shape['gated'] else ', no gate'})")
    for routing in ("same", "disjoint", "uniform", "natural"):
        found = points(probe, routing)
        cells = [f"{1e3 * found[w]['seconds']:.3g}" if w in found else "-" for w in widths]
        print(f"| {label if routing == 'same' else ''} | {routing} | " + " | ".join(cells)
              + f" | {found[8]['experts']:.0f} |" if 8 in found else f"| | {routing} | " + " | ".join(cells) + " | - |")
def interval(values, scale, digits):
    return f"{values[0] * scale:.{digits}f} ({values[1] * scale:.{digits}f} to {values[2] * scale:.{digits}f})"
def inverse(values):
    return [1 / values[0] if values[0] else 0, 1 / values[2] if values[2] else 0, 1 / values[1] if values[1] else 0]
print("\nCosts fitted to all four curves, with 95 % intervals:\n")
print("| experts | bytes of the union come at, GB/s | memory reads, GB/s | a further row on an expert, us (times its bytes) "
      "| more than one row, us | fixed, us | fit off, middle and most | disjoint rows come at, GB/s (of memory) | w=1 of the roofline |")
print("|---|---|---|---|---|---|---|---|---|")
for probe in probes:
    costs, read = probe["costs"], probe["read_bytes_per_s"]
    of_bytes = costs["slot_s"][0] / (costs["union_s_per_byte"][0] * probe["expert_bytes"]) if costs["union_s_per_byte"][0] else 0
    print(f"| {probe['shape']['name']}, {probe['format']} | {interval(inverse(costs['union_s_per_byte']), 1e-9, 1)} "
          f"| {interval(read, 1e-9, 1)} | {interval(costs['slot_s'], 1e6, 1)} ({of_bytes:.2f}) "
          f"| {interval(costs['width_switch_s'], 1e6, 0)} | {interval(costs['fixed_s'], 1e6, 0)} "
          f"| {100 * costs['median_error']:.0f} %, {100 * costs['worst_error']:.0f} % "
          f"| {probe['disjoint_slope_bytes_per_s'][0] / 1e9:.1f} ({100 * probe['disjoint_slope_bytes_per_s'][0] / read[0]:.0f} %) "
          f"| {100 * probe['roofline_share'][0]:.0f} % |")
print("\nThe same from disk, milliseconds of a layer none of whose experts is in memory:\n")
print("| experts | same, w=1 | same, w=8 | disjoint, w=4 | natural, w=4 | further experts come at, MB/s | packing is, of 16 at once |")
print("|---|---|---|---|---|---|---|")
for probe in probes:
    if not probe["loads"]:
        continue
    def cell(routing, w):
        found = points(probe, routing, "points_from_disk")
        return f"{1e3 * found[w]['seconds']:.3g}" if w in found else "-"
    packing = [load["packing_share"] for load in probe["loads"] if load["experts"] in (13, 16, 19)]
    print(f"| {probe['shape']['name']}, {probe['format']} | {cell('same', 1)} | {cell('same', 8)} | {cell('disjoint', 4)} "
          f"| {cell('natural', 4)} | {probe['disk_bytes_per_s'] / 1e6:.0f} | "
          + (f"{100 * packing[-1]:.0f} % |" if packing else "- |"))
ratios, rows = [], []
for turn in (1, 2, 3):
    bench = json.loads((work / f"bench,{turn}").read_text())
    probe = json.loads((work / f"mini,{turn}").read_text())
    whole = bench["passes"][0]["bytes_per_s"] / bench["memory_bytes_per_s_by_threads"][-1]
    layer = probe["disjoint_slope_bytes_per_s"][0] / probe["read_bytes_per_s"][0]
    fitted = 1 / probe["costs"]["union_s_per_byte"][0] / probe["read_bytes_per_s"][0]
    rows.append((bench["passes"][0]["bytes_per_s"], whole, probe["disjoint_slope_bytes_per_s"][0], layer, fitted))
    ratios.append(layer / whole)
print("\nWhole passes of one row of random weights of bench/shapes/a3b-mini (affine4g64) beside disjoint rows of its experts, in turn:\n")
print("| turn | a whole pass reads, GB/s (of what memory reads) | disjoint rows come at, GB/s (of what memory reads) | fitted bytes of the union, of what memory reads |")
print("|---|---|---|---|")
for turn, (rate, whole, slope, layer, fitted) in enumerate(rows, 1):
    print(f"| {turn} | {rate / 1e9:.1f} ({100 * whole:.0f} %) | {slope / 1e9:.1f} ({100 * layer:.0f} %) | {100 * fitted:.0f} % |")
print(f"\nShare of disjoint rows over share of whole passes, median: {statistics.median(ratios):.2f}.")
PYTHON
