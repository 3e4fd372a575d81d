"""Writes the shipped model folders and their cards from what train.py brought back.

python3 assemble.py OUT_DIR MODELS_DIR
"""

import json
import pathlib
import sys

from safetensors.torch import load_file, save_file

from data import EOS, SPM_BOS, SPM_EOS
from model import DRAFT, DRAFT_SPM, MOE
from quantize import config, pass_bytes, write_config

DATA = """Trained from scratch by the scripts in `models/recipe` on text of Debian 12 packages (amd64, bookworm), {mb:.0f} MB after
near-duplicates and licence headers were removed, {tokens:.1f} M tokens:

| packages | domain | licence |
|---|---|---|
| golang-1.19-src | code | BSD-3-Clause |
| libboost1.74-dev | code | BSL-1.0 |
| libpython3.11-testsuite | code | PSF-2.0 |
| python3-botocore (JSON without documentation strings, in four layouts) | structured | Apache-2.0 |
| python3-botocore (documentation strings) | documentation | Apache-2.0 |
| python3.11-doc | documentation | PSF-2.0 |
| sqlite3-doc | documentation | public domain |
| postgresql-doc-15 | documentation | PostgreSQL |
| libreoffice-help-en-us | documentation | MPL-2.0 |
| sword-comm-tdavid, sword-comm-mhcc, sword-text-web | prose | public domain |
| wordnet-base (words and glosses) | prose | WordNet |

Held out, chosen by a hash of the path: whole files and pages, whole services of botocore (JSON and documentation alike),
whole books and psalm commentaries, blocks of 200 WordNet glosses. Their first 60 kB each are measured, in windows of
2,048 tokens (the model's context) of which the second half counts (in the first window all). Everything is measured in
float32 on the weights as shipped."""

LICENCE = """The weights are released under the Apache-2.0 licence of this repository; the texts keep the licences above."""

LIMITS = """Small, made to study speculative decoding, not to be useful. It continues source code, JSON, technical documentation and
biblical commentary in English; it knows no dialogue and follows no instructions, and what it says is often false. Trained
on windows of {length} tokens; longer contexts are little tested. It saw {seen}, so common passages may come out
verbatim."""


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def megabytes(folder):
    return (folder / "model.safetensors").stat().st_size / 1e6


def card(folder, title, sections):
    parts = [f"# {title}"] + [f"## {name}\n\n{text}" for name, text in sections if text]
    (folder / "MODEL_CARD.md").write_text("\n\n".join(parts) + "\n")


def main():
    out, models = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    results = json.loads((out / "results.json").read_text())
    metadata = {"format": "mlx"}

    moe, draft, spm = (models / name for name in ("demo-moe", "demo-draft", "demo-draft-spm"))
    write_config(moe, config(MOE, "glm4_moe", EOS, EOS, mtp=True))
    write_config(draft, config(DRAFT, "qwen3", EOS, EOS))
    write_config(spm, config(DRAFT_SPM, "qwen3", SPM_EOS, SPM_BOS))
    target, mtp = load_file(out / "target.safetensors"), load_file(out / "mtp.safetensors")
    save_file(dict(sorted((target | mtp).items())), moe / "model.safetensors", metadata)
    save_file(load_file(out / "draft.safetensors"), draft / "model.safetensors", metadata)
    save_file(load_file(out / "draft-spm.safetensors"), spm / "model.safetensors", metadata)

    rows = len(mtp[f"model.layers.{MOE.layers}.shared_head.d2t"])
    plain = pass_bytes(MOE, MOE.vocab_size)
    bytes_read = {
        "plain pass of demo-moe": plain,
        f"MTP step, head of {rows} tokens": pass_bytes(MOE, rows, mtp=True),
        "demo-draft step": pass_bytes(DRAFT, DRAFT.vocab_size),
        "demo-draft-spm step": pass_bytes(DRAFT_SPM, DRAFT_SPM.vocab_size),
    }
    results["bytes_read"] = {name: {"bytes": b, "ratio": b / plain} for name, b in bytes_read.items()}
    (models / "recipe/results.json").write_text(json.dumps(results, indent=2) + "\n")

    training = results["target"]
    shipped = results["bits"]
    domains = list(shipped)
    acceptance = results["acceptance"]

    def quantisation_cost(domain):
        after, before = (training[f"sample_{kind}"][domain]["perplexity"] for kind in ("shipped", "f32"))
        return f"{100 * (after / before - 1):+.2f} %"

    bits = table(
        ("held out", "bits/byte", "perplexity per token", "of it by quantisation", "bytes per token"),
        [
            (
                d,
                f"{shipped[d]['bits_per_byte']:.3f}",
                f"{shipped[d]['perplexity']:.3f}",
                quantisation_cost(d),
                f"{shipped[d]['bytes_per_token']:.2f}",
            )
            for d in domains
        ],
    )

    def accepted(names):
        return table(
            ("held out", *names),
            [(d, *(f"{acceptance[d][n]['overlap']:.3f} / {acceptance[d][n]['greedy']:.3f}" for n in names)) for d in domains],
        )

    experts = table(
        ("distinct experts per layer", "T = 2", "T = 4", "T = 8", "T = 16"),
        [(d, *(f"{e[t]:.1f}" for t in ("2", "4", "8", "16"))) for d, e in results["experts"].items()],
    )
    reads = table(
        ("read by", "bytes", "of a plain pass"),
        [(name, f"{b:,.0f}", f"{100 * b / plain:.1f} %") for name, b in bytes_read.items()],
    )
    corpus_tokens = training["corpus_tokens"]
    data = DATA.format(mb=training["corpus_characters"] / 1e6, tokens=corpus_tokens / 1e6)
    target_limits = LIMITS.format(
        length="1,024 and at the end 2,048",
        seen=f"the training text {training['tokens'] / corpus_tokens:.1f} times on average, its domains in the proportion "
        + ", ".join(f"{domain} {times}" for domain, times in training["repeats"].items()),
    )
    overlap_note = (
        "Teacher-forced on the held-out text: mean over positions of sum min(p, q) at temperature 1 / share of positions "
        "whose most probable tokens agree. "
        + ", ".join(f"{count} windows of {domain}" for domain, count in results["acceptance_windows"].items())
        + "."
    )
    card(
        moe,
        "demo-moe",
        [
            (
                "What it is",
                f"A glm4_moe language model with a trained MTP layer: hidden {MOE.hidden}, {MOE.layers} layers (first dense), "
                f"{MOE.experts} routed experts of width {MOE.expert_width}, top-{MOE.top_k}, one shared expert, vocabulary "
                f"{MOE.vocab_size:,} (byte-level BPE). File: {megabytes(moe):.1f} MB; routed experts MLX affine 4-bit group 32, "
                "everything else 8-bit group 64, routers, biases and norms bf16. Layer 12 is the MTP layer. Its head is the rows "
                f"of `lm_head` that `shared_head.d2t` names (target id = i + d2t[i], {rows} tokens); it reads the target's "
                "state after the final norm, and a chained step reads the state after `shared_head.norm`.",
            ),
            ("Data", data),
            (
                "Training",
                f"{training['tokens'] / 1e6:.0f} M tokens in {training['seconds'] / 60:.1f} minutes of one H200 (Muon, weight "
                f"decay {training['decay']}, dropout {training['dropout']}); MTP layer {results['mtp']['tokens'] / 1e6:.0f} M "
                f"tokens in {results['mtp']['seconds'] / 60:.1f} minutes, distilled from the shipped weights. The last quarter of "
                "the target's time ran with the experts on the 4-bit grid (straight-through).",
            ),
            (
                "Held out",
                bits + "\n\nThe part of quantisation: of the perplexity before it, on "
                + ", ".join(f"{r['tokens']:,} tokens of {d}" for d, r in training["sample_shipped"].items())
                + ".",
            ),
            ("MTP acceptance, steps 1 to 3", overlap_note + "\n\n" + accepted(("mtp1", "mtp2", "mtp3"))),
            ("Bytes", reads),
            ("Routing", "Mean over MoE layers, T consecutive tokens of held-out text.\n\n" + experts),
            ("Limits", target_limits),
            ("Licence", LICENCE),
        ],
    )

    def spm_passes(characters):
        """Of half the training over a text, by the bytes of a token on held-out text."""
        bits = results["draft_spm_bits"].values()
        bytes_per_token = sum(b["bytes_per_token"] * b["tokens"] for b in bits) / sum(b["tokens"] for b in bits)
        return results["draft-spm"]["tokens"] / 2 / (characters / bytes_per_token)

    for folder, key, shape, how, note, seen, extra in (
        (
            draft,
            "draft",
            DRAFT,
            "same tokenizer as demo-moe, distilled from its shipped weights (divergence of the full distributions, then total variation)",
            "On the windows of the next table alone.\n\n",
            f"the training text {results['draft']['tokens'] / corpus_tokens:.1f} times on average",
            [("Acceptance against demo-moe", overlap_note + "\n\n" + accepted(("draft",)))],
        ),
        (
            spm,
            "draft-spm",
            DRAFT_SPM,
            f"its own SentencePiece vocabulary (unigram, byte fallback), trained half on the corpus and half on "
            f"{results['draft-spm']['sampled_characters'] / 1e6:.1f} M characters that demo-moe wrote at temperature 1 "
            "(sequence-level distillation)",
            "In windows of 2,048 tokens as the others, four times as long as it was trained on: it is lost there.\n\n",
            f"the training text about {spm_passes(training['corpus_characters']):.0f} times and what demo-moe wrote about "
            f"{spm_passes(results['draft-spm']['sampled_characters']):.0f} times",
            [],
        ),
    ):
        held = results[key.replace("-", "_") + "_bits"]
        card(
            folder,
            folder.name,
            [
                (
                    "What it is",
                    f"A dense qwen3 draft model for demo-moe: hidden {shape.hidden}, {shape.layers} layers, vocabulary "
                    f"{shape.vocab_size:,}; {how}. File: {megabytes(folder):.2f} MB, MLX affine 8-bit group 64, norms bf16. A step reads "
                    f"{100 * bytes_read[folder.name + ' step'] / plain:.1f} % of the bytes of a plain pass of demo-moe.",
                ),
                ("Data", data),
                (
                    "Training",
                    f"{results[key]['tokens'] / 1e6:.0f} M tokens in {results[key]['seconds'] / 60:.1f} minutes of one H200.",
                ),
                (
                    "Held out",
                    note + table(("domain", "bits/byte"), [(d, f"{held[d]['bits_per_byte']:.3f}") for d in held]),
                ),
                *extra,
                ("Limits", LIMITS.format(length=results[key]["windows"], seen=seen)),
                ("Licence", LICENCE),
            ],
        )


if __name__ == "__main__":
    main()
