#include "cli/inspect_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/traffic.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kRows{1, 2, 4, 8};

double billions(std::int64_t count) { return static_cast<double>(count) / 1e9; }

std::string bytes_text(std::int64_t bytes) {
  if (bytes >= 1'000'000'000) return fmt::format("{:.3f} GB", billions(bytes));
  if (bytes >= 1'000'000) return fmt::format("{:.3f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.2f} kB", static_cast<double>(bytes) / 1e3);
}

std::string count_text(std::int64_t count) {
  if (count >= 1'000'000'000) return fmt::format("{:.3f}e9", billions(count));
  if (count >= 1'000'000) return fmt::format("{:.3f}e6", static_cast<double>(count) / 1e6);
  return fmt::format("{}", count);
}

std::string line(std::string_view label, std::string_view shown, std::string_view note = "") {
  const std::string text = fmt::format("  {:<28}{:>17}", label, shown);
  return note.empty() ? text + "\n" : fmt::format("{}   {}\n", text, note);
}

const GroupCount& count_of(const GroupCounts& counts, Group group) { return counts[static_cast<std::size_t>(group)]; }

std::string head_text(const Inspection& found) {
  std::string text = fmt::format("{} ({})", found.name, found.model_type.empty() ? "no model_type" : found.model_type);
  if (found.inventory) {
    const Inventory& inventory = *found.inventory;
    text += fmt::format(": {} layers, hidden size {}, vocabulary {}, context {}", inventory.layers, inventory.hidden,
                        inventory.vocab, inventory.context);
  }
  text += fmt::format("\nthis is: {} ({})\n", name_of(found.recognised.role), found.recognised.reason);
  return text;
}

std::string parameters_text(const Inspection& found) {
  const Account& account = *found.account;
  std::string text = "\nparameters\n";
  text += line("total", count_text(account.total_parameters), "without MTP layers");
  text += line("active", count_text(account.active_parameters),
               "that a token is multiplied with; the embedding is looked up");
  if (account.routed_layers > 0) {
    text += line("one routed expert", count_text(account.parameters_per_expert),
                 fmt::format("{} in each of {} layers, {} per token", found.inventory->experts, account.routed_layers,
                             found.inventory->experts_per_token));
  }
  const std::int64_t mtp = sum_of(account.mtp).parameters;
  if (mtp > 0) text += line("MTP layers", count_text(mtp));
  return text;
}

std::string formats_text(const StoredGroup& stored) {
  std::vector<std::string> texts;
  for (const auto& [format, bytes] : stored.bytes_of_format) {
    texts.push_back(stored.bytes_of_format.size() == 1 ? format : fmt::format("{} {}", format, bytes_text(bytes)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string groups_text(const Inspection& found) {
  std::string text = fmt::format("\n{:<14}{:>8}{:>16}{:>14}{}\n", "group", "tensors", "parameters", "bytes",
                                 found.stored ? "   stored as" : "");
  const auto row = [&](const std::string& name, const GroupCount* counted, const StoredGroup* stored) {
    const std::int64_t tensors = stored != nullptr ? stored->tensors : counted->tensors;
    const std::int64_t parameters = counted != nullptr ? counted->parameters : 0;
    if (tensors == 0) return;
    text += fmt::format("{:<14}{:>8}{:>16}{:>14}", name, tensors, parameters > 0 ? count_text(parameters) : "-",
                        bytes_text(stored != nullptr ? stored->bytes : counted->bytes));
    text += stored != nullptr ? fmt::format("   {}\n", formats_text(*stored)) : "\n";
  };
  for (const bool mtp : {false, true}) {
    for (std::size_t group = 0; group < kGroups; ++group) {
      row(fmt::format("{}{}", mtp ? "mtp " : "", name_of(static_cast<Group>(group))),
          found.account ? &(mtp ? found.account->mtp : found.account->trunk)[group] : nullptr,
          found.stored ? &(mtp ? found.stored->mtp : found.stored->trunk)[group] : nullptr);
    }
  }
  if (found.stored) row("other towers", nullptr, &found.stored->beside);
  return text;
}

std::string bytes_section(const Inspection& found) {
  const Account& account = *found.account;
  const WeightBytes& weights = account.weights;
  const std::int64_t per_token = bytes_of_plain_pass(weights, found.inventory->experts_per_token);
  const std::int64_t shared = count_of(account.trunk, Group::shared).bytes;
  std::string text = fmt::format("\nweights read per token ({})\n", found.formats);
  text +=
      line("a token", bytes_text(per_token),
           fmt::format("{:.1f} % of {}", 100.0 * static_cast<double>(per_token) / static_cast<double>(weights.total),
                       bytes_text(weights.total)));
  text += line("  fixed", bytes_text(weights.fixed - weights.head - shared), "attention, dense, router, norms");
  text += line("  head", bytes_text(weights.head));
  if (shared > 0) text += line("  shared experts", bytes_text(shared));
  if (account.routed_layers > 0) {
    text += line("  routed experts", bytes_text(per_token - weights.fixed - weights.embedding_row));
  }
  text += line("  embedding", bytes_text(weights.embedding_row), "one row");
  const std::int64_t mtp = sum_of(account.mtp).bytes;
  if (mtp > 0) {
    text += line("a guess of the MTP layer",
                 bytes_text(bytes_of_plain_pass(account.mtp_weights, found.inventory->experts_per_token)),
                 fmt::format("with the head; all of it is {}", bytes_text(mtp)));
  }
  if (account.routed_layers == 0) return text;
  text += fmt::format("\nif routing is even, a pass of w rows reads\n{:>4}{:>22}{:>14}{:>14}\n", "w",
                      "experts of a layer", "weights", "to w = 1");
  for (const int rows : kRows) {
    text += fmt::format("{:>4}{:>22.2f}{:>14}{:>14.2f}\n", rows,
                        uniform_union(found.inventory->experts, found.inventory->experts_per_token, rows),
                        bytes_text(std::llround(account.bytes_of_rows(*found.inventory, rows))),
                        account.bytes_of_rows(*found.inventory, rows) / account.bytes_of_rows(*found.inventory, 1));
  }
  return text;
}

std::string kibibytes(std::int64_t bytes) { return fmt::format("{:.2f} KiB", static_cast<double>(bytes) / 1024); }

std::string cache_section(const Inspection& found) {
  const CacheShape& cache = found.inventory->cache;
  std::string text = "\nkept per sequence (16-bit values)\n";
  text += line("keys and values", kibibytes(CacheShape::kValueBytes * cache.per_position), "for each position");
  if (cache.windowed > 0) {
    text += line("  of layers with a window", kibibytes(CacheShape::kValueBytes * cache.windowed),
                 fmt::format("only the last {} positions", cache.window));
  }
  if (cache.index_keys > 0) {
    text += line("keys of the indexer", kibibytes(CacheShape::kValueBytes * cache.index_keys),
                 fmt::format("for each position; here {} in float32",
                             kibibytes(CacheShape::kIndexBytesHere * cache.index_keys)));
  }
  if (cache.states > 0) {
    text += line("recurrent state", bytes_text(cache.state_bytes()),
                 fmt::format("whatever the length; here {}, in float32 and a copy for guesses",
                             bytes_text(cache.state_bytes_here())));
  }
  return text;
}

std::string fit_section(const Inspection& found) {
  const Fit& fit = *found.fit;
  std::string text =
      fmt::format("\nmemory (GiB = 2^30 bytes, {})\n", fit.of_this_machine ? "of this machine" : "by --memory");
  const auto shown = [](std::int64_t bytes) { return fmt::format("{:.2f} GiB", gib(bytes)); };
  if (fit.memory_bytes > 0) text += line("there is", shown(fit.memory_bytes));
  text += line("weights", shown(fit.weight_bytes),
               fit.memory_bytes > 0 ? fmt::format("{:.0f} %", 100.0 * static_cast<double>(fit.weight_bytes) /
                                                                  static_cast<double>(fit.memory_bytes))
                                    : "");
  if (fit.packing_bytes > 0) text += line("of them by packing", shown(fit.packing_bytes), "more than is stored");
  text += line(fmt::format("cache at {} tokens", found.context), shown(fit.cache_bytes),
               "with the recurrent state, for one sequence");
  if (fit.memory_bytes == 0) return text;
  const std::int64_t held = fit.experts_on_disk ? fit.least_bytes : fit.weight_bytes;
  if (fit.experts_on_disk)
    text += line("always in memory", shown(held), "all but routed experts, and one layer of these");
  const std::int64_t left = fit.memory_bytes - held - fit.cache_bytes;
  text += line(left >= 0 ? "left" : "too little by", shown(std::abs(left)),
               fit.experts_on_disk && left >= 0 ? "for more routed experts; the others stay on disk" : "");
  text += line("context that fits", fit.memory_bytes < held ? "none" : fmt::format("{}", fit.most_context),
               fmt::format("tokens; the model is made for {}", found.inventory->context));
  return text;
}

std::string list_text(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string text = fmt::format("\n{}\n", title);
  for (const std::string& one : lines) text += fmt::format("  {}\n", one);
  return text;
}

Json json_of(const GroupCounts& counts) {
  Json groups = Json::object();
  for (std::size_t group = 0; group < kGroups; ++group) {
    const GroupCount& count = counts[group];
    if (count.tensors == 0) continue;
    groups[std::string(name_of(static_cast<Group>(group)))] = {
        {"tensors", count.tensors}, {"parameters", count.parameters}, {"bytes", count.bytes}};
  }
  return groups;
}

Json json_of(const std::array<StoredGroup, kGroups>& stored) {
  Json groups = Json::object();
  for (std::size_t group = 0; group < kGroups; ++group) {
    const StoredGroup& one = stored[group];
    if (one.tensors == 0) continue;
    groups[std::string(name_of(static_cast<Group>(group)))] = {
        {"tensors", one.tensors}, {"bytes", one.bytes}, {"bytes_of_format", one.bytes_of_format}};
  }
  return groups;
}

Json account_json(const Inspection& found) {
  const Account& account = *found.account;
  const Inventory& inventory = *found.inventory;
  const WeightBytes& weights = account.weights;
  Json passes = Json::array();
  for (const int rows : kRows) {
    passes.push_back({{"rows", rows},
                      {"experts_of_a_layer", uniform_union(inventory.experts, inventory.experts_per_token, rows)},
                      {"bytes", account.bytes_of_rows(inventory, rows)},
                      {"to_one_row", account.bytes_of_rows(inventory, rows) / account.bytes_of_rows(inventory, 1)}});
  }
  return {
      {"formats", found.formats},
      {"parameters", account.total_parameters},
      {"active_parameters", account.active_parameters},
      {"parameters_per_expert", account.parameters_per_expert},
      {"mtp_parameters", sum_of(account.mtp).parameters},
      {"bytes", weights.total},
      {"mtp_bytes", sum_of(account.mtp).bytes},
      {"bytes_per_token", bytes_of_plain_pass(weights, inventory.experts_per_token)},
      {"fixed_bytes", weights.fixed},
      {"head_bytes", weights.head},
      {"shared_bytes", count_of(account.trunk, Group::shared).bytes},
      {"expert_bytes_by_layer", weights.expert},
      {"embedding_row_bytes", weights.embedding_row},
      {"mtp_guess_bytes",
       sum_of(account.mtp).tensors == 0 ? 0 : bytes_of_plain_pass(account.mtp_weights, inventory.experts_per_token)},
      {"passes_if_routing_is_even", passes},
      {"groups", json_of(account.trunk)},
      {"mtp_groups", json_of(account.mtp)}};
}

Json cache_json(const CacheShape& cache) {
  return {{"bytes_per_position", CacheShape::kValueBytes * cache.per_position},
          {"of_them_in_a_window", CacheShape::kValueBytes * cache.windowed},
          {"window", cache.window},
          {"indexer_bytes_per_position", CacheShape::kValueBytes * cache.index_keys},
          {"state_bytes", cache.state_bytes()},
          {"here",
           {{"indexer_bytes_per_position", CacheShape::kIndexBytesHere * cache.index_keys},
            {"state_bytes", cache.state_bytes_here()}}}};
}

}  // namespace

std::string summary_of(const Inspection& found) {
  std::string text = head_text(found);
  if (found.stored) text += fmt::format("stored in {}, {}\n", found.stored->files, found.path);
  if (found.account) text += parameters_text(found);
  if (found.account || found.stored) text += groups_text(found);
  if (found.account) text += bytes_section(found) + cache_section(found);
  if (found.fit) text += fit_section(found);
  if (found.stored) {
    std::vector<std::string> unused = found.stored->unused;
    constexpr std::size_t kShown = 8;
    const std::size_t all = unused.size();
    unused.resize(std::min(all, kShown));
    text += list_text(
        fmt::format("{} {} by config.json", all, all == 1 ? "tensor that is none" : "tensors that are none"), unused);
  }
  text += list_text("notes", found.notes);
  text += list_text("would be refused", found.refusals);
  if (found.refusals.empty()) text += "\nThis version would run it here.\n";
  return text;
}

std::string json_of(const Inspection& found) {
  Json json{{"name", found.name},
            {"path", found.path},
            {"model_type", found.model_type},
            {"role", name_of(found.recognised.role)},
            {"reason", found.recognised.reason}};
  if (found.inventory) {
    const Inventory& inventory = *found.inventory;
    json["layers"] = inventory.layers;
    json["hidden_size"] = inventory.hidden;
    json["vocabulary"] = inventory.vocab;
    json["context"] = inventory.context;
    json["experts"] = inventory.experts;
    json["experts_per_token"] = inventory.experts_per_token;
    json["cache"] = cache_json(inventory.cache);
  }
  if (found.account) json["account"] = account_json(found);
  if (found.stored) {
    json["stored"] = {{"files", found.stored->files},
                      {"groups", json_of(found.stored->trunk)},
                      {"mtp_groups", json_of(found.stored->mtp)},
                      {"beside_bytes", found.stored->beside.bytes},
                      {"unused", found.stored->unused}};
  }
  if (found.fit) {
    json["fit"] = {{"memory_bytes", found.fit->memory_bytes},
                   {"of_this_machine", found.fit->of_this_machine},
                   {"weight_bytes", found.fit->weight_bytes},
                   {"packing_bytes", found.fit->packing_bytes},
                   {"least_bytes", found.fit->least_bytes},
                   {"experts_on_disk", found.fit->experts_on_disk},
                   {"context", found.context},
                   {"cache_bytes", found.fit->cache_bytes},
                   {"most_context", found.fit->most_context}};
  }
  json["notes"] = found.notes;
  json["refusals"] = found.refusals;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace specdec
