#include "core/engine.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <thread>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/expert_cache.h"
#include "core/files/read_queue.h"
#include "core/kernels/kernels.h"
#include "core/memory.h"
#include "core/pool.h"

namespace specdec {
namespace {

const Kernels& find_level(const std::string& name) {
  const auto levels = kernel_levels();
  if (name == "auto") return *levels.front();
  for (const Kernels* level : levels) {
    if (level->name == name) return *level;
  }
  throw UsageError("this machine has no instruction-set level '{}'; it has: auto, {}", name,
                   fmt::join(cpu_levels(), ", "));
}

int count_threads(int asked) {
  constexpr int kMost = 1024;
  if (asked < 0 || asked > kMost) throw UsageError("{} threads: expected 1 to {}, or 0 for one per core", asked, kMost);
  return asked != 0 ? asked : usable_cores();
}

bool quantises(const std::string& compute) {
  if (compute != "f32" && compute != "default") {
    throw UsageError("no way to compute is called '{}'; there are: default, f32", compute);
  }
  return compute == "default";
}

KvType find_cache(const std::string& name, bool quantises_activations) {
  if (name == "auto") return quantises_activations ? KvType::f16 : KvType::f32;
  if (name == "f32") return KvType::f32;
  if (name == "f16") return KvType::f16;
  if (name == "q8") return KvType::q8;
  throw UsageError("no cache of keys and values is called '{}'; there are: auto, f32, f16, q8", name);
}

void check_time_steps(const std::string& name) {
  if (name == "limit" || name == "min") return;
  throw UsageError("no bound of time steps is called '{}'; there are: limit, min", name);
}

// "static:FILE" as static and FILE.
std::pair<const ExpertPolicyKind*, std::string> find_policy(const std::string& text) {
  using Knows = ExpertPolicyKind::Knows;
  const std::size_t colon = text.find(':');
  const ExpertPolicyKind& policy = find_expert_policy(text.substr(0, colon));
  const std::string trace = colon == text.npos ? "" : text.substr(colon + 1);
  if (policy.knows == Knows::future) {
    throw UsageError("expert policy {} knows what will be wanted, so it is for a replay alone: specdec experts",
                     policy.name);
  }
  if (policy.knows == Knows::trace && trace.empty()) {
    throw UsageError("expert policy {} needs the trace of a run: --expert-policy {}:FILE", policy.name, policy.name);
  }
  if (policy.knows != Knows::trace && colon != text.npos) {
    throw UsageError("expert policy {} reads no file; expected {} alone", policy.name, policy.name);
  }
  return {&policy, trace};
}

constexpr std::array kPrefetches{ExpertPrefetch::none, ExpertPrefetch::next_layer, ExpertPrefetch::draft};

ExpertPrefetch find_prefetch(const std::string& name) {
  const auto found = std::ranges::find(kPrefetches, name, [](ExpertPrefetch prefetch) { return name_of(prefetch); });
  if (found != kPrefetches.end()) return *found;
  throw UsageError("no prefetch of experts is called '{}'; there are: none, next-layer, draft", name);
}

// "25%" as 0.25; 0 if it is no share.
double parse_share(const std::string& text) {
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  const bool valid = error == std::errc() && end + 1 == text.data() + text.size() && *end == '%';
  return valid && percent > 0 && percent <= 100 ? percent / 100 : 0;
}

}  // namespace

Engine::Engine(const EngineOptions& options)
    : options_(options),
      kernels_(find_level(options.cpu)),
      quantises_activations_(quantises(options.compute)),
      cache_(find_cache(options.cache, quantises_activations_)),
      expert_prefetch_(find_prefetch(options.expert_prefetch)),
      pool_(std::make_unique<Pool>(count_threads(options.threads))) {
  std::tie(expert_policy_, expert_trace_) = find_policy(options.expert_policy);
  check_read_queue(options.expert_reads);
  check_time_steps(options.time_steps);
  expert_budget(0);  // throws now, not when a model has been loaded
}

Engine::~Engine() = default;

std::string_view name_of(ExpertPrefetch prefetch) {
  switch (prefetch) {
    case ExpertPrefetch::none:
      return "none";
    case ExpertPrefetch::next_layer:
      return "next-layer";
    case ExpertPrefetch::draft:
      return "draft";
  }
  SPECDEC_ASSERT(false);
}

std::int64_t Engine::expert_budget(std::int64_t all_bytes) const {
  const std::string& text = options_.expert_cache;
  if (text == "auto") {
    const std::int64_t left = options_.memory_bytes > 0 ? options_.memory_bytes : memory_for_weights();
    return std::max<std::int64_t>(0, left - promised_bytes_);
  }
  if (const double share = parse_share(text); share != 0) return std::llround(share * static_cast<double>(all_bytes));
  if (text.ends_with('%')) throw UsageError("--expert-cache '{}': expected a share above 0% and up to 100%", text);
  try {
    return parse_bytes(text, "--expert-cache");
  } catch (const UsageError& error) {
    throw UsageError("{}; or a share such as 25%, or auto", error.what());
  }
}

std::int64_t Engine::pool_barriers() const { return pool_->barriers(); }
int Engine::threads() const { return pool_->threads(); }
std::string_view Engine::cpu_level() const { return kernels_.name; }

int usable_cores() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::vector<std::string_view> cpu_levels() {
  std::vector<std::string_view> names;
  for (const Kernels* level : kernel_levels()) names.emplace_back(level->name);
  return names;
}

}  // namespace specdec
