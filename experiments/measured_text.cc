#include "experiments/measured_text.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

// JSON has no NaN: what was one is null.
double number_from(const nlohmann::json& json) { return json.is_null() ? NAN : json.get<double>(); }

}  // namespace

TextFacts facts_of(const Trial& trial, const Tally& tally) {
  TextFacts facts{.tokens = tally.tokens,
                  .passes = tally.steps,
                  .rows = tally.rows,
                  .drafted = tally.drafted,
                  .accepted = tally.accepted,
                  .rejections = tally.rejections,
                  .draft_passes = tally.draft_passes,
                  .prefill_s = trial.prefill_s,
                  .times = tally.times,
                  .bytes = tally.bytes,
                  .loaded_bytes = trial.experts.loaded_bytes,
                  .positions = tally.positions,
                  .layers = {}};
  const auto passes = static_cast<double>(tally.steps);
  for (const LayerTally& layer : tally.layers)
    facts.layers.push_back({layer.layer, layer.woken * passes, layer.accepted * passes, layer.uniform * passes});
  return facts;
}

std::optional<MeasuredText> measure_pair(const LoadedTarget& target, const LoadedDrafter& drafter,
                                         std::span<const TokenId> prompt, const TrialOptions& options, Engine& engine,
                                         bool guessed_first, const std::function<Continue()>& go_on) {
  const LoadedDrafter none = no_drafter();
  TrialOptions guessed_options = options;
  guessed_options.keeps_steps = false;
  TrialOptions plain_options = guessed_options;
  plain_options.rule = "sampled";
  plain_options.verify_experts = 0;
  bool stopped = false;
  const auto decode = [&](bool guesses) {
    Tallying tallying(target.model->info(), target.model->bytes(), Tallying::Extras::left_out);
    Trial trial = run_trial(target, guesses ? drafter : none, prompt, guesses ? guessed_options : plain_options, engine,
                            [&](const StepRecord& step) {
                              tallying.add(step);
                              stopped = go_on() == Continue::no;
                              return stopped ? Continue::no : Continue::yes;
                            });
    return std::pair(std::move(trial.generated), facts_of(trial, tallying.tally()));
  };
  const auto first = decode(guessed_first);
  if (stopped) return std::nullopt;
  const auto second = decode(!guessed_first);
  if (stopped) return std::nullopt;
  const auto& [guessed, plain] = guessed_first ? std::tie(first, second) : std::tie(second, first);
  MeasuredText measured{.prompt = {},
                        .domain = {},
                        .seed = options.seed,
                        .guessed_first = guessed_first,
                        .guessed = guessed.second,
                        .plain = plain.second,
                        .identical = {}};
  if (options.sampler.temperature == 0) measured.identical = guessed.first == plain.first;
  return measured;
}

std::string json_of(const TextFacts& facts) {
  nlohmann::json positions = nlohmann::json::array(), layers = nlohmann::json::array();
  for (const PositionTally& position : facts.positions) positions.push_back({position.tested, position.accepted});
  for (const LayerFacts& layer : facts.layers)
    layers.push_back({layer.layer, layer.woken, layer.accepted, layer.uniform});
  return nlohmann::json{{"tokens", facts.tokens},
                        {"passes", facts.passes},
                        {"rows", facts.rows},
                        {"drafted", facts.drafted},
                        {"accepted", facts.accepted},
                        {"rejections", facts.rejections},
                        {"draft_passes", facts.draft_passes},
                        {"prefill_s", facts.prefill_s},
                        {"guess_s", facts.times.guess_s},
                        {"look_s", facts.times.look_s},
                        {"judge_s", facts.times.judge_s},
                        {"keep_s", facts.times.keep_s},
                        {"tell_s", facts.times.tell_s},
                        {"draft_bytes", facts.bytes.draft},
                        {"accepted_bytes", facts.bytes.accepted},
                        {"rejected_bytes", facts.bytes.rejected},
                        {"loaded_bytes", facts.loaded_bytes},
                        {"positions", positions},
                        {"layers", layers}}
      .dump();
}

TextFacts facts_from(std::string_view text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    TextFacts facts;
    json.at("tokens").get_to(facts.tokens);
    json.at("passes").get_to(facts.passes);
    json.at("rows").get_to(facts.rows);
    json.at("drafted").get_to(facts.drafted);
    json.at("accepted").get_to(facts.accepted);
    json.at("rejections").get_to(facts.rejections);
    json.at("draft_passes").get_to(facts.draft_passes);
    facts.prefill_s = number_from(json.at("prefill_s"));
    facts.times.guess_s = number_from(json.at("guess_s"));
    facts.times.look_s = number_from(json.at("look_s"));
    facts.times.judge_s = number_from(json.at("judge_s"));
    facts.times.keep_s = number_from(json.at("keep_s"));
    facts.times.tell_s = number_from(json.at("tell_s"));
    json.at("draft_bytes").get_to(facts.bytes.draft);
    json.at("accepted_bytes").get_to(facts.bytes.accepted);
    json.at("rejected_bytes").get_to(facts.bytes.rejected);
    json.at("loaded_bytes").get_to(facts.loaded_bytes);
    for (const nlohmann::json& position : json.at("positions"))
      facts.positions.push_back({position.at(0).get<std::int64_t>(), position.at(1).get<std::int64_t>()});
    for (const nlohmann::json& layer : json.at("layers")) {
      facts.layers.push_back(
          {layer.at(0).get<int>(), number_from(layer.at(1)), number_from(layer.at(2)), number_from(layer.at(3))});
    }
    return facts;
  } catch (const nlohmann::json::exception& error) {
    throw Error("the store has figures that specdec did not write: {}", error.what());
  }
}

}  // namespace specdec
