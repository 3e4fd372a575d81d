#!/usr/bin/env bash
# run.sh VENV NOTEBOOK...: validates the notebooks and runs them from top to bottom, as a reader would who has nothing
# but pandas, matplotlib and Jupyter; those are installed into VENV once. Writes NOTEBOOK.run.ipynb beside each. Ends with
# 77, after a line that says why, if they cannot be had.
set -euo pipefail

readonly venv=$1
shift

skip() {
  echo "skipped: $*"
  exit 77
}

command -v python3 >/dev/null || skip "no python3"
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9 # several tests may want it at once
if [ ! -f "$venv/complete" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv" >"$venv.log" 2>&1 || skip "python3 has no venv: $(tail -n 1 "$venv.log")"
  "$venv/bin/pip" install --disable-pip-version-check --quiet --retries 1 --timeout 20 \
    pandas matplotlib nbconvert nbformat ipykernel >"$venv.log" 2>&1 || skip "pip: $(tail -n 1 "$venv.log")"
  touch "$venv/complete"
fi
flock -u 9

# Nothing of the user's own Jupyter or matplotlib is looked at.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export HOME=$scratch MPLCONFIGDIR=$venv/matplotlib IPYTHONDIR=$scratch
unset MPLBACKEND

[ $# -gt 0 ] || exit 0
"$venv/bin/jupyter" nbconvert --log-level=ERROR --to notebook --execute --output '{notebook_name}.ipynb.run' "$@"
"$venv/bin/python" - "$@" <<'PYTHON'
import sys

import nbformat

for notebook in sys.argv[1:]:
    before, after = (nbformat.read(name, as_version=nbformat.NO_CONVERT) for name in (notebook, f"{notebook}.run.ipynb"))
    nbformat.validate(before)
    nbformat.validate(after)
    outputs = [output for cell in after.cells for output in cell.get("outputs", [])]
    noise = [output.text for output in outputs if output.output_type == "stream"]
    promised, shown = ([cell["id"] for cell in book.cells if cell.get("outputs")] for book in (before, after))
    if noise or promised != shown:
        sys.exit(f"{notebook}: promised {promised}, run {shown}; said besides: {''.join(noise)}")
    print(f"{notebook}: {len(shown)} outputs")
PYTHON
