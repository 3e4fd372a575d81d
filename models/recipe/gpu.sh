#!/bin/bash
# train.py, or the script that SCRIPT names, on a lent GPU machine that starts bare, runs one command at a time for ten minutes at most, and brings home
# what a command left in $OUT. The training runs as a daemon; every call waits for it and leaves what is done so far.
#
#   models/recipe/gpu.sh SECONDS [argument of train.py ...]
#
# The first call starts train.py with the arguments; a later one finds it running. A call ends when the daemon does, or
# after SECONDS. Its files, $OUT/stages.part*, are pieces of one tar archive. Run from the repository root, carrying
# .train/corpus (from corpus.py), .train/wheels (pyppmd for the machine's Python), and .train/stages with the files of
# earlier stages if the machine is another one by now. Ask again within half a minute: an idle machine goes back.
set -euo pipefail
work=/tmp/specdec-stages
seconds=$1
shift
if [ ! -e "$work" ]; then
  mkdir -p "$work"
  [ ! -d .train/stages ] || cp .train/stages/* "$work"
  cp -r .train/corpus models /tmp # the checkout may change under a running daemon
  python3 -m zipfile -e .train/wheels/*.whl /tmp/wheels
  PYTHONPATH=/tmp/wheels PYTHONUNBUFFERED=1 setsid nohup \
    python3 "/tmp/models/recipe/${SCRIPT:-train.py}" --corpus /tmp/corpus --models /tmp/models --out "$work" "$@" \
    >"$work/log.txt" 2>&1 </dev/null &
  echo $! >/tmp/specdec-daemon
fi
daemon=$(cat /tmp/specdec-daemon)
end=$((SECONDS + seconds))
while kill -0 "$daemon" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 1; done
kill -0 "$daemon" 2>/dev/null && echo "still running" || echo "ended"
tail -n 25 "$work/log.txt"
tar -C "$work" --exclude='*.new' -c . | split -b 15000000 - "$OUT/stages.part"
