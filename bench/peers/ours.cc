// specdec's side of the race: does what one line of JSON on standard input asks for, and answers with one line.
//   ours MODEL THREADS
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/engine.h"
#include "core/error.h"
#include "core/pool.h"
#include "core/traffic.h"
#include "experiments/machine.h"
#include "experiments/pass_meter.h"
#include "verify/rule.h"
#include "verify/session.h"

namespace specdec {
namespace {

using nlohmann::json;

constexpr int kMostRows = 64;
constexpr double kAcceptance = 0.8;

std::vector<TokenId> tokens_of(const json& ids) {
  std::vector<TokenId> tokens;
  for (const json& id : ids) tokens.push_back(TokenId{id.get<std::int32_t>()});
  return tokens;
}

// A drafter that runs elsewhere: it takes its time and guesses what does not matter.
class Sleeper : public Drafter {
 public:
  explicit Sleeper(double draft_s) : draft_(draft_s) {}
  void observe(const Final&) override {}
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) override {
    for (int node = 0; node < budget.depth; ++node) {
      tree.add(node,
               TokenId{static_cast<std::int32_t>(rng.bits(static_cast<std::uint64_t>(tree.position(node))) % 1000)});
    }
    std::this_thread::sleep_for(draft_ * budget.depth);
  }

 private:
  std::chrono::duration<double> draft_;
};

// Takes each guess with the same chance, whatever the model says.
Verdict judge(const DraftTree& tree, const Laws& laws, Dice& dice) {
  Verdict verdict{{0}, tree[0].token};
  int at = 0;
  while (at + 1 < tree.size() && dice.accept(kAcceptance, tree.position(at) + 1, 0)) verdict.path.push_back(++at);
  verdict.next = dice.draw(laws(at), tree.position(at) + 1);
  return verdict;
}

// A chain of k guesses per step: times and bytes of each step.
json speculate(const Model& model, const json& ask) {
  const int k = ask.at("k");
  const int steps = ask.at("steps");
  Sleeper sleeper(ask.at("draft_s").get<double>());
  const Rule forced{"forced", "accept by chance alone", false, judge};
  const std::vector<TokenId> prompt = tokens_of(ask.at("tokens"));
  const int most = steps * (k + 1) + k;
  Session session(
      model, sleeper, forced, Sampler{.temperature = 0},
      {.budget = {.depth = k}, .max_tokens = most, .capacity = static_cast<int>(prompt.size()) + most + kMostRows},
      Rng(1));
  session.prefill(prompt);
  json answer{{"s", json::array()}, {"bytes", json::array()}};
  for (int step = 0; step < steps; ++step) {
    const StepRecord record = session.step();
    answer["s"].push_back(record.times.total_s());
    answer["bytes"].push_back(bytes_of_pass(model.bytes(), record.rows, woken_experts(record.routed)));
  }
  return answer;
}

json answer_to(const json& ask, const Model& model, std::optional<PassMeter>& meter, Engine& engine) {
  const std::string& what = ask.at("do").get_ref<const std::string&>();
  if (what == "probe") {
    constexpr std::int64_t kBytes = 512 << 20;
    return {{"bytes_per_s", measure_read_bytes_per_s(engine.pool(), kBytes, ask.at("patience_s"))}};
  }
  if (what == "context") {
    meter.emplace(model, tokens_of(ask.at("tokens")), kMostRows);
    return json::object();
  }
  if (what == "passes") {
    json answer{{"s", json::array()}, {"bytes", json::array()}};
    for (const json& rows : ask.at("rows")) {
      const PassCost cost = meter.value().pass(tokens_of(rows));
      answer["s"].push_back(cost.s);
      answer["bytes"].push_back(cost.bytes);
    }
    return answer;
  }
  if (what == "prefill") return {{"s", prefill_s(model, tokens_of(ask.at("tokens")), ask.at("step"))}};
  if (what == "speculate") return speculate(model, ask);
  throw Error("'{}' is nothing that can be asked for", what);
}

void serve(const std::string& path, int threads) {
  Engine engine({.threads = threads});
  const std::unique_ptr<Model> model = load_model(path, engine);
  std::optional<PassMeter> meter;
  fmt::print("{}\n", json{{"name", fmt::format("specdec, {}", engine.cpu_level())},
                          {"hash", model->info().hash},
                          {"vocabulary", model->info().vocab},
                          {"weights_bytes", model->bytes().total}}
                         .dump());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", answer_to(json::parse(line), *model, meter, engine).dump());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw specdec::UsageError("expected MODEL THREADS");
    specdec::serve(argv[1], std::stoi(argv[2]));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "ours: {}\n", error.what());
    return 1;
  }
}
