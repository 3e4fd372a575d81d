#!/usr/bin/env python3
"""docs/models.md: what of published models runs here, shown on slices of their true shapes.

    bench/models.py measure DIRECTORY [MODEL ...]   slices, one after the other: DIRECTORY/MODEL.json
    bench/models.py write DIRECTORY [FILE]          docs/models.md, or FILE, from what was measured and from predict

A slice is the first layers of a model with random weights (specdec synth), enough to hold each kind of its layers, and
its MTP layer. It decodes plainly and with guesses from the text and from that layer, and what its passes read is compared
with what inspect counts. No slice is larger than 16 GB.
"""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPECDEC = ROOT / "build/release/specdec"
CONFIGS = ROOT / "tests/data/configs"
GOLDENS = ROOT / "tests/data/models"
MACHINE, CONTEXT, GUESSES = "m3-ultra", 8192, 3
TOKENS, MTP_TOKENS = 24, 40

# Model: layers of its slice, formats of the routed experts and of the rest; routed experts of a layer, if not all.
MODELS = {
    "glm-5.2": (4, "mxfp4", "affine8g64"),
    "glm-5": (4, "mxfp4", "affine8g64"),
    "deepseek-v3.2": (4, "mxfp4", "affine8g64", 192),
    "deepseek-v3": (4, "mxfp4", "affine8g64", 192),
    "kimi-k2.5": (2, "mxfp4", "affine8g64"),
    "nemotron-3-super": (9, "mxfp4", "affine8g64"),
    "nemotron-3-nano": (9, "mxfp4", "affine8g64"),
    "qwen3.5-122b-a10b": (4, "mxfp4", "affine8g64"),
    "qwen3.5-35b-a3b": (4, "mxfp4", "affine8g64"),
    "qwen3-coder-next": (4, "mxfp4", "affine8g64"),
    "qwen3-235b-a22b": (2, "mxfp4", "affine8g64"),
    "qwen3-30b-a3b": (4, "mxfp4", "affine8g64"),
    "glm-4.6": (5, "mxfp4", "affine8g64"),
    "glm-4.5-air": (4, "mxfp4", "affine8g64"),
    "glm-4.7-flash": (4, "mxfp4", "affine8g64"),
    "gpt-oss-120b": (4, "mxfp4", "affine8g64"),
    "gpt-oss-20b": (4, "mxfp4", "affine8g64"),
    "deepseek-v2-lite": (4, "mxfp4", "affine8g64"),
    "mixtral-8x7b": (2, "mxfp4", "affine8g64"),
    "olmoe-1b-7b": (4, "mxfp4", "affine8g64"),
    "llama-3.2-3b": (4, "affine8g64", "affine8g64"),
    "qwen3-0.6b": (4, "affine8g64", "affine8g64"),
    "qwen2.5-0.5b": (4, "affine8g64", "affine8g64"),
    "gemma-3-270m": (6, "affine8g64", "affine8g64"),
}


def specdec(*arguments):
    done = subprocess.run([SPECDEC, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"specdec {' '.join(map(str, arguments))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def found_by(command, *arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        specdec(command, *arguments, "--json", out.name)
        return json.load(open(out.name))


def config_of(model):
    """Its config.json, and the part of it that is the language model."""
    config = json.loads((CONFIGS / f"{model}.json").read_text())
    return config, config.get("text_config", config)


def has_mtp(model):
    return any(config_of(model)[1].get(key) for key in ("num_nextn_predict_layers", "mtp_num_hidden_layers"))


def like(model, kept, at):
    """The config.json to synthesise from: with fewer routed experts, if so."""
    config, text = config_of(model)
    if kept:
        text["n_routed_experts"] = kept[0]
    path = at / "like.json"
    path.write_text(json.dumps(config))
    return path


def decode(slice_at, drafter, tokens, *more):
    return found_by("run", "--target", slice_at, "--draft", drafter, "--k", GUESSES, "--prompt-tokens",
                    ",".join(str(7 * i % 501) for i in range(48)), "--max-tokens", tokens, "--ignore-eos", *more)


def measure_mtp(slice_at, said, at):
    """Of the guesses of steps whose passes had one row each: bytes, and the time of the later ones, since an expert is
    packed when it is first woken."""
    trace = at / "trace.jsonl"
    figures = decode(slice_at, "mtp", MTP_TOKENS, "--trace", trace)["figures"]
    steps = [json.loads(line) for line in trace.read_text().splitlines()[1:]]
    chains = [step for step in steps if step["draft_passes"] and step["draft_rows"] == step["draft_passes"]]
    return {"weight_bytes": said["mtp_bytes"], "said_bytes": said["mtp_guess_bytes"],
            "read_bytes": sorted({step["draft_bytes"] // step["draft_passes"] for step in chains}),
            "guess_s": statistics.median(step["guess_s"] / step["draft_passes"] for step in chains[len(chains) // 2:]),
            "identical": figures["identical_to_plain"]}


def measure(model, work):
    layers, experts, rest, *kept = MODELS[model]
    with tempfile.TemporaryDirectory(dir=work) as made:
        at = pathlib.Path(made)
        slice_at = at / model
        specdec("synth", slice_at, "--like", like(model, kept, at), "--layers", layers, "--experts", experts, "--rest", rest)
        said = found_by("inspect", slice_at)["account"]
        ngram = decode(slice_at, "ngram", TOKENS)
        mtp = measure_mtp(slice_at, said, at) if has_mtp(model) else None
        passes = found_by("bench", "--model", slice_at, "--widths", "1,4", "--prefill-steps", "64")
    figures = ngram["figures"]
    return {"model": model, "layers": layers, "experts": experts, "rest": rest, "kept": kept, "machine": ngram["run"]["machine"],
            "version": ngram["run"]["version"], "said_bytes": said["bytes_per_token"], "read_bytes": figures["plain_bytes_per_token"],
            "identical": figures["identical_to_plain"],
            "weight_bytes": ngram["run"]["target"]["weight_bytes"], "passes": passes, "mtp": mtp}


def goldens_of(model_type):
    names = [path.parent.name for path in sorted(GOLDENS.glob("*/config.json"))
             if json.loads(path.read_text()).get("model_type") == model_type]
    converted = [name for name in names if name.startswith("mlx_")]
    return len(names) - len(converted), any("mtp" in name for name in names), bool(converted)


def share_of_parts(passes):
    parts = next(costs["parts"] for costs in passes["parts_per_pass"] if costs["rows"] == 1)
    seconds = {name: part["s"] for name, part in parts.items()}
    whole = sum(seconds.values())
    return ", ".join(f"{name} {100 * s / whole:.0f}" for name, s in sorted(seconds.items(), key=lambda part: -part[1])
                     if s > 0.005 * whole)


def pass_ms(passes, rows):
    return f"{1e3 * next(costs['pass_s'] for costs in passes['passes'] if costs['rows'] == rows):.1f}"


def row_of(model, known):
    _, experts, rest, *_ = MODELS[model]
    kind = config_of(model)[0]["model_type"]
    predicts = has_mtp(model)
    priced = found_by("predict", "--target", model, "--experts", experts, "--rest", rest, "--hardware", MACHINE, "--context", CONTEXT,
                      "--draft", "mtp" if predicts else "ngram", "--k", GUESSES)
    account = found_by("inspect", CONFIGS / f"{model}.json", "--experts", experts, "--rest", rest, "--memory", "8TiB")["account"]
    count, with_mtp, with_mlx = goldens_of(kind)
    loads = kind in known
    drafters = "every kind, its MTP layer" if predicts else "every kind"
    tested = f"{count} checkpoint{'s' if count > 1 else ''}{', MTP' if with_mtp and predicts else ''}{', MLX' if with_mlx else ''}"
    guess = priced["guesses"][0]
    on_disk = priced["passes"][0]["terms_s"]["storage"] > 0
    return (f"| {model} | `{kind}` | {'yes' if loads else 'no'} | {drafters if loads else '-'} | {tested if loads else '-'} | "
            f"{account['bytes'] / 1e9:.1f} GB | {account['bytes_per_token'] / 1e9:.3f} GB | {1 / priced['plain_s']:.1f}{' from disk' if on_disk else ''} | "
            f"{guess['break_even_tokens_per_pass']:.2f} |")


def equal_or(said, *read):
    return "equal" if read == (said,) else f"{said / 1e6:.3f} MB"


def same_text(measured):
    return "identical" if measured["identical"] else "DIFFERENT"


def row_of_slice(m):
    _, text = config_of(m["model"])
    cut = f", {m['kept'][0]} of {text['n_routed_experts']} experts" if m["kept"] else ""
    return (f"| {m['model']} | {m['layers']}{cut} | {m['weight_bytes'] / 1e9:.2f} GB | {m['read_bytes'] / 1e6:.3f} MB | "
            f"{equal_or(m['said_bytes'], m['read_bytes'])} | {same_text(m)} | {pass_ms(m['passes'], 1)} | "
            f"{pass_ms(m['passes'], 4)} | {share_of_parts(m['passes'])} |")


def row_of_mtp(m):
    mtp = m["mtp"]
    reads = " or ".join(f"{read / 1e6:.3f} MB" for read in mtp["read_bytes"])
    return (f"| {m['model']} | {mtp['weight_bytes'] / 1e9:.2f} GB | {reads} | {equal_or(mtp['said_bytes'], *mtp['read_bytes'])} | "
            f"{same_text(mtp)} | {1e3 * mtp['guess_s']:.1f} |")


def write(work, out):
    measured = {path.stem: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}
    known = set(re.split(r"[,\s]+", refusal_of_unknown()))
    lines = [PREFACE]
    lines += [row_of(model, known) for model in MODELS]
    lines.append(SLICES)
    slices = [measured[model] for model in MODELS if model in measured]
    lines += [row_of_slice(m) for m in slices]
    lines.append(MTP_LAYERS)
    lines += [row_of_mtp(m) for m in slices if m["mtp"]]
    first = next(iter(measured.values()))
    lines.append(f"\nMeasured by specdec {first['version']} on {first['machine']['cpu']}, {first['machine']['threads']} threads, "
                 f"{first['machine']['instruction_set']}.\n")
    lines.append(FOOT)
    out.write_text("\n".join(lines))


def refusal_of_unknown():
    """The architectures that this version runs, as its error for another one lists them."""
    with tempfile.TemporaryDirectory() as at:
        config = pathlib.Path(at) / "config.json"
        config.write_text('{"model_type": "none", "vocab_size": 1}')
        done = subprocess.run([SPECDEC, "run", "--target", at, "--prompt-tokens", "1"], capture_output=True, text=True)
        return done.stderr.split("runs:")[1]


PREFACE = f"""# Models

Written by `bench/models.py`. Every architecture is compared with transformers' float32 logits on tiny random checkpoints
(`tests/data/models`: 1e-4 over the logits, greedy tokens equal), with contexts beyond sliding windows and beyond the
indexer's top-k, and all laws of row invariance run over it: a row of a pass of any width, of any tree, after any history
of accepted guesses, with any number of threads, is bit for bit what plain decoding gives.

- *drafters*: `every kind` is each of [drafters.md](drafters.md) whose needs are met: a small model, an EAGLE head, n-grams
  and so on.
- *weights*, *a token reads*: routed experts as MXFP4 and all else in 8 bits (affine, groups of 64); dense models in 8 bits.
- *tokens/s*, *breaks even at*: `specdec predict --hardware {MACHINE} --context {CONTEXT} --k {GUESSES}`: plain decoding as it is priced
  there, and the tokens that a pass must give for {GUESSES} guesses to pay, by the MTP layer if there is one, else by guesses that
  cost nothing; `from disk`: the experts do not fit the memory of one such machine.
- *tested on*: `MTP` if what the MTP layer says is compared, too; `MLX` if a conversion by mlx-lm, which renames and
  changes tensors, is compared with what mlx-lm says.

| model | model_type | loads | drafters | tested on | weights | a token reads | tokens/s on {MACHINE} | breaks even at |
|---|---|---|---|---|---|---|---|---|"""

SLICES = f"""
## Slices of their true shapes

The first layers with random weights (`specdec synth --layers`), embedding and head whole; fewer routed experts where
slice and MTP layer would take more than 16 GB. *reads*: bytes of weights per token that plain decoding was counted to read;
*counted*: what `specdec inspect` says without loading it. *text*: that of {GUESSES} guesses a step from n-grams, against plain
decoding. *1 row*, *4 rows*: of one pass, in ms. *time*: of that of one row by kind of work, in %.

| model | layers | weights | reads | counted | text | 1 row | 4 rows | time of a pass |
|---|---|---|---|---|---|---|---|---|"""

MTP_LAYERS = f"""
The MTP layers of these slices, with {GUESSES} guesses a step. *a guess reads*: bytes of weights, with those of the head, that a
drafting run was counted to read; *counted*, *text*: as above; *1 guess*: its time in ms. An MTP layer is whole but for the
experts that its slice lacks; those of DeepSeek and of GLM-4.7-Flash have the embedding and the head again, as their files do.

| model | MTP layer | a guess reads | counted | text | 1 guess |
|---|---|---|---|---|---|"""

FOOT = """Trees of guesses work over every architecture. Over recurrent layers (Mamba2, gated DeltaNet) a branch is computed again
from the last accepted position, so a wide tree costs time there. `self` cannot skip a layer whose indexer chooses for others
(GLM-5.2), and says so. A sequence keeps what `specdec inspect` counts: latents once, and of layers with a window that,
room for guesses and the rows of the widest prefill pass. Keys of an indexer are float32 here, and recurrent states are there twice, once for guesses; `inspect` says both.
Nemotron-H's time steps are kept within `time_step_limit`, as mlx-lm and kernels do and transformers' decode step does; its
prefill there makes them at least `time_step_min`: `--time-steps min` does that everywhere. What `config.json` says is read as
transformers 5.23 reads it; what contradicts itself, or the tensors, is refused in one line, and so is a size that is missing,
although transformers has defaults for them.
"""


def main():
    command, work = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "write":
        return write(work, pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else ROOT / "docs/models.md")
    work.mkdir(parents=True, exist_ok=True)
    for model in sys.argv[3:] or MODELS:
        try:
            (work / f"{model}.json").write_text(json.dumps(measure(model, work)))
            print(model, "measured", flush=True)
        except RuntimeError as error:
            print(model, error, flush=True)


if __name__ == "__main__":
    main()
