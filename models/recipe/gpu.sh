#!/bin/bash
# One stage of train.py on the lent GPU machine, in the foreground, with its files left in $OUT before it returns.
#
#   models/recipe/gpu.sh STAGE [MINUTES T,D,S]      # STAGE: target, drafters, spm, evaluate, or several with commas
#
# Run from the repository root. Carry .train/corpus (from corpus.py), .train/wheels (pyppmd for the machine's Python),
# .train/stages (files of earlier stages) and models. Nothing depends on the machine staying the same between calls.
set -euo pipefail
python3 -m zipfile -e .train/wheels/*.whl /tmp/wheels
export PYTHONPATH=/tmp/wheels PYTHONUNBUFFERED=1
work=/tmp/specdec-stages
mkdir -p "$work"
for file in .train/stages/*; do
  [ -e "$file" ] && cp "$file" "$work"
done
for part in "$work"/target.part*; do
  [ -e "$part" ] && cat "$part" >>"$work/target.safetensors.new" && rm "$part"
done
[ -e "$work/target.safetensors.new" ] && mv "$work/target.safetensors.new" "$work/target.safetensors"
touch "$work/started"
python3 models/recipe/train.py --corpus .train/corpus --models models --out "$work" --stages "$1" ${2:+--minutes "$2"} 2>&1 |
  tee "$OUT/$1.log"
# At most eight files of 16 MiB come back.
for file in $(find "$work" -type f -newer "$work/started"); do
  if [ "$(basename "$file")" = target.safetensors ]; then
    split -b 15000000 "$file" "$OUT/target.part"
  else
    cp "$file" "$OUT"
  fi
done
