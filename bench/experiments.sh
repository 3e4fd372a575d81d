#!/usr/bin/env bash
# experiments.sh [STORE]: runs the experiments that come along, goes on where STORE ends, and writes their pages to
# docs/experiments/.
set -euo pipefail
readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly store=${1:-$root/build/experiments.db}
for config in "$root"/experiments/configs/*.json; do
  name=$(basename "$config" .json)
  "$root/build/release/specdec" sweep "$name" --store "$store"
  "$root/build/release/specdec" export "$name" --store "$store" --to report --out "$root/docs/experiments"
done
