#include "cli/run_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/memory.h"
#include "verify/rule.h"
#include "verify/sequoia.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

// One number of the summary: what JSON calls it and what it says there, and how it is shown to people.
struct Figure {
  std::string key;
  Json value;
  std::string label, shown, note;
};

struct Section {
  std::string title;
  std::vector<Figure> figures;
};

std::string bytes_text(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  if (bytes >= 1e6) return fmt::format("{:.2f} MB", bytes / 1e6);
  return fmt::format("{:.1f} kB", bytes / 1e3);
}

std::string seconds_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.2f} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.1f} µs", seconds * 1e6);
}

std::string percent_text(double share) { return fmt::format("{:.0f} %", share * 100); }

double per(double total, std::int64_t count) { return count == 0 ? 0 : total / static_cast<double>(count); }

double tokens_per_s(const Tally& tally) { return tally.seconds_per_token() == 0 ? 0 : 1 / tally.seconds_per_token(); }

std::string rate_text(double rate) {
  return fmt::format("{:.{}f} tokens/s", rate, rate < 1 ? 3 : rate < 10 ? 2 : rate < 100 ? 1 : 0);
}

Figure identity(const RunReport& report) {
  Figure figure{"identical_to_plain", nullptr, "identical to plain decoding", "", ""};
  if (!report.lossy_by.empty() && report.tally.drafted > 0) {
    const auto& plain = report.trials.plain.generated;
    const auto& text = report.trials.guessed.generated;
    const auto differs = std::ranges::mismatch(text, plain).in1 - text.begin();
    figure.value = text == plain;
    figure.shown = text == plain ? "yes, by chance" : fmt::format("no, from token {}", differs);
    figure.note = fmt::format("lossy by {}: the text is not the target's", report.lossy_by);
  } else if (!report.identical) {
    figure.shown = "not compared";
    figure.note = "at a temperature every run draws its own text, of the same law";
  } else {
    figure.value = *report.identical;
    figure.shown = *report.identical ? "yes" : "NO";
    figure.note = !*report.identical          ? "this is a bug of specdec: please report it"
                  : report.tally.drafted == 0 ? "no guess was made, so nothing could differ"
                                              : fmt::format("all {} tokens", report.tally.tokens);
  }
  return figure;
}

Json traffic_json(const ExpertTraffic& traffic) {
  return {{"wanted", traffic.wanted},
          {"hits", traffic.hits()},
          {"loads", traffic.loads},
          {"loaded_bytes", traffic.loaded_bytes},
          {"read_bytes", traffic.read_bytes},
          {"stall_s", traffic.stall_s},
          {"pack_s", traffic.pack_s},
          {"prefetched", traffic.prefetched},
          {"prefetched_used", traffic.prefetched_used},
          {"prefetched_wasted", traffic.prefetched_wasted},
          {"overlapped_bytes", traffic.overlapped_bytes}};
}

Json traffic_json(std::span<const LayerTraffic> layers) {
  Json list = Json::array();
  for (const LayerTraffic& layer : layers) {
    if (layer.traffic.wanted == 0 && layer.traffic.read_bytes == 0) continue;
    Json entry{{"layer", layer.layer}};
    entry.update(traffic_json(layer.traffic));
    list.push_back(std::move(entry));
  }
  return list;
}

// Over all steps.
std::vector<LayerTraffic> traffic_by_layer(const Trial& trial) {
  std::vector<LayerTraffic> layers;
  for (const StepRecord& step : trial.steps) {
    if (layers.empty()) {
      layers = step.experts;
      continue;
    }
    for (std::size_t i = 0; i < layers.size(); ++i) layers[i].traffic += step.experts[i].traffic;
  }
  return layers;
}

std::string this_run(const RunReport& report) { return report.tally.drafted == 0 ? "this run" : "with guesses"; }

Section speed(const RunReport& report) {
  const double total_s = report.tally.times.total_s();
  return {
      "speed",
      {{"tokens_per_s", tokens_per_s(report.tally), this_run(report), rate_text(tokens_per_s(report.tally)),
        fmt::format("{} tokens in {}", report.tally.tokens, seconds_text(total_s))},
       {"plain_tokens_per_s", tokens_per_s(report.plain), "plain decoding", rate_text(tokens_per_s(report.plain)),
        report.trials.repeats == 1
            ? "the same process; one run each"
            : fmt::format("the same process; medians of {} runs each, taken in turn", report.trials.repeats)},
       {"speed_up", report.comparison.speed_up, "speed-up", fmt::format("{:.2f} x", report.comparison.speed_up), ""},
       identity(report),
       {"prefill_s", report.trials.guessed.prefill_s, "reading the prompt",
        seconds_text(report.trials.guessed.prefill_s), fmt::format("{} tokens", report.prompt_ids.size())},
       {"state_bytes", report.trials.guessed.memory_bytes, "cache and buffers",
        fmt::format("{:.1f} MB", static_cast<double>(report.trials.guessed.memory_bytes) / 1e6),
        "at most; buffers grow with --prefill-step"},
       {"peak_memory_bytes", peak_memory(), "memory of the process", bytes_text(static_cast<double>(peak_memory())),
        fmt::format("at most; {} of weights are stored",
                    bytes_text(static_cast<double>(report.target.model->bytes().total)))}}};
}

struct BestTree {
  std::string shape, note;
};

// For the acceptance of this run, if it depends on the rank alone.
BestTree best_tree(const RunReport& report, std::span<const double> ranks) {
  if (ranks.empty() || report.break_even) return {"-", "nothing was tested"};
  const Model& model = *report.target.model;
  const Budget limits{.depth = 8, .rows = 32};
  const PlannedTree best =
      plan_tree(ranks, tree_costs(model.info(), model.bytes(), report.trials.guessed.drafter_step_bytes), limits);
  if (best.tree.guesses() == 0) return {"none", "no tree reads fewer bytes per token than plain decoding"};
  std::string note = fmt::format("{:.2f} tokens per pass expected, {:.2f} x fewer bytes per token: tree={}",
                                 best.tokens, best.rate(), best.tree.text());
  if (ranks.size() == 1) note += "; of wider ones nothing is known";
  return {best.tree.text(), note};
}

Section guesses(const RunReport& report) {
  const Tally& tally = report.tally;
  std::vector<double> rates;
  std::string shown;
  for (const PositionTally& position : tally.positions) {
    rates.push_back(position.rate());
    shown += fmt::format("{}{:.2f}", shown.empty() ? "" : " ", position.rate());
  }
  const std::vector<double> ranks = chances_by_rank(tally.ranks);
  std::string ranks_shown;
  for (const double chance : ranks) ranks_shown += fmt::format("{}{:.2f}", ranks_shown.empty() ? "" : " ", chance);
  const BestTree best = best_tree(report, ranks);
  Section section{
      "guesses",
      {{"tokens_per_pass", tally.tokens_per_pass, "tokens per pass", fmt::format("{:.2f}", tally.tokens_per_pass),
        fmt::format("{} passes; from 1, plain decoding, to {}, with k = {}", tally.steps,
                    report.drafter.budget.depth + 1, report.drafter.budget.depth)},
       {"break_even_tokens_per_pass", report.comparison.break_even_seconds, "  break-even, by time",
        fmt::format("{:.2f}", report.comparison.break_even_seconds), "what a step takes, in steps of plain decoding"},
       {"break_even_tokens_per_pass_by_bytes", report.comparison.break_even_bytes, "  break-even, by bytes",
        fmt::format("{:.2f}", report.comparison.break_even_bytes), "the same if only the bytes read counted"},
       {"accepted_share", per(static_cast<double>(tally.accepted), tally.drafted), "accepted guesses",
        percent_text(per(static_cast<double>(tally.accepted), tally.drafted)),
        fmt::format("{} of {}", tally.accepted, tally.drafted)},
       {"alpha", tally.alpha, "alpha", fmt::format("{:.2f}", tally.alpha),
        "chance that a guess is accepted (maximum likelihood, censored)"},
       {"acceptance_by_position", rates, "accepted by position", shown.empty() ? "-" : shown,
        "1st guess, 2nd, …, each when all before it were accepted"},
       {"acceptance_by_rank", ranks, "accepted by rank", ranks_shown.empty() ? "-" : ranks_shown,
        "shares of places where the 1st, 2nd, … sibling stays"},
       {"best_tree", best.shape, "best tree by bytes", best.shape, best.note},
       {"repeated_4grams", tally.repeated_ngrams, "repeated 4-grams", percent_text(tally.repeated_ngrams),
        "of the text: repetition is easy to guess"}}};
  const auto& bridge = report.drafter.bridge;
  if (bridge != nullptr && bridge->texts() != nullptr) {
    section.figures.push_back({"retokenised_tokens", tally.retokenised, "read as text",
                               fmt::format("{} of {}", tally.retokenised, tally.tokens),
                               "tokens that the drafter has no id for"});
  }
  return section;
}

Section times(const RunReport& report) {
  const StepTimes& times = report.tally.times;
  Section section{"time of a step", {}};
  const auto add = [&](std::string key, std::string label, double total_s, std::string note) {
    const double mean_s = per(total_s, report.tally.steps);
    const double share = times.total_s() == 0 ? 0 : total_s / times.total_s();
    section.figures.push_back({std::move(key), mean_s, std::move(label),
                               fmt::format("{}  {:>4}", seconds_text(mean_s), percent_text(share)), std::move(note)});
  };
  add("guess_s", "guess", times.guess_s, "the drafter proposes");
  add("look_s", "look", times.look_s, "one pass of the target over all guesses");
  add("judge_s", "judge", times.judge_s, "which guesses stay");
  add("keep_s", "keep", times.keep_s, "commit them, forget the rest");
  add("tell_s", "tell", times.tell_s, "the drafter learns what became of them");
  return section;
}

Section bytes(const RunReport& report) {
  const BytesTally& read = report.tally.bytes;
  const std::int64_t tokens = report.tally.tokens;
  const auto mean = [&](std::int64_t total) { return per(static_cast<double>(total), tokens); };
  const double drafter_share =
      static_cast<double>(report.trials.guessed.drafter_step_bytes) / report.plain.bytes_per_token();
  return {"weights read per token",
          {{"bytes_per_token", report.tally.bytes_per_token(), this_run(report),
            bytes_text(report.tally.bytes_per_token()), "the sum of the next three"},
           {"accepted_bytes_per_token", mean(read.accepted), "  accepted", bytes_text(mean(read.accepted)),
            "what the rows that stayed needed"},
           {"rejected_bytes_per_token", mean(read.rejected), "  rejected", bytes_text(mean(read.rejected)),
            "only for rows that were thrown away"},
           {"draft_bytes_per_token", mean(read.draft), "  drafter", bytes_text(mean(read.draft)),
            fmt::format("{} passes", report.tally.draft_passes)},
           {"plain_bytes_per_token", report.plain.bytes_per_token(), "plain decoding",
            bytes_text(report.plain.bytes_per_token()), ""},
           {"drafter_pass_share", drafter_share, "one pass of the drafter", percent_text(drafter_share),
            "of what a plain step reads, for one row"}}};
}

Section overlaps(const RunReport& report) {
  Section section{"experts that a row shares with the row before it", {}};
  // Where every guess is rejected, right ones are, too.
  if (report.tally.layers.empty() || report.tally.drafted == 0 || report.break_even) return section;
  const ModelInfo& info = report.target.model->info();
  const Neighbours& overlap = report.tally.overlap;
  const double even = uniform_overlap(info.experts, info.experts_per_token);
  const auto layers = static_cast<std::int64_t>(report.tally.layers.size());
  const auto add = [&](std::string key, std::string label, const SharedTally& shared, std::string_view which) {
    if (shared.pairs == 0) {
      section.figures.push_back({std::move(key), nullptr, std::move(label), "-", "no such row"});
      return;
    }
    section.figures.push_back(
        {std::move(key), shared.mean(), std::move(label), fmt::format("{:.2f}", shared.mean()),
         fmt::format("{:.1f} times even routing's; {} pairs: {}", shared.mean() / even, shared.pairs / layers, which)});
  };
  add("overlap_accepted", "accepted rows", overlap.kept, "both stayed");
  add("overlap_rejected", "rejected rows", overlap.rejected(), "the second one was thrown away");
  add("overlap_first_rejected", "  the first of a pass", overlap.refused, "after a row that stayed");
  add("overlap_instead", "    what came instead", overlap.corrected, "after the same row");
  add("overlap_later_rejected", "  those after it", overlap.beyond, "after a row that was thrown away");
  section.figures.push_back(
      {"overlap_uniform", even, "if routing were even", fmt::format("{:.2f}", even),
       fmt::format("k²/E: of {} experts, {} per row; means of the layers", info.experts, info.experts_per_token)});
  return section;
}

Section limits(const RunReport& report) {
  const LimitReport& limit = report.limit;
  const LimitFacts& facts = report.limit_facts;
  Section section{
      "where the time goes",
      {{"compute_share", limit.compute_share, "compute", percent_text(limit.compute_share),
        "arithmetic, and what the rest does not explain"},
       {"reading_share", limit.reading_share, limit.fits_cache ? "reading from cache" : "reading from memory",
        percent_text(limit.reading_share),
        fmt::format("{} in all, at the {:.1f} GB/s that {} give here", bytes_text(facts.bytes_read),
                    facts.read_bytes_per_s / 1e9,
                    report.origin.threads == 1 ? "1 thread" : fmt::format("{} threads", report.origin.threads))},
       {"barrier_share", limit.barrier_share, "barriers", percent_text(limit.barrier_share),
        fmt::format("{:.0f} times the threads wait for one another, {} each", facts.barrier_count,
                    seconds_text(facts.barrier_s))},
       {"loop_share", limit.loop_share, "loop", percent_text(limit.loop_share), "judge and keep"}}};
  const ExpertStore* experts = report.target.model->experts();
  if (experts != nullptr && !experts->all_packed()) {
    const ExpertTraffic& traffic = report.trials.guessed.experts;
    section.figures.push_back(
        {"loading_share", limit.loading_share, "loading experts", percent_text(limit.loading_share),
         fmt::format("{} experts, {}, in {}; memory holds {} of {}", traffic.loads,
                     bytes_text(static_cast<double>(traffic.loaded_bytes)), seconds_text(traffic.stall_s),
                     bytes_text(static_cast<double>(experts->resident_bytes())),
                     bytes_text(static_cast<double>(experts->all_bytes())))});
  }
  return section;
}

// Nothing to say of experts that were all packed at once.
Section loading(const RunReport& report) {
  Section section{"experts that were loaded", {}};
  const ExpertStore* store = report.target.model->experts();
  if (store == nullptr || store->all_packed()) return section;
  const ExpertTraffic& with = report.trials.guessed.experts;
  const ExpertTraffic& plain = report.trials.plain.experts;
  const auto per_token = [](std::int64_t bytes, const Tally& tally) {
    return bytes_text(per(static_cast<double>(bytes), tally.tokens));
  };
  const double hit_rate = per(static_cast<double>(with.hits()), with.wanted);
  section.figures = {{"expert_hit_rate", hit_rate, "already in memory", percent_text(hit_rate),
                      fmt::format("{} of {} that passes wanted; {} without guesses", with.hits(), with.wanted,
                                  percent_text(per(static_cast<double>(plain.hits()), plain.wanted)))},
                     {"reloaded_bytes_per_token", per(static_cast<double>(with.loaded_bytes), report.tally.tokens),
                      "loaded per token", per_token(with.loaded_bytes, report.tally),
                      fmt::format("{} without guesses", per_token(plain.loaded_bytes, report.plain))},
                     {"expert_read_bytes", with.read_bytes, "read from disk",
                      bytes_text(static_cast<double>(with.read_bytes)), std::string(store->reads())},
                     {"expert_stall_s", with.stall_s, "waited for", seconds_text(with.stall_s),
                      fmt::format("{} of it packing", seconds_text(with.pack_s))}};
  section.figures.push_back({"expert_slots", store->room().slots, "places in memory",
                             fmt::format("{}", store->room().slots),
                             fmt::format("of {} experts, {}; and {} of buffers", store->sizes().experts,
                                         bytes_text(static_cast<double>(store->resident_bytes())),
                                         bytes_text(static_cast<double>(store->buffer_bytes())))});
  if (!store->prefetches()) return section;
  section.figures.push_back(
      {"experts_prefetched", with.prefetched, "read ahead", fmt::format("{}", with.prefetched),
       fmt::format("{} used, {} dropped without use", with.prefetched_used, with.prefetched_wasted)});
  section.figures.push_back({"expert_overlapped_bytes", with.overlapped_bytes, "read while others worked",
                             bytes_text(static_cast<double>(with.overlapped_bytes)), "there when a pass wanted them"});
  return section;
}

std::vector<Section> sections_of(const RunReport& report) {
  return {speed(report),    guesses(report), times(report),  bytes(report),
          overlaps(report), limits(report),  loading(report)};
}

std::string layers_text(const RunReport& report) {
  const ModelInfo& info = report.target.model->info();
  if (report.tally.layers.empty()) return "";
  std::string text = fmt::format(
      "\nexperts woken per pass ({} in a layer, {} per row), mean distinct experts\n"
      "  {:<8}{:>8}{:>24}{:>24}{:>28}\n",
      info.experts, info.experts_per_token, "layer", "woken", "if routing were even", "needed by rows kept",
      "only by rows thrown away");
  const auto row = [&](std::string_view name, const LayerTally& layer) {
    text += fmt::format("  {:<8}{:>8.2f}{:>24.2f}{:>24.2f}{:>28.2f}\n", name, layer.woken, layer.uniform,
                        layer.accepted, layer.rejected_only);
  };
  LayerTally mean;
  const auto count = static_cast<double>(report.tally.layers.size());
  for (const LayerTally& layer : report.tally.layers) {
    row(fmt::format("{}", layer.layer), layer);
    mean.woken += layer.woken / count;
    mean.uniform += layer.uniform / count;
    mean.accepted += layer.accepted / count;
    mean.rejected_only += layer.rejected_only / count;
  }
  row("mean", mean);
  return text;
}

std::string break_even_text(const RunReport& report) {
  std::string text = fmt::format(
      "\nbreak-even tokens per pass (every guess was rejected: nobody's acceptance is in it)\n"
      "  {:<4}{:>9}{:>10}{:>16}{:>10}{:>10}{:>22}{:>12}{:>12}\n",
      "k", "guesses", "by time", "95 %", "by bytes", "woken", "step / plain step", "guess", "look");
  for (const CycleCost& cycle : report.break_even->cycles) {
    text += fmt::format("  {:<4}{:>9.2f}{:>10.2f}{:>16}{:>10.2f}{:>10.2f}{:>22}{:>12}{:>12}\n", cycle.k, cycle.drafted,
                        cycle.break_even.value,
                        fmt::format("{:.2f} to {:.2f}", cycle.break_even.low, cycle.break_even.high),
                        cycle.break_even_bytes, cycle.woken,
                        fmt::format("{} / {}", seconds_text(cycle.step_s), seconds_text(cycle.plain_step_s)),
                        seconds_text(cycle.guess_s), seconds_text(cycle.look_s));
  }
  return text + fmt::format("  medians of {} rounds, each k beside plain decoding; intervals by bootstrap over them\n",
                            report.break_even->rounds);
}

Json json_of(const SharedTally& shared) { return {{"pairs", shared.pairs}, {"shared", shared.mean()}}; }

Json json_of(const BreakEven& break_even) {
  Json cycles = Json::array();
  for (const CycleCost& cycle : break_even.cycles) {
    cycles.push_back({{"k", cycle.k},
                      {"drafted_per_pass", cycle.drafted},
                      {"tokens_per_pass", cycle.break_even.value},
                      {"low", cycle.break_even.low},
                      {"high", cycle.break_even.high},
                      {"tokens_per_pass_by_bytes", cycle.break_even_bytes},
                      {"step_s", cycle.step_s},
                      {"guess_s", cycle.guess_s},
                      {"look_s", cycle.look_s},
                      {"plain_step_s", cycle.plain_step_s},
                      {"woken", cycle.woken}});
  }
  return {{"rounds", break_even.rounds}, {"by_k", cycles}};
}

std::string name_of(const LoadedDrafter& drafter) {
  return drafter.spec.path.empty() ? drafter.spec.kind : drafter.spec.kind + ":" + drafter.spec.path;
}

std::string drafter_text(const LoadedDrafter& drafter) {
  if (drafter.budget.depth == 0) return "decoded without guesses";
  std::string text = "guessed by " + name_of(drafter);
  if (drafter.bridge != nullptr) text += fmt::format(" (bridge {})", drafter.bridge->name());
  return text;
}

Json json_of(const MtpProbe& probe) {
  Json readings = Json::array();
  const auto score = [](const GuessScore& guess) {
    return Json{{"agreement", guess.agreement}, {"acceptance", guess.acceptance}};
  };
  for (const ReadingScore& one : probe.scores) {
    readings.push_back({{"reading", name_of(one.reading)}, {"first", score(one.first)}, {"second", score(one.second)}});
  }
  return {{"positions", probe.positions}, {"readings", readings}};
}

// All that is needed to do the run again, and to know on what it was done.
Json provenance(const RunReport& report) {
  Json drafter = {{"kind", report.drafter.spec.kind},          {"path", report.drafter.spec.path},
                  {"k", report.drafter.budget.depth},          {"width", report.drafter.budget.width},
                  {"rows", report.drafter.budget.row_limit()}, {"options", report.drafter.spec.options}};
  if (report.drafter.policy.kind != nullptr) {
    drafter["policy"] = report.drafter.policy.kind->name;
    drafter["policy_options"] = report.drafter.policy.options;
  }
  if (report.drafter.probe) drafter["convention_probe"] = json_of(*report.drafter.probe);
  if (report.drafter.budget.tree != nullptr) drafter["tree"] = report.drafter.budget.tree->text();
  if (report.drafter.bridge != nullptr) drafter["bridge"] = report.drafter.bridge->name();
  if (report.drafter.model != nullptr) drafter["model"] = Json::parse(json_of(*report.drafter.model));
  Json target = Json::parse(json_of(*report.target.model));
  target["name"] = report.target.name;
  Json run = Json::parse(json_of(report.origin, report.limit_facts));
  run["seed"] = report.trial_options.seed;
  run["chat_date"] = report.chat_date.empty() ? Json() : Json(report.chat_date);
  run["target"] = target;
  run["drafter"] = drafter;
  run["rule"] = {{"name", report.trial_options.rule}, {"lossless", report.lossy_by.empty()}};
  run["verify_experts"] = report.trial_options.verify_experts > 0 ? Json(report.trial_options.verify_experts) : Json();
  return run;
}

std::vector<int> ids_of(std::span<const TokenId> tokens) {
  std::vector<int> ids;
  for (const TokenId token : tokens) ids.push_back(index(token));
  return ids;
}

// What a replay has to know besides the passes.
Json recorded_settings(const RunReport& report, const Recorder& recorder) {
  const TrialOptions& trial = report.trial_options;
  return {{"target", report.target.name},
          {"drafter", name_of(report.drafter)},
          {"k", report.drafter.budget.depth},
          {"tree", report.drafter.budget.tree != nullptr ? report.drafter.budget.tree->text() : ""},
          {"policy", report.drafter.policy.text()},
          {"rule", trial.rule},
          {"verify_experts", trial.verify_experts},
          {"seed", trial.seed},
          {"temperature", trial.sampler.temperature},
          {"top_k", trial.sampler.top_k},
          {"top_p", trial.sampler.top_p},
          {"min_p", trial.sampler.min_p},
          {"vocab", report.target.model->info().vocab},
          {"eos", ids_of(trial.eos)},
          {"top", recorder.detail().top},
          {"passes", recorder.passes().size()}};
}

// Bytes that are no UTF-8 are shown as U+FFFD: JSON has no other way.
std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string payment(const RunReport& report) {
  constexpr double kNoise = 0.02;  // runs of a fraction of a second repeat no better
  const double speed_up = report.comparison.speed_up;
  if (report.tally.drafted == 0) {
    return fmt::format("Plain decoding: nothing was guessed, {}.", rate_text(tokens_per_s(report.tally)));
  }
  if (report.break_even) {
    std::string needed;
    for (const CycleCost& cycle : report.break_even->cycles) {
      needed += fmt::format("{}{:.2f} with k = {}", needed.empty() ? "" : ", ", cycle.break_even.value, cycle.k);
    }
    return fmt::format("Every guess was rejected. Guessing pays from so many tokens per pass on: {}.", needed);
  }
  const bool gives_more = report.tally.tokens_per_pass > 1;  // else what is faster is noise
  const std::string_view pays = speed_up > 1 + kNoise && gives_more ? "It pays"
                                : speed_up < 1 - kNoise             ? "It does not pay"
                                                                    : "It makes no difference";
  const std::string warning =
      report.lossy_by.empty() ? "" : fmt::format("Lossy, by {}: the text is not the target's. ", report.lossy_by);
  return fmt::format("{}{}: {:.2f} times the speed of plain decoding; a pass gives {:.2f} tokens, {:.2f} break even.",
                     warning, pays, speed_up, report.tally.tokens_per_pass, report.comparison.break_even_seconds);
}

std::string binding(const RunReport& report) {
  const LimitReport& limit = report.limit;
  const auto shares = shares_of(limit);
  const double largest = std::ranges::max_element(shares, {}, &LimitShare::share)->share;
  if (largest < 0.5) {
    return fmt::format("Nothing binds alone; the most is {} ({} of the time).", name_of(limit.limit),
                       percent_text(largest));
  }
  return fmt::format("What binds: {} ({} of the time).", name_of(limit.limit), percent_text(largest));
}

std::string cache_remark(const RunReport& report) {
  const std::string weights = bytes_text(static_cast<double>(report.limit_facts.resident_bytes));
  if (report.limit_facts.last_level_cache_bytes == 0) {
    return fmt::format("Whether the weights ({}) fit the last-level cache is unknown here.", weights);
  }
  const std::string cache = bytes_text(static_cast<double>(report.limit_facts.last_level_cache_bytes));
  if (report.limit.fits_cache) {
    return fmt::format("All weights ({}) fit the last-level cache ({}): their bytes are counted, not paid.", weights,
                       cache);
  }
  return fmt::format("The weights ({}) do not fit the last-level cache ({}): their bytes are paid.", weights, cache);
}

// Why the law of the text is not the target's; empty: it is.
std::string reason_for_loss(const Model& target, const TrialOptions& options) {
  std::string reason;
  if (!make_rule(options.rule).lossless) reason = "rule " + options.rule;
  if (!leaves_out_experts(target, options.verify_experts)) return reason;
  return fmt::format("{}--verify-experts {}", reason.empty() ? "" : reason + " and ", options.verify_experts);
}

// Guesses for one position that were asked for in another way than the rule judges best.
std::string remark_on_siblings(const RunReport& report) {
  const Budget& budget = report.drafter.budget;
  const bool drawn = budget.width > 1 && report.trial_options.sampler.temperature > 0;
  const Rule rule = make_rule(report.trial_options.rule);
  if (!drawn || rule.siblings != Siblings::independent || budget.siblings != Siblings::distinct) return "";
  return fmt::format("note: with siblings=distinct rule {} judges siblings one after the other, as rule sampled does\n",
                     rule.name);
}

}  // namespace

void count_figures(RunReport& report) {
  const Model& model = *report.target.model;
  const Trial& guessed = report.trials.guessed;
  report.tally = tally_of(guessed.steps, model.info(), model.bytes());
  report.plain = tally_of(report.trials.plain.steps, model.info(), model.bytes());
  report.comparison = compare(report.tally, report.plain);
  report.lossy_by = reason_for_loss(model, report.trial_options);
  const bool draws_alike = report.trial_options.sampler.temperature == 0 || report.trial_options.rule == "matched";
  const bool changes_nothing = report.lossy_by.empty() || report.tally.drafted == 0;
  if (changes_nothing && (draws_alike || report.break_even)) {
    report.identical = guessed.generated == report.trials.plain.generated;
  }
  report.limit_facts.total_s = report.tally.times.total_s();
  report.limit_facts.passes_s = report.tally.times.guess_s + report.tally.times.look_s + report.tally.times.tell_s;
  report.limit_facts.bytes_read = static_cast<double>(report.tally.bytes.total());
  report.limit_facts.loading_s = guessed.experts.stall_s;
  report.limit_facts.barrier_count = static_cast<double>(guessed.barriers);
  report.limit = find_limit(report.limit_facts);
}

std::string summary_of(const RunReport& report) {
  std::string text =
      fmt::format("{} ({}, {}{}), {}; ended: {}\n", report.target.name, report.target.model->info().architecture,
                  bytes_text(static_cast<double>(report.target.model->bytes().total)),
                  report.target.model->info().mtp_layers > 0 ? " without its MTP layer" : "",
                  drafter_text(report.drafter), name_of(report.ending));
  text += remark_on_siblings(report);
  for (const Section& section : sections_of(report)) {
    if (report.tally.drafted == 0 && section.title == guesses(report).title) continue;
    if (section.figures.empty()) continue;
    text += fmt::format("\n{}\n", section.title);
    for (const Figure& figure : section.figures) {
      text += fmt::format("  {:<28}{:>17}", figure.label, figure.shown);
      text += figure.note.empty() ? "\n" : fmt::format("   {}\n", figure.note);
    }
  }
  text += layers_text(report);
  if (report.break_even) text += break_even_text(report);
  return text + "\n" + verdict_of(report) + "\n";
}

std::string verdict_of(const RunReport& report) {
  return fmt::format("{} {} {}", payment(report), binding(report), cache_remark(report));
}

std::string json_of(const RunReport& report) {
  Json figures = Json::object();
  for (const Section& section : sections_of(report)) {
    for (const Figure& figure : section.figures) figures[figure.key] = figure.value;
  }
  std::vector<std::int64_t> tested, tested_by_rank;
  for (const PositionTally& position : report.tally.positions) tested.push_back(position.tested);
  for (const PositionTally& rank : report.tally.ranks) tested_by_rank.push_back(rank.tested);
  figures["steps"] = report.tally.steps;
  figures["tokens"] = report.tally.tokens;
  figures["drafted"] = report.tally.drafted;
  figures["accepted"] = report.tally.accepted;
  figures["rejections"] = report.tally.rejections;
  figures["tested_by_position"] = tested;
  figures["tested_by_rank"] = tested_by_rank;
  figures["draft_passes"] = report.tally.draft_passes;
  figures["repeats"] = report.trials.repeats;
  const ExpertTraffic& plain = report.trials.plain.experts;
  figures["plain_expert_hit_rate"] = per(static_cast<double>(plain.hits()), plain.wanted);
  figures["plain_reloaded_bytes_per_token"] = per(static_cast<double>(plain.loaded_bytes), report.plain.tokens);
  figures["resident_bytes"] = report.limit_facts.resident_bytes;
  figures["fits_cache"] = report.limit.fits_cache;
  figures["limit"] = name_of(report.limit.limit);
  Json layers = Json::array();
  for (const LayerTally& layer : report.tally.layers) {
    layers.push_back({{"layer", layer.layer},
                      {"woken", layer.woken},
                      {"uniform", layer.uniform},
                      {"accepted", layer.accepted},
                      {"rejected_only", layer.rejected_only},
                      {"overlap_accepted", json_of(layer.overlap.kept)},
                      {"overlap_first_rejected", json_of(layer.overlap.refused)},
                      {"overlap_instead", json_of(layer.overlap.corrected)},
                      {"overlap_later_rejected", json_of(layer.overlap.beyond)}});
  }
  const Json break_even = report.break_even ? json_of(*report.break_even) : Json();
  return dump({{"run", provenance(report)},
               {"prompt", report.prompt},
               {"prompt_source", report.prompt_source},
               {"prompt_tokens", report.prompt_ids.size()},
               {"prompt_ids", ids_of(report.prompt_ids)},
               {"text", report.text},
               {"tokens", ids_of(report.trials.guessed.generated)},
               {"ending", name_of(report.ending)},
               {"figures", figures},
               {"experts_by_layer", layers},
               {"break_even", break_even},
               {"expert_traffic_by_layer", traffic_json(traffic_by_layer(report.trials.guessed))},
               {"verdict", verdict_of(report)}},
              2);
}

std::string trace_of(const RunReport& report, const Recorder* recorder) {
  const Trial& trial = report.trials.guessed;
  Json head{{"run", provenance(report)}};
  if (const ExpertStore* store = report.target.model->experts()) {
    ExpertLog log = store->described();
    ExpertTraffic all = trial.prefill_experts;
    all += trial.experts;
    log.loads = all.loads;
    log.prefetched_used = all.prefetched_used;
    log.prefetched_wasted = all.prefetched_wasted;
    head["expert_store"] = Json::parse(expert_log_head(log));
    head["expert_events"] = Json::parse(json_of(trial.prefill_expert_events));
  }
  if (recorder != nullptr) head["recorded"] = recorded_settings(report, *recorder);
  std::string lines = dump(head, -1);
  std::size_t number = 0;
  for (const StepRecord& step : report.trials.guessed.steps) {
    Json routed = Json::array();
    for (const RouterUse& use : step.routed) routed.push_back({use.row, use.layer, use.expert});
    Json line{{"step", number},
              {"position", step.position},
              {"rows", step.rows},
              {"depth", step.depth},
              {"parents", step.parents},
              {"path", step.path},
              {"accepted", step.accepted()},
              {"rejected", step.rejected},
              {"emitted", ids_of(step.emitted)},
              {"guess_s", step.times.guess_s},
              {"look_s", step.times.look_s},
              {"judge_s", step.times.judge_s},
              {"keep_s", step.times.keep_s},
              {"tell_s", step.times.tell_s},
              {"draft_passes", step.draft.passes},
              {"draft_rows", step.draft.rows},
              {"draft_bytes", step.draft.bytes},
              {"retokenised", step.draft.retokenised},
              {"routed_row_layer_expert", routed},
              {"expert_traffic", traffic_json(step.experts)},
              {"expert_events", Json::parse(json_of(step.expert_events))}};
    if (recorder != nullptr) line.update(Json::parse(recorder->passes()[number]));
    lines += dump(line, -1);
    ++number;
  }
  return lines;
}

}  // namespace specdec
