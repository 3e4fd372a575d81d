#include "experiments/model_bench.h"

#include <algorithm>

#include "core/error.h"
#include "core/pool.h"
#include "experiments/machine.h"
#include "experiments/median.h"
#include "experiments/pass_meter.h"

namespace specdec {
namespace {

constexpr int kLeastRounds = 5, kMostRounds = 101;

std::vector<double> measure_memory(const Machine& machine, int threads) {
  constexpr double kPatience_s = 0.2;
  const std::int64_t bytes = std::max<std::int64_t>(256 << 20, 2 * machine.last_level_cache_bytes);
  std::vector<double> rates;
  for (int count = 1; count <= threads; ++count) {
    Pool pool(count);
    rates.push_back(measure_read_bytes_per_s(pool, bytes, kPatience_s));
  }
  return rates;
}

struct Samples {
  std::vector<double> s, one_token_s;
  PassCost last{};
  std::int64_t starts = 0, barriers = 0;
};

// All widths in turn, so that what disturbs the machine disturbs all of them.
void measure_widths(PassMeter& meter, std::span<const TokenId> rows, const ModelBenchOptions& options, Engine& engine,
                    ModelBench& bench, std::int64_t routed_layers) {
  const std::vector<TokenId> one_token(rows.size(), rows.front());
  std::vector<Samples> samples(options.widths.size());
  const auto begin = std::chrono::steady_clock::now();
  while (bench.rounds < kLeastRounds || (bench.rounds < kMostRounds && seconds_since(begin) < options.patience_s)) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto width = static_cast<std::size_t>(options.widths[i]);
      const std::uint32_t starts = engine.pool().starts();
      const std::int64_t barriers = engine.pool().barriers();
      samples[i].last = meter.pass(rows.first(width));
      samples[i].starts = engine.pool().starts() - starts;
      samples[i].barriers = engine.pool().barriers() - barriers;
      samples[i].s.push_back(samples[i].last.s);
      samples[i].one_token_s.push_back(meter.pass(std::span(one_token).first(width)).s);
    }
    ++bench.rounds;
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    WidthCost cost{.width = options.widths[i],
                   .s = median(samples[i].s),
                   .one_token_s = median(samples[i].one_token_s),
                   .bytes = static_cast<double>(samples[i].last.bytes),
                   .starts = samples[i].starts,
                   .barriers = samples[i].barriers};
    if (routed_layers > 0) cost.woken = static_cast<double>(samples[i].last.woken) / static_cast<double>(routed_layers);
    LimitFacts facts = bench.machine;
    facts.total_s = facts.passes_s = cost.s;
    facts.bytes_read = cost.bytes;
    facts.barrier_count = static_cast<double>(cost.barriers);
    cost.limit = find_limit(facts);
    bench.widths.push_back(cost);
  }
}

// The profile of the passes while it lives.
class Profiling {
 public:
  explicit Profiling(Engine& engine) : engine_(engine) { engine_.profile_into(&profile_); }
  ~Profiling() { engine_.profile_into(nullptr); }
  Profiling(const Profiling&) = delete;
  Profiling& operator=(const Profiling&) = delete;
  const PassProfile& profile() const { return profile_; }

 private:
  Engine& engine_;
  PassProfile profile_;
};

PartCosts measure_parts(PassMeter& meter, std::span<const TokenId> rows, int rounds, Engine& engine) {
  const Profiling profiling(engine);
  double s = 0;
  for (int round = 0; round < rounds; ++round) s += meter.pass(rows).s;
  const PassProfile& profile = profiling.profile();
  const auto passes = static_cast<double>(profile.passes());
  PartCosts costs{.width = static_cast<int>(rows.size()), .s = s / passes, .parts = {}};
  for (std::size_t part = 0; part < kPartNames.size(); ++part) {
    const PartCost& cost = profile[static_cast<Part>(part)];
    if (cost.s == 0) continue;
    costs.parts.push_back({kPartNames[part], cost.s / passes, static_cast<double>(cost.barriers) / passes});
  }
  return costs;
}

std::vector<PrefillCost> measure_prefill(const Model& model, std::span<const TokenId> prompt,
                                         std::span<const int> steps) {
  constexpr int kRounds = 3;
  std::vector<std::vector<double>> times(steps.size());
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) times[i].push_back(prefill_s(model, prompt, steps[i]));
  }
  std::vector<PrefillCost> costs;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    costs.push_back({steps[i], static_cast<double>(prompt.size()) / median(times[i])});
  }
  return costs;
}

}  // namespace

ModelBench bench_model(const Model& model, std::span<const TokenId> text, const ModelBenchOptions& options,
                       Engine& engine) {
  SPECDEC_ASSERT(!options.widths.empty());
  const auto most = static_cast<std::size_t>(*std::ranges::max_element(options.widths));
  if (text.size() <= most) {
    throw UsageError("{} rows do not fit a text of {} tokens; give smaller --widths", most, text.size());
  }
  ModelBench bench;
  const Machine machine = this_machine();
  bench.memory_bytes_per_s = measure_memory(machine, engine.threads());
  bench.machine = machine_facts(machine, model.bytes().total, engine.pool());

  const auto context = text.first(text.size() - most);
  const auto rows = text.last(most);
  PassMeter meter(model, context, static_cast<int>(most));
  bench.context = static_cast<int>(context.size());
  measure_widths(meter, rows, options, engine, bench,
                 std::ranges::count_if(model.bytes().expert, [](std::int64_t bytes) { return bytes > 0; }));
  const auto least = static_cast<std::size_t>(*std::ranges::min_element(options.widths));
  bench.parts.push_back(measure_parts(meter, rows.first(least), bench.rounds, engine));
  if (most > least) bench.parts.push_back(measure_parts(meter, rows, bench.rounds, engine));
  bench.prompt = static_cast<int>(text.size());
  bench.prefill = measure_prefill(model, text, options.prefill_steps);
  return bench;
}

}  // namespace specdec
