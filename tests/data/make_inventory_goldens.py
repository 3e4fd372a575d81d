#!/usr/bin/env python3
"""Writes inventory.json: what the reference's own accounting (shared/reference/model_bytes.py) says of its models.

    tests/data/make_inventory_goldens.py [PATH OF model_bytes.py]

tests/inventory_test.cc compares core/inventory with it. The configs of the same models lie in configs/.
"""
import importlib.util
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
CONFIGS = ["glm-5", "glm-5.2", "deepseek-v3.2", "kimi-k2.5", "nemotron-3-super", "nemotron-3-nano", "qwen3.5-35b-a3b",
           "qwen3-coder-next", "qwen3-30b-a3b", "mixtral-8x7b", "olmoe-1b-7b", "gpt-oss-20b", "gpt-oss-120b",
           "deepseek-v2-lite", "glm-4.7-flash", "llama-3.2-3b", "qwen3-0.6b", "qwen2.5-0.5b", "gemma-3-270m"]
FORMATS = {"fp8_b128": "fp8", "int4_g32_sym": "int4g32", "mlx4_g64": "affine4g64", "mlx4_g32": "affine4g32",
           "mlx8_g64": "affine8g64", "mlx8_g32": "affine8g32"}
ROWS = (1, 2, 4, 8)


def row(reference, config, model):
    name, build, sizes, formats = model
    p = build(sizes)
    counts = {group: getattr(p, group) for group in
              ("embed", "head", "attn", "indexer", "dense", "router", "shared", "latent", "routed", "other")}
    accounts = []
    for experts, rest, _ in formats:
        total, fixed, expert, routed, active = reference.account(p, experts, rest)
        union = [fixed + expert * p.n_moe * reference.uniq(p.E, p.k, n) if p.E else fixed for n in ROWS]
        accounts.append({"experts": FORMATS.get(experts, experts), "rest": FORMATS.get(rest, rest), "total": total,
                         "fixed": fixed, "expert": expert, "active": active, "of_rows": union})
    return {"config": config, "name": name, "groups": counts, "total": p.total, "active": p.active,
            "per_expert": p.per_expert, "routed_layers": p.n_moe, "mtp": p.mtp, "kv_bytes": p.kv_bytes,
            "index_bytes": p.idx_bytes, "state_bytes": p.state_bytes, "accounts": accounts}


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "shared/reference/model_bytes.py"
    spec = importlib.util.spec_from_file_location("model_bytes", path)
    reference = importlib.util.module_from_spec(spec)
    sys.modules["model_bytes"] = reference
    spec.loader.exec_module(reference)
    assert len(CONFIGS) == len(reference.MODELS)
    rows = [row(reference, *pair) for pair in zip(CONFIGS, reference.MODELS)]
    lines = ",\n".join(json.dumps(r) for r in rows)
    (HERE / "inventory.json").write_text(f'{{"rows": {list(ROWS)}, "models": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
