"""Writes docs/formats.md. Run by bench/formats.sh, which says what it needs.

    formats.py --data DIRECTORY [--speed FILE]      # FILE: what the command of speed_command() gave, if it ran already
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import mlx.core as mx
import numpy as np
from mlx_lm.utils import load_model
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/release"
SPECDEC = BUILD / "specdec"
SOURCE = ROOT / "models/demo-moe"
sys.path.insert(0, str(ROOT / "models/recipe"))
from engine_perplexity import windows_of

# Name, format of specdec convert (None: this script's), name in kernels_bench.
FORMATS = [
    ("bf16", "bf16", "bf16"),
    ("affine 8", "affine8g64", "affine8_g64"),
    ("affine 4", "affine4g64", "affine4_g64"),
    ("affine 3", "affine3g64", "affine3_g64"),
    ("MXFP4", "mxfp4", "mxfp4"),
    ("NVFP4", "nvfp4", "nvfp4"),
    ("INT4", None, "int4_g32"),
]
MLX_FORMATS = [f"affine{bits}g{group}" for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64)]
MLX_FORMATS += ["mxfp4", "mxfp8", "nvfp4", "bf16"]  # experts of demo-moe have 64 inputs: no groups of 128
ROWS = (1, 2, 4, 8)
EVERY = 8  # of the windows, for mlx-lm, which takes seconds for one
INT4_GROUP = 32


def convert(source, out, experts, rest):
    """Writes `out` if it is not there; what specdec convert says of it."""
    report = out.with_suffix(".json")
    if not out.exists():
        words = ["convert", source, out, "--experts", experts, "--rest", rest, "--json", report]
        subprocess.run([SPECDEC, *words], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def logits(model, windows, data):
    tokens, out = data / "tokens.json", data / "logits.safetensors"
    tokens.write_text(json.dumps(windows))
    words = ["logits", "--model", model, "--tokens", tokens, "--out", out, "--compute", "f32"]
    subprocess.run([SPECDEC, *words], check=True, stdout=subprocess.DEVNULL)
    return np.array(mx.load(str(out))["logits"])


def held_out():
    """Windows of all domains."""
    tokenizer = Tokenizer.from_file(str(SOURCE / "tokenizer.json"))
    domains = {}
    for line in (ROOT / "models/recipe/heldout_sample.jsonl").read_text().splitlines():
        row = json.loads(line)
        domains.setdefault(row["domain"], []).append(row["text"])
    return [window for texts in domains.values() for window in windows_of(tokenizer, texts)]


def perplexity(rows, windows):
    rows, targets = rows[:, :-1].astype(np.float64), np.array(windows)[:, 1:, None]
    top = rows.max(-1, keepdims=True)
    normaliser = top + np.log(np.exp(rows - top).sum(-1, keepdims=True))
    return np.exp((normaliser - np.take_along_axis(rows, targets, -1)).mean())


def agreement(data, windows):
    """Of teacher-forced argmax, between specdec and mlx-lm: a table."""
    yield "| format of all matrices | positions | equal | misses | largest margin |"
    yield "|---|--:|--:|--:|--:|"
    for name in MLX_FORMATS:
        out = data / f"all-{name}"
        convert(SOURCE, out, name, name)
        ours = logits(out, windows, data)
        model, _ = load_model(out)
        model.set_dtype(mx.float32)
        theirs = np.array(mx.stack([model(mx.array([window]))[0].argmax(-1) for window in windows]))
        best = ours.argmax(-1)
        margins = ours.max(-1) - np.take_along_axis(ours, theirs[..., None].astype(np.int64), -1)[..., 0]
        missed = margins[best != theirs]
        equal = 100 * (1 - len(missed) / best.size)
        yield f"| {name} | {best.size} | {equal:.3f} % | {len(missed)} | {max(missed, default=0):.2g} |"


def int4(weight):
    """compressed-tensors pack-quantized, symmetric: words, scales, and the weights that they stand for."""
    groups = weight.astype(np.float32).reshape(len(weight), -1, INT4_GROUP)
    scales = np.array(mx.array(np.abs(groups).max(-1, keepdims=True) / 7).astype(mx.bfloat16).astype(mx.float32))
    codes = np.rint(np.divide(groups, scales, where=scales > 0, out=np.zeros_like(groups))).clip(-8, 7)
    nibbles = (codes.reshape(len(weight), -1, 8) + 8).astype(np.uint32)
    words = (nibbles << (4 * np.arange(8, dtype=np.uint32))).sum(-1, dtype=np.uint32)
    return words, scales[..., 0], (codes * scales).reshape(weight.shape)


def errors_of(before, after):
    error = np.abs(after.astype(np.float64) - before)
    return {
        "mean_error": error.mean(),
        "rms_error": np.sqrt((error**2).mean() / (before.astype(np.float64) ** 2).mean()),
        "worst_error": error.max(),
        "bits_per_weight": 4 + 16 / INT4_GROUP,
    }


def write_int4(source, out):
    """A checkpoint whose routed experts are INT4, from one whose experts are stacked in bf16."""
    tensors, pairs = {}, []
    for name, array in mx.load(str(source / "model.safetensors")).items():
        if ".switch_mlp." not in name:
            tensors[name] = array
            continue
        for e, expert in enumerate(np.array(array.astype(mx.float32))):
            words, scales, back = int4(expert)
            path = name.replace(".switch_mlp.", f".experts.{e}.").removesuffix(".weight")
            tensors[path + ".weight_packed"] = mx.array(words.view(np.int32))
            tensors[path + ".weight_scale"] = mx.array(scales).astype(mx.bfloat16)
            tensors[path + ".weight_shape"] = mx.array(np.array(expert.shape, np.int64))
            pairs.append((expert.ravel(), back.ravel()))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    mx.save_safetensors(str(out / "model.safetensors"), tensors)
    shutil.copy(source / "config.json", out)
    before, after = (np.concatenate(side) for side in zip(*pairs))
    return errors_of(before, after)


def demo(data, windows):
    """By format: errors of the routed experts of demo-moe, and its perplexity."""
    rows = {}
    for label, name, _ in FORMATS:
        if name is None:
            out = data / "demo-int4"
            trip = write_int4(data / "demo-bf16", out)
        else:
            out = data / f"demo-{name}"
            report = convert(SOURCE, out, name, "bf16")
            trip = next(trip for trip in report["round_trips"] if trip["group"] == "routed")
        rows[label] = trip | {"perplexity": perplexity(logits(out, windows, data), windows)}
    return rows


def expert_checkpoint(out):
    """A checkpoint of one dense layer whose feed-forward has the shape of an expert of GLM-5: normal weights, bf16."""
    hidden, width, head, vocab = 6144, 2048, 64, 32
    rng = np.random.default_rng(5)
    layer = "model.layers.0."
    shapes = {
        "model.embed_tokens": (vocab, hidden),
        "lm_head": (vocab, hidden),
        layer + "mlp.gate_proj": (width, hidden),
        layer + "mlp.up_proj": (width, hidden),
        layer + "mlp.down_proj": (hidden, width),
        layer + "self_attn.o_proj": (hidden, head),
    } | {layer + f"self_attn.{name}_proj": (head, hidden) for name in "qkv"}
    tensors = {name + ".weight": 0.02 * rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    norms = ("model.norm", layer + "input_layernorm", layer + "post_attention_layernorm")
    tensors |= {name + ".weight": np.ones(hidden, np.float32) for name in norms}
    out.mkdir(exist_ok=True)
    mx.save_safetensors(str(out / "model.safetensors"), {n: mx.array(t).astype(mx.bfloat16) for n, t in tensors.items()})
    config = {
        "model_type": "llama",
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": width,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "head_dim": head,
    }
    (out / "config.json").write_text(json.dumps(config))


def expert(data):
    """By format: errors of a layer of normal weights in the shape of an expert of GLM-5."""
    source = data / "expert"
    expert_checkpoint(source)
    rows = {}
    for label, name, _ in FORMATS:
        if name is None:
            tensors = mx.load(str(source / "model.safetensors"))
            weights = [np.array(w.astype(mx.float32)) for n, w in tensors.items() if ".mlp." in n]
            rows[label] = errors_of(*(np.concatenate([w.ravel() for w in side]) for side in (weights, [int4(w)[2] for w in weights])))
        else:
            report = convert(source, data / f"expert-{name}", name, name)
            rows[label] = next(trip for trip in report["round_trips"] if trip["group"] == "dense")
    return rows


def speed(path):
    """By format of kernels_bench, the fastest of its runs: bytes per second, and the time at ROWS."""
    if path is None:
        found = json.loads(subprocess.run(speed_command(), check=True, capture_output=True).stdout)
    else:
        found = json.loads(pathlib.Path(path).read_text())
    rows = {}
    for run in found["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        if run["name"].startswith("read_memory"):
            rows["read"] = max(run["bytes_per_second"], rows.get("read", 0))
            continue
        _, name, count = run["name"].split("/")[:3]
        times = rows.setdefault(name, {})
        count = int(count.removeprefix("rows:"))
        times[count] = min((run["real_time"], run["bytes_per_second"]), times.get(count, (float("inf"), 0)))
    return rows


def speed_command():
    names, counts = "|".join(name for _, _, name in FORMATS), "|".join(map(str, ROWS))
    chosen = f"--benchmark_filter=^(read_memory|large/({names})/rows:({counts})/)"
    return [BUILD / "kernels_bench", "--benchmark_format=json", "--benchmark_repetitions=5", chosen]


def cells(trip):
    return f"{trip['bits_per_weight']:.2f} | {trip['mean_error']:.2e} | {100 * trip['rms_error']:.2f} % | {trip['worst_error']:.2e}"


PAGE = """# What a weight format costs

Written by `bench/formats.sh`: do not edit. {machine}

## The routed experts of demo-moe

All else in bfloat16; perplexity of `models/recipe/heldout_sample.jsonl` ({positions} positions, float32 arithmetic).
The shipped experts are affine 4 in groups of 32, fitted in training: what is lost here is lost on top of that.

| format | bits | mean error | rms error | worst | perplexity | ratio |
|---|--:|--:|--:|--:|--:|--:|
{demo}

## An expert of GLM-5: 6144 inputs, 2048 wide, weights normal of deviation 0.02

Speed: products of panels of 2048 inputs, 201 MB of them, as `kernels_bench` does; plain reading gives {read:.1f} GB/s
here. T(w) is the time of w rows in that of one. The fastest of a few runs
on a machine that does other work: T below 1, and a rate far below its neighbours', are noise.

| format | bits | mean error | rms error | worst | GB/s at w = 1 | weights/s | T(2) | T(4) | T(8) |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{expert}

Errors: of what is read back against what was read, mean and worst of the magnitude, rms in rms of the weights.
affine 3, 4 and 8: groups of 64; INT4: compressed-tensors, symmetric, groups of 32, written by `bench/formats.py`.

## mlx-lm reads what specdec writes

demo-moe converted to each format and loaded by mlx-lm 0.32.2 with mlx 0.32.4 on a CPU, its weights cast to float32: how
often the most likely token after a position is that of `specdec logits --compute f32`. A miss's margin is the
difference of specdec's two logits.

{agreement}
"""


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "unknown CPU")
    cores = info.count("\nprocessor") + 1
    return f"{model}, {cores} cores."


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--speed")
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    windows = held_out()
    demos, experts, speeds = demo(options.data, windows), expert(options.data), speed(options.speed)
    base = demos["bf16"]["perplexity"]
    demo_lines, expert_lines = [], []
    for label, _, kernel in FORMATS:
        ratio = demos[label]["perplexity"] / base
        demo_lines.append(f"| {label} | {cells(demos[label])} | {demos[label]['perplexity']:.3f} | {ratio:.4f} |")
        times = speeds[kernel]
        rate = times[1][1]
        relative = " | ".join(f"{times[rows][0] / times[1][0]:.2f}" for rows in ROWS[1:])
        weights = rate * 8 / experts[label]["bits_per_weight"]
        expert_lines.append(f"| {label} | {cells(experts[label])} | {rate / 1e9:.1f} | {weights / 1e9:.1f} G | {relative} |")
    page = PAGE.format(
        machine=machine(),
        positions=sum(map(len, windows)),
        demo="\n".join(demo_lines),
        expert="\n".join(expert_lines),
        read=speeds["read"] / 1e9,
        agreement="\n".join(agreement(options.data, windows[::EVERY])),
    )
    (ROOT / "docs/formats.md").write_text(page)


if __name__ == "__main__":
    main()
