#!/usr/bin/env bash
# What a sweep costs beside what it measures: the share of its time that is not decoding, and the size of its store
# without per-step traces.
#   bench/sweep_overhead.sh [ARMS [REPEATS]]   by default 20 x 10 = 200 trials of 2 s and more: 10 minutes
set -euo pipefail

readonly arms=${1:-20} repeats=${2:-10}
readonly specdec=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release/specdec
at=$(mktemp -d)
readonly at
trap 'rm -r "$at"' EXIT

cat >"$at/overhead.json" <<END
{"name": "overhead",
 "options": {"target": "demo-moe", "prompts": "domains", "prompts_per_domain": 6, "max_tokens": 320, "ignore_eos": true},
 "product": {"draft": ["mtp", "ngram"], "k": [$(seq -s, $(((arms + 1) / 2)))]},
 "repeats": $repeats}
END
"$specdec" sweep "$at/overhead.json" --store "$at/overhead.db" | tail -n 2 | head -n 1
python3 - "$at/overhead.db" <<'END'
import json, os, sqlite3, statistics, sys
path = sys.argv[1]
store = sqlite3.connect(path)
times = ("prefill_s", "guess_s", "look_s", "judge_s", "keep_s", "tell_s")
trials = {number: [wall_s, 0.0] for number, wall_s in store.execute("SELECT id, wall_s FROM trial")}
for number, *both in store.execute("SELECT trial, guessed, plain FROM text"):
    trials[number][1] += sum(json.loads(facts)[time] for facts in both for time in times)
shares = [100 * (1 - measured_s / wall_s) for wall_s, measured_s in trials.values()]
print(f"{len(trials)} trials, the shortest of {min(wall_s for wall_s, _ in trials.values()):.2f} s; of the median trial "
      f"{statistics.median(shares):.2f} % is not decoding; the store has {os.path.getsize(path) / 1e6:.2f} MB")
END
