"""What is written: for each case a config, how it is spelled and stored, and what must matter in it."""

VOCAB = 96

TINY = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, rope_theta=100.0)  # one band kept, one blended, two scaled
QWEN_MOE = TINY | dict(model_type="qwen3_moe", head_dim=12, num_experts=4, num_experts_per_tok=2,
                       moe_intermediate_size=8, norm_topk_prob=True, rope_theta=1e4)
GLM = TINY | dict(model_type="glm4_moe", head_dim=12, n_routed_experts=4, num_experts_per_tok=2,
                  moe_intermediate_size=8, n_shared_experts=1, first_k_dense_replace=1, n_group=1, topk_group=1,
                  use_qk_norm=True, norm_topk_prob=True, routed_scaling_factor=1.8, attention_bias=True,
                  eos_token_id=[2, 5], partial_rotary_factor=0.5, rope_theta=1e4, num_nextn_predict_layers=0)
PROPORTIONAL = dict(rope_type="proportional", rope_theta=100.0, factor=2.0)
DEFAULT_ROPE = dict(rope_type="default", rope_theta=1e4)


def case(config, dtype="bfloat16", old=False, matters=(), shards=None, fused=False, drop=(), extra={}, affine=None,
         positions=10, same=(), nested=None, mtp=False, mxfp4=False, fp32=(), small_steps=False):
    """One case.

    old: config.json in transformers 4 spelling; in any spelling without the keys in `drop` and with those in `extra`.
    fused: the tensors as transformers holds them in memory, otherwise under their published names.
    matters, same: settings that must and must not change the logits.
    nested: the outer config of a multimodal model whose text_config this is; only text tensors are written.
    small_steps: Mamba's steps are smaller than time_step_min.
    mtp: with multi-token-prediction layers. mxfp4: experts as gpt-oss publishes them. fp32: names kept in float32.
    """
    return dict(config=config, dtype=dtype, old=old, matters=list(matters), shards=shards, fused=fused, drop=list(drop),
                extra=extra, affine=affine, positions=positions, lists=1 if positions > 20 else 2, same=list(same),
                nested=nested, mtp=mtp, mxfp4=mxfp4, fp32=tuple(fp32), small_steps=small_steps)


def affine_qwen3_moe_bits(path):
    """(group, bits) of a module of affine_qwen3_moe, or False; the checkpoint's default is (32, 4)."""
    if path == "model.layers.1.self_attn.o_proj":
        return False
    if path == "model.embed_tokens":
        return 64, 6
    if path == "lm_head":
        return 64, 5
    if path.startswith("model.layers.1.mlp.switch_mlp"):
        return {"gate_proj": (64, 3), "up_proj": (32, 4), "down_proj": (32, 3)}[path.rpartition(".")[2]]
    if path == "model.layers.0.mlp.up_proj":
        return 32, 2
    if ".self_attn." in path or path.endswith("mlp.gate"):
        return 64, 8
    return 32, 4


YARN = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=32, beta_fast=4.0,
            beta_slow=1.0)  # of 4 frequencies one kept, one blended, two scaled
LONGROPE = dict(rope_type="longrope", rope_theta=100.0, original_max_position_embeddings=32,
                short_factor=[1.0, 1.1, 1.3, 1.7], long_factor=[2.0, 4.0, 8.0, 16.0])
WINDOW = dict(sliding_window=8)
GEMMA3 = TINY | WINDOW | dict(model_type="gemma3_text", num_hidden_layers=3, head_dim=12, query_pre_attn_scalar=20,
                              layer_types=["sliding_attention", "full_attention", "sliding_attention"])
GEMMA3_ROPE = {"sliding_attention": dict(rope_type="default", rope_theta=50.0),
               "full_attention": dict(rope_type="default", rope_theta=1e4)}
SIGLIP = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16,
              patch_size=8)
OLMOE = TINY | dict(model_type="olmoe", num_experts=6, num_experts_per_tok=3, intermediate_size=8, rope_theta=1e4)
GPT_OSS = TINY | WINDOW | dict(
    model_type="gpt_oss", head_dim=8, num_local_experts=4, num_experts_per_tok=2, intermediate_size=12,
    num_hidden_layers=3, rope_parameters=YARN | dict(truncate=False), eos_token_id=[2, 5])
# 1e-2 is no real eps, but the norms inside latent attention must keep theirs, 1e-6, whatever rms_norm_eps says.
MLA = TINY | dict(num_key_value_heads=4, q_lora_rank=16, kv_lora_rank=12, qk_nope_head_dim=6, qk_rope_head_dim=8,
                  v_head_dim=10, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=8, n_shared_experts=1,
                  n_group=1, topk_group=1, first_k_dense_replace=1, rope_theta=1e4, rms_norm_eps=1e-2)
DEEPSEEK_V3 = MLA | dict(
    model_type="deepseek_v3", n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True,
    num_nextn_predict_layers=0, rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=1.0))
HUB_V3 = dict(moe_layer_freq=1, scoring_func="sigmoid", topk_method="noaux_tc", aux_loss_alpha=0.001, seq_aux=True)
KIMI = DEEPSEEK_V3 | dict(n_group=1, topk_group=1, routed_scaling_factor=2.827)
KIMI_OUTER = dict(model_type="kimi_k25", tie_word_embeddings=False, projection_hidden_size=16, vision_config=dict(
    hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, pos_emb_height=4,
    pos_emb_width=4))
KIMI_DROP = ["rope_interleave", "head_dim", "num_nextn_predict_layers"]
# Eight heads, so that hardly ever all of them score below zero: the indexer's choice has no ties.
DSA = MLA | dict(index_topk=6, index_n_heads=8, index_head_dim=12, routed_scaling_factor=2.5, norm_topk_prob=True)
GLM_DSA = DSA | dict(model_type="glm_moe_dsa", num_hidden_layers=4, rms_norm_eps=1e-5, eos_token_id=[2, 5],
                     n_routed_experts=4, num_experts_per_tok=2,
                     index_topk_freq=3, index_skip_topk_offset=1)  # full, shared, shared, full
DENSE = dict(index_topk=24)
NEMOTRON = {k: v for k, v in TINY.items() if k != "num_hidden_layers"} | dict(
    model_type="nemotron_h", head_dim=12, mamba_num_heads=6, mamba_head_dim=8, n_groups=2, ssm_state_size=8,
    chunk_size=8, n_routed_experts=6, num_experts_per_tok=2, moe_intermediate_size=8,
    moe_shared_expert_intermediate_size=12, routed_scaling_factor=2.5)
NEMOTRON_DROP = ["time_step_limit", "layers_block_type", "mtp_layers_block_type", "use_mamba_kernels"]
HUB_NEMOTRON = dict(norm_eps=1e-5, partial_rotary_factor=1.0, rope_theta=10000)  # present and unused: it has no RoPE
NO_CLAMP = dict(time_step_min=0.0)  # no step is so small that transformers' clamp would show
GATED = TINY | dict(
    num_hidden_layers=4, head_dim=16, num_key_value_heads=1, linear_num_key_heads=2, linear_num_value_heads=4,
    linear_key_head_dim=6, linear_value_head_dim=8)
GATED_MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=6, shared_expert_intermediate_size=10)
MROPE = dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.25, mrope_section=[1, 1, 0],
             mrope_interleaved=True)
QWEN_VISION = dict(depth=1, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=32,
                   num_position_embeddings=16)


def default_ropes(thetas):
    return dict(rope_parameters={kind: dict(rope_type="default", rope_theta=t) for kind, t in thetas.items()})


CASES = {
    "llama": case(TINY | dict(model_type="llama", rope_parameters=LLAMA3), old=True, drop=["head_dim"],
                  matters=[dict(rope_parameters=dict(rope_type="default", rope_theta=100.0))]),
    "llama_tied": case(TINY | dict(model_type="llama", rope_parameters=LLAMA3, tie_word_embeddings=True), "float32",
                       matters=[dict(rope_parameters=dict(rope_type="default", rope_theta=100.0))]),
    "llama_bias": case(TINY | dict(model_type="llama", head_dim=12, attention_bias=True, mlp_bias=True, rope_theta=1e4,
                                   rms_norm_eps=1e-5), old=True),
    "llama_relu": case(TINY | dict(model_type="llama", num_hidden_layers=1, hidden_act="relu", rope_theta=1e4),
                       matters=[dict(hidden_act="silu")]),
    "llama_gelu": case(TINY | dict(model_type="llama", num_hidden_layers=1, hidden_act="gelu", rope_theta=1e4),
                       matters=[dict(hidden_act="silu")]),
    "llama_sharded": case(TINY | dict(model_type="llama", rope_theta=1e4), "float16", shards="20KB"),
    "qwen2": case(TINY | dict(model_type="qwen2", tie_word_embeddings=True, rope_theta=1e6, num_key_value_heads=1),
                  old=True, extra=dict(use_sliding_window=False, sliding_window=4, max_window_layers=1)),
    "qwen2_layer_types": case(TINY | dict(model_type="qwen2", rope_theta=1e4), "float16"),
    "qwen3": case(TINY | dict(model_type="qwen3", head_dim=12, tie_word_embeddings=True, rope_theta=1e6), old=True),
    "llama_longrope": case(TINY | dict(model_type="llama", num_hidden_layers=1, rope_parameters=LONGROPE), old=True,
                           positions=24, matters=[dict(rope_parameters=LONGROPE | dict(factor=1.0)),
                                                  dict(rope_parameters=LONGROPE | dict(short_factor=[1.0] * 4))]),
    "qwen2_dynamic": case(
        TINY | dict(model_type="qwen2", num_hidden_layers=1,
                    rope_parameters=dict(rope_type="dynamic", factor=4.0, rope_theta=100.0)), positions=24, old=True,
        same=[dict(rope_parameters=dict(rope_type="default", rope_theta=100.0))]),
    "qwen3_proportional": case(
        TINY | dict(model_type="qwen3", head_dim=12,
                    rope_parameters=PROPORTIONAL | dict(partial_rotary_factor=0.5)), positions=24,
        matters=[dict(rope_parameters=PROPORTIONAL), dict(rope_parameters=DEFAULT_ROPE)]),
    "qwen3_moe_window": case(
        QWEN_MOE | WINDOW | dict(use_sliding_window=True), positions=24, old=True,
        extra=dict(max_window_layers=9), matters=[dict(sliding_window=None), dict(sliding_window=9)]),
    "qwen3_moe": case(QWEN_MOE | dict(mlp_only_layers=[0]), old=True,
                      matters=[dict(norm_topk_prob=False)]),
    "qwen3_moe_unnormed": case(QWEN_MOE | dict(norm_topk_prob=False, decoder_sparse_step=2, num_experts=6,
                                          num_experts_per_tok=3),
                               matters=[dict(norm_topk_prob=True)]),
    "qwen3_moe_fused": case(QWEN_MOE, fused=True),
    "glm4_moe": case(GLM, old=True, matters=[dict(routed_scaling_factor=1.0), dict(norm_topk_prob=False),
                                             dict(rope_parameters=DEFAULT_ROPE | dict(partial_rotary_factor=1.0))]),
    "glm4_moe_groups": case(GLM | dict(n_group=2, topk_group=1, use_qk_norm=False, norm_topk_prob=False,
                                       n_shared_experts=2, n_routed_experts=6, head_dim=16, partial_rotary_factor=0.25),
                            matters=[dict(n_group=1), dict(norm_topk_prob=True),
                                     dict(rope_parameters=DEFAULT_ROPE | dict(partial_rotary_factor=0.5))]),
    "glm4_moe_mtp": case(GLM | dict(num_nextn_predict_layers=1), old=True, mtp=True),
    "affine_qwen3_moe": case(
        QWEN_MOE | dict(hidden_size=64, intermediate_size=64, moe_intermediate_size=32,
                        num_key_value_heads=1, head_dim=16, mlp_only_layers=[0]),
        "bfloat16", old=True, affine=(32, 4, affine_qwen3_moe_bits)),
    "affine_llama_g128": case(
        TINY | dict(model_type="llama", hidden_size=128, intermediate_size=128, head_dim=32, num_key_value_heads=1,
                    num_hidden_layers=1, tie_word_embeddings=True, rope_theta=1e4),
        "float16", old=True, affine=(128, 4, lambda path: (128, 4))),
    "mistral": case(TINY | WINDOW | dict(model_type="mistral", rope_theta=1e4, head_dim=12), old=True, positions=24,
                    matters=[dict(sliding_window=None), dict(sliding_window=9)]),
    "mistral_full": case(TINY | dict(model_type="mistral", rope_theta=1e6, sliding_window=None, rms_norm_eps=1e-5),
                         "float16", positions=24),
    "gemma3": case(
        GEMMA3 | dict(rope_parameters=GEMMA3_ROPE),
        old=True, positions=24, extra=dict(sliding_window_pattern=2),
        matters=[dict(sliding_window=24), dict(sliding_window=9), dict(query_pre_attn_scalar=12),
                 default_ropes(dict(sliding_attention=50.0, full_attention=50.0)),
                 default_ropes(dict(sliding_attention=1e4, full_attention=1e4))]),
    "gemma3_softcap": case(
        GEMMA3 | dict(rope_parameters=GEMMA3_ROPE, final_logit_softcapping=3.0, tie_word_embeddings=False,
                      layer_types=["full_attention", "sliding_attention", "sliding_attention"]),
        "float16", positions=24, matters=[dict(final_logit_softcapping=None)],
        same=[dict(attn_logit_softcapping=1.0)]),
    "gemma3_nested": case(
        GEMMA3 | dict(rope_parameters=GEMMA3_ROPE | {"full_attention": dict(rope_type="linear", factor=8.0,
                                                                            rope_theta=1e4)}),
        positions=24, nested=dict(model_type="gemma3", vision_config=SIGLIP, mm_tokens_per_image=4),
        matters=[dict(rope_parameters=GEMMA3_ROPE)]),
    "gemma3_language_model": case(
        GEMMA3 | dict(rope_parameters=GEMMA3_ROPE, num_hidden_layers=2, layer_types=GEMMA3["layer_types"][:2]),
        positions=24, fused=True,
        nested=dict(model_type="gemma3", vision_config=SIGLIP, mm_tokens_per_image=4)),
    "mixtral": case(TINY | dict(model_type="mixtral", num_local_experts=4, intermediate_size=12, rope_theta=1e6),
                    old=True, positions=24),
    "mixtral_window": case(
        TINY | WINDOW | dict(model_type="mixtral", num_local_experts=6, num_experts_per_tok=3, intermediate_size=8,
                             head_dim=12, rope_theta=1e4), positions=24, matters=[dict(sliding_window=None)]),
    "mixtral_fused": case(
        TINY | dict(model_type="mixtral", num_local_experts=4, intermediate_size=12, num_hidden_layers=1,
                    rope_theta=1e4), fused=True),
    "olmoe": case(OLMOE, old=True, matters=[dict(norm_topk_prob=True), dict(clip_qkv=1.0)]),
    "olmoe_clip": case(OLMOE | dict(clip_qkv=0.9, norm_topk_prob=True, num_key_value_heads=4), positions=24,
                       matters=[dict(norm_topk_prob=False), dict(clip_qkv=None)]),
    "gpt_oss": case(
        GPT_OSS | dict(swiglu_limit=1.5), old=True, positions=24, drop=["swiglu_alpha"],
        matters=[dict(swiglu_limit=7.0), dict(sliding_window=24), dict(sliding_window=9),
                 dict(layer_types=["full_attention", "sliding_attention", "full_attention"]),
                 dict(rope_parameters=YARN | dict(truncate=True)), dict(rope_parameters=YARN | dict(factor=1.0))]),
    "gpt_oss_alpha": case(GPT_OSS | dict(num_hidden_layers=1, swiglu_alpha=0.7), matters=[dict(swiglu_alpha=1.702)]),
    "gpt_oss_mxfp4": case(
        GPT_OSS | dict(hidden_size=64, intermediate_size=32, num_hidden_layers=2), old=True, positions=24, mxfp4=True,
        drop=["swiglu_alpha", "layer_types"],
        extra=dict(quantization_config=dict(quant_method="mxfp4", modules_to_not_convert=[
            "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]))),
    "glm4_moe_lite": case(
        MLA | dict(model_type="glm4_moe_lite", routed_scaling_factor=1.8, norm_topk_prob=True, n_shared_experts=2,
                   eos_token_id=[2, 5], rms_norm_eps=1e-5),
        positions=24, old=True, drop=["rope_interleave"],
        matters=[dict(routed_scaling_factor=1.0), dict(norm_topk_prob=False), dict(rope_interleave=False)]),
    "deepseek_v2": case(
        MLA | dict(model_type="deepseek_v2", q_lora_rank=None, n_shared_experts=2, topk_method="greedy",
                   norm_topk_prob=False, rope_parameters=YARN | dict(mscale=0.707, mscale_all_dim=0.707)),
        positions=24, old=True, drop=["head_dim", "mlp_bias"], extra=dict(moe_layer_freq=1, scoring_func="softmax"),
        matters=[dict(rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=1.0)),
                 dict(rope_parameters=YARN | dict(mscale=0.707, mscale_all_dim=0.707, factor=1.0))],
        same=[dict(norm_topk_prob=True)]),
    "deepseek_v2_groups": case(
        MLA | dict(model_type="deepseek_v2", n_group=4, topk_group=2, topk_method="group_limited_greedy",
                   routed_scaling_factor=4.0, attention_bias=True,
                   rope_parameters=YARN | dict(mscale=1.4, mscale_all_dim=0.707)),
        positions=24,
        matters=[dict(topk_method="greedy"), dict(topk_group=3), dict(routed_scaling_factor=1.0),
                 dict(rope_parameters=YARN | dict(mscale=0.707, mscale_all_dim=0.707))]),
    "deepseek_v2_bias": case(
        MLA | dict(model_type="deepseek_v2", n_shared_experts=2, mlp_bias=True), drop=["n_shared_experts"]),
    "deepseek_v3": case(
        DEEPSEEK_V3, positions=24, old=True, drop=["head_dim", "rope_interleave"], extra=HUB_V3,
        matters=[dict(topk_group=3), dict(routed_scaling_factor=1.0), dict(norm_topk_prob=False),
                 dict(rope_interleave=False), dict(rope_parameters=YARN | dict(mscale=0.5, mscale_all_dim=0.5))]),
    "deepseek_v3_plain": case(
        DEEPSEEK_V3 | dict(rope_parameters=DEFAULT_ROPE, norm_topk_prob=False, q_lora_rank=None, n_group=2,
                           topk_group=1),
        "float16", matters=[dict(n_group=1), dict(norm_topk_prob=True)]),
    "kimi_k2": case(
        KIMI | dict(rope_parameters=YARN | dict(beta_fast=1.0, mscale=1.0, mscale_all_dim=1.0)), positions=24, old=True,
        drop=KIMI_DROP, extra=HUB_V3 | dict(model_type="kimi_k2", ep_size=1), matters=[dict(rope_parameters=YARN)]),
    "kimi_k25": case(
        KIMI, positions=24, old=True, drop=KIMI_DROP, extra=HUB_V3 | dict(model_type="kimi_k2"),
        nested=KIMI_OUTER, matters=[dict(n_group=2), dict(rope_parameters=YARN)]),
    "kimi_k25_fused": case(
        KIMI, fused=True, drop=KIMI_DROP, extra=dict(model_type="kimi_k2"), nested=KIMI_OUTER),
    "nemotron_h": case(
        NEMOTRON | dict(hybrid_override_pattern="ME*-M", moe_latent_size=20), positions=24, old=True,
        drop=NEMOTRON_DROP, extra=HUB_NEMOTRON | dict(hybrid_override_pattern="ME*-M", num_hidden_layers=5),
        matters=[dict(norm_topk_prob=False), dict(routed_scaling_factor=1.0)],
        same=[NO_CLAMP, dict(chunk_size=24)]),
    "nemotron_h_list": case(
        NEMOTRON | dict(layers_block_type=["mamba", "moe", "mamba", "attention", "mlp"], n_group=3, topk_group=2,
                        use_conv_bias=False, n_groups=3), positions=24, old=True, drop=NEMOTRON_DROP,
        extra=HUB_NEMOTRON | dict(layers_block_type=["mamba", "moe", "mamba", "attention", "mlp"]),
        matters=[dict(n_group=1, topk_group=1)], same=[NO_CLAMP]),
    "nemotron_h_saved": case(
        NEMOTRON | dict(layers_block_type=["linear_attention", "full_attention", "moe"], use_bias=True, mlp_bias=True,
                        moe_latent_size=12), "float16", positions=24, fp32=["A_log", ".D"], same=[NO_CLAMP]),
    "nemotron_h_fused": case(
        NEMOTRON | dict(layers_block_type=["mamba", "moe", "attention"], n_shared_experts=0, tie_word_embeddings=True),
        fused=True, same=[NO_CLAMP, dict(n_shared_experts=1)]),
    "nemotron_h_steps": case(
        NEMOTRON | dict(hybrid_override_pattern="M*"), positions=24, old=True, drop=NEMOTRON_DROP, small_steps=True,
        matters=[NO_CLAMP], extra=dict(hybrid_override_pattern="M*", num_hidden_layers=2)),
    "qwen3_next": case(
        GATED | GATED_MOE | dict(model_type="qwen3_next", rope_theta=1e4, partial_rotary_factor=0.25), old=True,
        positions=24, extra=dict(full_attention_interval=4), matters=[dict(norm_topk_prob=False)]),
    "qwen3_next_dense_layer": case(
        GATED | GATED_MOE | dict(
            model_type="qwen3_next", num_hidden_layers=3, mlp_only_layers=[1], norm_topk_prob=False,
            layer_types=["full_attention", "linear_attention", "linear_attention"], linear_num_value_heads=2,
            rope_parameters=DEFAULT_ROPE | dict(partial_rotary_factor=0.5)), "float16", positions=24,
        matters=[dict(norm_topk_prob=True)]),
    "qwen3_next_one_tap": case(
        GATED | GATED_MOE | dict(model_type="qwen3_next", num_hidden_layers=1, linear_conv_kernel_dim=1, rope_theta=1e4,
                                 layer_types=["linear_attention"])),
    "qwen3_5_moe": case(
        GATED | GATED_MOE | dict(model_type="qwen3_5_moe_text", rope_parameters=MROPE), positions=24, fused=True,
        fp32=["A_log", "linear_attn.norm.weight"], drop=["intermediate_size"],
        extra=dict(full_attention_interval=4, attn_output_gate=True, mtp_num_hidden_layers=0),
        nested=dict(model_type="qwen3_5_moe", vision_config=QWEN_VISION)),
    "qwen3_5": case(
        GATED | dict(model_type="qwen3_5_text", rope_parameters=MROPE, tie_word_embeddings=True, num_hidden_layers=2,
                     layer_types=["linear_attention", "full_attention"]), positions=24,
        nested=dict(model_type="qwen3_5", vision_config=QWEN_VISION, tie_word_embeddings=True)),
    "deepseek_v32": case(
        DSA | dict(model_type="deepseek_v32", n_group=4, topk_group=2,
                   rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=1.0)),
        positions=24, old=True, drop=["head_dim", "mlp_bias"], extra=HUB_V3 | dict(num_nextn_predict_layers=0),
        matters=[DENSE, dict(index_topk=7), dict(rope_parameters=YARN)]),
    "glm_moe_dsa": case(
        GLM_DSA, positions=24, extra=dict(index_share_for_mtp_iteration=True, indexer_rope_interleave=True),
        matters=[DENSE, dict(index_topk=7)]),
    "glm_moe_dsa_full": case(
        {k: v for k, v in GLM_DSA.items() if k not in ("index_topk_freq", "index_skip_topk_offset")} | dict(
            num_hidden_layers=2, n_group=2, n_shared_experts=2), positions=24, old=True,
        drop=["indexer_types", "head_dim"], extra=HUB_V3 | dict(indexer_rope_interleave=True), matters=[DENSE]),
    "deepseek_v3_mtp": case(
        DEEPSEEK_V3 | dict(num_nextn_predict_layers=1, moe_intermediate_size=6), positions=9,
        old=True, mtp=True, drop=["head_dim", "rope_interleave"], extra=HUB_V3),
    "glm4_moe_lite_mtp": case(
        MLA | dict(model_type="glm4_moe_lite", routed_scaling_factor=1.8, norm_topk_prob=True, moe_intermediate_size=6,
                   eos_token_id=[2, 5], rms_norm_eps=1e-5, num_nextn_predict_layers=1), positions=9,
        old=True, mtp=True, drop=["rope_interleave"]),
    "deepseek_v32_mtp": case(
        DSA | dict(model_type="deepseek_v32", n_group=4, topk_group=2, moe_intermediate_size=6,
                   rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=1.0)), positions=11, old=True, mtp=True,
        drop=["head_dim", "mlp_bias"], extra=HUB_V3 | dict(num_nextn_predict_layers=1), matters=[DENSE]),
    "glm_moe_dsa_mtp": case(
        GLM_DSA | dict(num_hidden_layers=3, index_topk_freq=2, moe_intermediate_size=6), positions=11,
        mtp=True, drop=["indexer_types"], matters=[DENSE],
        extra=dict(num_nextn_predict_layers=1, indexer_rope_interleave=True)),
    "qwen3_5_moe_mtp": case(
        GATED | GATED_MOE | dict(model_type="qwen3_5_moe_text", rope_parameters=MROPE, num_hidden_layers=2,
                                 layer_types=["linear_attention", "full_attention"]),
        positions=12, fused=True, drop=["intermediate_size"], mtp=True,
        extra=dict(attn_output_gate=True, mtp_num_hidden_layers=1, mtp_use_dedicated_embeddings=False),
        nested=dict(model_type="qwen3_5_moe", vision_config=QWEN_VISION)),
    "nemotron_h_mtp": case(
        NEMOTRON | dict(hybrid_override_pattern="M*E", moe_latent_size=20, num_nextn_predict_layers=1), positions=12,
        old=True, mtp=True, drop=NEMOTRON_DROP, same=[NO_CLAMP], extra=HUB_NEMOTRON | dict(
            hybrid_override_pattern="M*E", num_hidden_layers=3, mtp_hybrid_override_pattern="*E")),
}
