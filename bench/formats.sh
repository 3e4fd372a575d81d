#!/usr/bin/env bash
# What each weight format costs, and whether mlx-lm reads what `specdec convert` writes: writes docs/formats.md.
#   bench/formats.sh [arguments of bench/formats.py]
# Installs mlx and mlx-lm (CPU builds) into a virtual environment below $SPECDEC_FORMATS (default /tmp/specdec-formats),
# with about 1 GB of checkpoints.
set -euo pipefail

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly data=${SPECDEC_FORMATS:-/tmp/specdec-formats}
readonly python=$data/venv/bin/python

mkdir -p "$data"
"$root/dev" build >&2
cmake --build "$root/build/release" --target kernels_bench >&2
if ! "$python" -c 'import mlx_lm, tokenizers' 2>/dev/null; then
  python3 -m venv "$data/venv"
  "$data/venv/bin/pip" install -q 'mlx[cpu]==0.32.4' mlx-lm==0.32.2 numpy tokenizers safetensors >&2
fi
exec "$python" "$root/bench/formats.py" --data "$data" "$@"
