#!/usr/bin/env bash
# Models of true shapes and no meaning, as large as memory and larger, opened, decoded and speculated with:
#   SPECDEC_SCALE=DIR bench/scale.sh      DIR gets 17 GB, then 33 GB, of which the larger one stays no longer than its run
# Prints what `specdec run` says of speed, memory and loading.
set -euo pipefail

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly specdec=$root/build/release/specdec
readonly place=${SPECDEC_SCALE:?name a directory with 33 GB to spare: SPECDEC_SCALE=DIR bench/scale.sh}
readonly draft=$place/draft
mkdir -p "$place"

# try NAME CONFIG LAYERS: writes, runs plain and with a small dense draft model of the same vocabulary, removes.
try() {
  local model=$place/$1
  echo "== $1"
  "$specdec" synth --like "$2" --layers "$3" --experts affine4g64 --rest affine4g64 "$model"
  for drafter in none "small:$draft,k=3"; do
    "$specdec" run --target "$model" --draft "$drafter" --prompt-tokens 1,2,3,4,5,6,7,8 --max-tokens 8 --ignore-eos |
      grep -E 'this run|with guesses|plain decoding|identical|reading the prompt|memory of the process|loading experts'
  done
  rm -r "$model"
}

trap 'rm -rf "$draft"' EXIT
"$specdec" synth --like "$root/bench/shapes/qwen3-0.6b/config.json" --layers 2 --rest affine4g64 "$draft"
try qwen3-30b-a3b-shaped "$root/bench/shapes/qwen3-30b-a3b/config.json" 48
try twice-as-large "$root/bench/shapes/qwen3-30b-a3b/config.json" 92
