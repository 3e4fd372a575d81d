#!/usr/bin/env python3
"""Writes tests/data/models/mlx_*: checkpoints of tests/data/models as mlx-lm converts them, and its logits.

    python tests/data/make_mlx_goldens.py [case ...]      (no names: everything)

Needs mlx, mlx-lm and safetensors (`pip install 'mlx[cpu]' mlx-lm`). A case is loaded, sanitised, quantised and saved by
mlx-lm's own functions, then loaded again by them, with scales, biases and plain weights as float32; golden.safetensors
holds the tokens of the checkpoint it was made from and the logits of mlx-lm. Converted as float32 and not quantised,
every case gives the logits of transformers to TOLERANCE, which is checked, but for two:
  gpt_oss                  yarn of mlx-lm truncates, so config.json says `truncate` true here
  glm_moe_dsa_quantised    random weights of its own: no other checkpoint has latents wide enough to quantise
In bf16 the norms of qwen3_next and qwen3_5_moe, to which mlx-lm adds 1, are rounded. gemma3 and mistral keep their names
and numbers in mlx-lm, so they have no case; deepseek_v32 has the code of glm_moe_dsa.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from mlx_lm.utils import load_model, quantize_model, save_config, save_model
from safetensors.numpy import load_file, save_file

MODELS = Path(__file__).parent / "models"
TOLERANCE = 1e-5
GROUP = 32
# mlx-lm asks for rope_parameters, and leaves out MTP layers that config.json goes on to name.
GLM = {
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "rope_scaling": None,
    "num_nextn_predict_layers": 1,
}  # fmt: skip
NEMOTRON = {"num_nextn_predict_layers": 1, "mtp_hybrid_override_pattern": "*E"}
YARN = {"rope_type": "yarn", "factor": 4.0, "beta_fast": 4.0, "beta_slow": 1.0, "original_max_position_embeddings": 32}
WIDE = GLM | {
    "kv_lora_rank": 32, "q_lora_rank": 32, "qk_nope_head_dim": 32, "v_head_dim": 32, "moe_intermediate_size": 32,
    "num_attention_heads": 2, "num_key_value_heads": 2,
}  # fmt: skip
OF_ITS_OWN = ("gpt_oss", "glm_moe_dsa_quantised")


def affine(bits):
    return lambda path, module: {"group_size": GROUP, "bits": bits, "mode": "affine"}


def mxfp4_experts(path, module):
    return {"group_size": GROUP, "bits": 4, "mode": "mxfp4"} if "switch_mlp" in path else affine(8)(path, module)


def affine_experts(path, module):
    return affine(4)(path, module) if "switch_mlp" in path else False


# case: made from, what its config.json says instead, how maps that read enough are quantised
CASES = {
    "deepseek_v2": ("deepseek_v2", {}, affine(4)),
    "deepseek_v3": ("deepseek_v3", {}, None),
    "glm_moe_dsa": ("glm_moe_dsa_full", GLM, None),
    "glm_moe_dsa_quantised": ("glm_moe_dsa_full", WIDE, mxfp4_experts),
    "glm4_moe_lite": ("glm4_moe_lite", {}, affine(8)),
    "kimi_k25": ("kimi_k25", {}, affine(4)),
    "nemotron_h": ("nemotron_h", NEMOTRON, affine(8)),
    "qwen3_next": ("qwen3_next", {}, affine_experts),
    "qwen3_5_moe": ("qwen3_5_moe", {}, affine_experts),
    "gpt_oss": ("gpt_oss_mxfp4", {"rope_scaling": YARN}, affine(8)),
    "mixtral": ("mixtral", {}, affine(4)),
    "olmoe": ("olmoe", {}, affine(4)),
}


def randomise(model):
    """Random values by role, as model_goldens/checkpoints.py gives them."""
    generator = np.random.default_rng(1)

    def value(name, tensor):
        values = generator.standard_normal(tensor.shape)
        if "norm" in name and not name.endswith("bias"):
            values = 1 + 0.35 * values.clip(-2, 2)
        elif name.endswith("bias"):
            values = 0.3 * values
        elif "embed_tokens" not in name:
            values = 1.5 * values / np.sqrt(tensor.shape[-1])
        dtype = mx.float32 if name.endswith("e_score_correction_bias") else mx.bfloat16
        return mx.array(values.astype(np.float32)).astype(dtype)

    model.update(tree_unflatten([(name, value(name, tensor)) for name, tensor in tree_flatten(model.parameters())]))


def widened(tensor):
    return tensor.astype(mx.float32) if mx.issubdtype(tensor.dtype, mx.floating) else tensor


def converted(case, widen=False):
    """The model and config that mlx-lm makes of a case's checkpoint, whose tensors may be float32 from the start."""
    source, changes, _ = CASES[case]
    config = json.loads((MODELS / source / "config.json").read_text()) | changes
    tensors = mx.load(str(MODELS / source / "model.safetensors"))
    if widen:
        tensors = tree_map(widened, tensors)
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        (directory / "config.json").write_text(json.dumps(config))
        if case != "glm_moe_dsa_quantised":
            mx.save_safetensors(str(directory / "model.safetensors"), tensors)
            return load_model(directory)
        model, config = load_model(directory, strict=False)
        randomise(model)
        return model, config


def logits_of(model, tokens):
    model.update(tree_map(widened, model.parameters()))
    return np.array(model(mx.array(tokens)))


def difference(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def make(case):
    source, _, quantise = CASES[case]
    golden = load_file(MODELS / source / "golden.safetensors")
    if case not in OF_ITS_OWN:
        plain = difference(logits_of(converted(case, widen=True)[0], golden["tokens"]), golden["logits"])
        print(f"mlx_{case}: as float32, {plain:.1e} from the logits of transformers")
        if plain > TOLERANCE:
            raise SystemExit(f"mlx_{case}: expected at most {TOLERANCE}")

    model, config = converted(case)
    if quantise is not None:
        model, config = quantize_model(model, config, GROUP, 8, quant_predicate=quantise)
    target = MODELS / f"mlx_{case}"
    shutil.rmtree(target, ignore_errors=True)
    save_model(target, model)
    (target / "model.safetensors.index.json").unlink()  # of one file
    save_config(config, target / "config.json")
    logits = logits_of(load_model(target)[0], golden["tokens"])
    save_file({"tokens": golden["tokens"], "logits": logits}, target / "golden.safetensors")
    print(f"mlx_{case}: {sum(file.stat().st_size for file in target.iterdir())} bytes")


for name in sys.argv[1:] or CASES:
    make(name)
