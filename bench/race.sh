#!/usr/bin/env bash
# Races specdec against llama.cpp on this machine: the same random weights, the same bits, pairs in turn.
#   bench/race.sh [arguments of bench/peers/race.py, such as --cases a3b-mini-4 --pairs 9]
# Installs llama.cpp (built for this machine) and gguf into a virtual environment, writes the checkpoints once, about
# 30 GB, below $SPECDEC_RACE (default /tmp/specdec-race), and prints Markdown; figures go to $SPECDEC_RACE/race.json.
set -euo pipefail

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly data=${SPECDEC_RACE:-/tmp/specdec-race}
readonly python=$data/venv/bin/python
readonly specdec=$root/build/release/specdec

# case, directory of its shape, format of the experts, of the rest
readonly cases=(
  "a3b-mini-4 bench/shapes/a3b-mini affine4g64 affine4g64" "a3b-mini-8 bench/shapes/a3b-mini affine8g64 affine8g64"
  "dense-4 bench/shapes/qwen3-0.6b affine4g64 affine4g64" "dense-8 bench/shapes/qwen3-0.6b affine8g64 affine8g64"
  "dense-16 bench/shapes/qwen3-0.6b bf16 bf16" "demo-moe models/demo-moe affine4g64 affine8g64"
)

mkdir -p "$data/models"
"$root/dev" build >&2
cmake --build "$root/build/release" --target ours >&2
if ! "$python" -c 'import gguf, llama_cpp' 2>/dev/null; then
  python3 -m venv "$data/venv"
  # From source, so that it is compiled for this CPU (GGML_NATIVE) and not for all.
  CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DCMAKE_BUILD_TYPE=Release" "$data/venv/bin/pip" install \
    --no-binary llama-cpp-python llama-cpp-python==0.3.36 gguf==0.19.0 numpy >&2
fi
for case in "${cases[@]}"; do
  read -r name shape experts rest <<<"$case"
  [ -d "$data/models/$name" ] ||
    "$specdec" synth --like "$root/$shape/config.json" --experts "$experts" --rest "$rest" "$data/models/$name" >&2
  [ -f "$data/models/$name.gguf" ] || {
    "$python" "$root/bench/peers/to_gguf.py" "$data/models/$name" "$data/models/$name.partial" >&2
    mv "$data/models/$name.partial" "$data/models/$name.gguf"
  }
done
exec "$python" "$root/bench/peers/race.py" --data "$data/models" --ours "$root/build/release/ours" \
  --specdec "$specdec" --json "$data/race.json" "$@"
