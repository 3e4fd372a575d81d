"""Writes models/demo-eagle3 from what train_eagle3.py brought back.

python3 assemble_eagle3.py OUT_DIR MODELS_DIR
"""

import json
import pathlib
import sys

from safetensors.torch import load_file, save_file

import eagle3
from assemble import LICENCE, card, table
from data import EOS
from model import MOE

WHAT = """An EAGLE-3 head (arXiv 2503.01840) for demo-moe in the layout of SpecForge: one layer of hidden {hidden}, {heads} heads of {head_dim} over {kv_heads}
key heads, with biases, width {intermediate}; it reads the outputs of layers {taps}, has an embedding of its own and says {draft_vocab} of
the {vocab} tokens (`d2t`: target id = i + d2t[i]). File: {mb:.2f} MB, MLX affine 4-bit group 64, norms and biases bf16. A step reads
{bytes:,.0f} bytes, {ratio:.2%} of a plain pass of demo-moe, with `fc`, which guesses after the first do not read, and one row of the embedding.

    specdec run --target demo-moe --draft eagle:demo-eagle3,k=4"""

TRAINING = """{tokens:,.0f} M tokens in {minutes:.1f} minutes of one H200 with the shipped, dequantised demo-moe as the teacher, on the text that demo-moe
was trained on (its card lists the packages), code, JSON, documentation and prose in the proportion {shares}. Four chained
steps, each on the states that the head made itself; divergence from the teacher, then mostly total variation, weighted by
what the step adds to tokens per pass; on the 4-bit grid from the start (straight-through)."""

HELD_OUT = """Tokens per pass of greedy chains of 4 along held-out text (guesses that the text says stay) / share of first guesses that are
the target's most probable token; float32 on the weights as shipped; {windows}.
`bench/acceptance_bench.cc` measures the same in the engine, on the texts of `models/recipe/heldout_sample.jsonl`."""


def main():
    out, models = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    numbers = json.loads((out / "eagle3.json").read_text())
    tensors = load_file(out / "eagle3.safetensors")
    shape, folder = eagle3.EagleShape(), models / "demo-eagle3"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(eagle3.config(shape, MOE, EOS), indent=2) + "\n")
    save_file(tensors, folder / "model.safetensors", {"format": "mlx"})
    held = numbers["held_out"]
    rows = [(d, *(f"{r[n]['text']:.2f} / {r[n]['agree']:.3f}" for n in ("eagle3", "mtp"))) for d, r in held.items()]
    means = [sum(r[n]["text"] for r in held.values()) / len(held) for n in ("eagle3", "mtp")]
    rows.append(("mean", *(f"{m:.3f}" for m in means)))
    what = vars(shape) | {"mb": (folder / "model.safetensors").stat().st_size / 1e6}
    what |= {"taps": ", ".join(map(str, shape.taps)), "bytes": numbers["step_bytes"]}
    what |= {"ratio": numbers["step_bytes"] / numbers["plain_pass_bytes"]}
    windows = ", ".join(f"{count} windows of {domain}" for domain, count in numbers["windows"].items())
    shares = ", ".join(f"{share * 100:.0f}" for share in numbers["shares"].values())
    sections = [
        ("What it is", WHAT.format(**what)),
        ("Training", TRAINING.format(tokens=numbers["tokens"] / 1e6, minutes=numbers["seconds"] / 60, shares=shares)),
        ("Held out", HELD_OUT.format(windows=windows) + "\n\n" + table(("held out", "demo-eagle3", "MTP layer"), rows)),
        ("Limits", "For demo-moe alone. On code and documentation the MTP layer of demo-moe guesses slightly better."),
        ("Licence", LICENCE),
    ]
    card(folder, "demo-eagle3", sections)
    (models / "recipe/eagle3_results.json").write_text(json.dumps(numbers, indent=2) + "\n")


main()
