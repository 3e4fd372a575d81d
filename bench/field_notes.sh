#!/usr/bin/env bash
# What specdec predict says of five systems that people described: docs/field-notes.md, or FILE.
#   bench/field_notes.sh [FILE [PROGRAM]]
set -euo pipefail

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly out=$(realpath -m "${1:-$root/docs/field-notes.md}")
readonly specdec=$(realpath "${2:-$root/build/release/specdec}")
cd "$root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# case NAME ARGUMENT...: runs predict once; its text and JSON are kept under NAME.
case_of() {
  local name=$1
  shift
  echo "specdec predict $*" >"$work/$name.command"
  "$specdec" predict "$@" --json "$work/$name.json" >"$work/$name.txt"
}

mxfp4=(--experts mxfp4 --rest mxfp4)
case_of glm51 --target glm-5 --experts mxfp4 --rest affine8g64 --hardware m3-ultra --machines 2 --plain 0.27
case_of glm51_pipeline --target glm-5 --experts mxfp4 --rest affine8g64 --hardware m3-ultra --machines 2 \
  --parallel pipeline --plain 0.27
case_of glm51_one --target glm-5 --experts mxfp4 --rest affine8g64 --hardware m3-ultra --plain 15.5
case_of kimi --target kimi-k2.5 --hardware m3-ultra --machines 2 --link thunderbolt5-rdma --draft eagle --plain 20
case_of glm52_dead --target bench/predict/glm-5.2-3.5bits.json --hardware m3-ultra --overlap uniform --draft-ms 2.4 \
  --draft mtp --acceptance 0.86 --k 1..7
for alpha in 80 86 92; do
  case_of "glm52_mtp$alpha" --target glm-5.2 "${mxfp4[@]}" --hardware m3-ultra --draft mtp --acceptance "0.$alpha" --plain 19.7
done
case_of glm52_omlx --target glm-5.2 "${mxfp4[@]}" --hardware m3-ultra --engine omlx --draft mtp --acceptance 0.86 --plain 19.7
case_of glm52_h200 --target glm-5.2 "${mxfp4[@]}" --hardware h200 --machines 4 --draft mtp --acceptance 0.86
case_of nemotron --target nemotron-3-super --experts affine8g32 --rest affine8g32 --hardware m3-ultra --plain 7 \
  --draft mtp --acceptance 0.8
case_of nemotron_other --target nemotron-3-super --experts affine8g32 --rest affine8g32 --hardware m3-ultra --plain 33.7 \
  --draft mtp --acceptance 0.8
case_of glm52 --target glm-5.2 "${mxfp4[@]}" --hardware m3-ultra --draft mtp --plain 18
case_of glm52_flash --target glm-5.2 "${mxfp4[@]}" --hardware m3-ultra --draft small:glm-4.7-flash --draft-experts affine4g64 \
  --draft-rest affine4g64 --plain 18
case_of nano --target nemotron-3-nano --experts affine8g32 --rest affine8g32 --hardware m3-ultra --plain 62.5

python3 "$root/bench/field_notes.py" "$work" >"$out"
echo "$out" >&2
