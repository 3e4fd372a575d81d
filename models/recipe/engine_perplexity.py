"""Held-out perplexity of a shipped model as the engine computes it: float32 against the default (int8 activations and
a float16 cache) and against that with an 8-bit cache.

    python3 models/recipe/engine_perplexity.py [MODEL]      # after ./dev build; needs: tokenizers, safetensors, numpy

Text: heldout_sample.jsonl, cut into windows of one length; every position but the first is scored.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
WINDOW = 256
WINDOWS_PER_DOMAIN = 8


def windows_of(tokenizer, domain_texts):
    ids = [i for text in domain_texts for i in tokenizer.encode(text).ids]
    count = min(WINDOWS_PER_DOMAIN, len(ids) // WINDOW)
    return [ids[i * WINDOW : (i + 1) * WINDOW] for i in range(count)]


def nats_per_token(model, windows, options, directory):
    tokens, out = directory / "tokens.json", directory / "logits.safetensors"
    tokens.write_text(json.dumps(windows))
    subprocess.run(
        [ROOT / "build/release/specdec", "logits", "--model", model, "--tokens", tokens, "--out", out, *options],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    logits = load_file(out)["logits"][:, :-1].astype(np.float64)
    targets = np.array(windows)[:, 1:, None]
    top = logits.max(-1, keepdims=True)
    normaliser = top + np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return (normaliser - np.take_along_axis(logits, targets, -1)).mean()


def main():
    model = ROOT / "models" / (sys.argv[1] if len(sys.argv) > 1 else "demo-moe")
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    domains = {}
    for line in (ROOT / "models/recipe/heldout_sample.jsonl").read_text().splitlines():
        row = json.loads(line)
        domains.setdefault(row["domain"], []).append(row["text"])
    print(f"{'domain':<16}{'tokens':>8}{'bits/byte f32':>15}{'bits/byte':>12}{'perplexity ratio':>18}{'--cache q8':>12}")
    with tempfile.TemporaryDirectory() as name:
        for domain, texts in domains.items():
            windows = windows_of(tokenizer, texts)
            ways = (["--compute", "f32"], [], ["--cache", "q8"])
            exact, default, short = (nats_per_token(model, windows, way, pathlib.Path(name)) for way in ways)
            scored = sum(len(tokenizer.decode(window[1:]).encode()) for window in windows)
            count = len(windows) * (WINDOW - 1)
            bits = [nats * count / np.log(2) / scored for nats in (exact, default)]
            ratios = f"{np.exp(default - exact):>18.5f}{np.exp(short - exact):>12.5f}"
            print(f"{domain:<16}{count:>8}{bits[0]:>15.4f}{bits[1]:>12.4f}{ratios}")


if __name__ == "__main__":
    main()
