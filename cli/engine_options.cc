#include "cli/engine_options.h"

namespace specdec {

std::vector<Option> with_engine_options(std::vector<Option> own, EngineOptions& engine) {
  own.insert(own.end(),
             {{"threads", &engine.threads, "0 = one per core"},
              {"compute", &engine.compute, "default, or f32: never rounds activations to int8"},
              {"cache", &engine.cache, "keys and values as f32, f16 or q8; auto: f32 if --compute is, else f16"},
              {"expert-cache", &engine.expert_cache,
               "memory for routed experts: a size such as 2GiB, a share such as 25%, or auto: what is left here"},
              {"expert-policy", &engine.expert_policy,
               "which experts make room for others: lru, lfu, or static:FILE with the trace of a run"},
              {"expert-prefetch", &engine.expert_prefetch,
               "experts read before a pass wants them: none, next-layer, or draft: those of guessed tokens"},
              {"expert-reads", &engine.expert_reads, "how experts are read: io_uring, threads, or auto"},
              {"time-steps", &engine.time_steps,
               "of Mamba2: limit: within config.json's time_step_limit; min: at least time_step_min, as transformers' "
               "prefill"},
              {"cpu", &engine.cpu, "instruction set: auto, or one of those this machine has"}});
  return own;
}

}  // namespace specdec
