#include "experiments/recording.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/files/json.h"
#include "tokenizers/base64.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;
static_assert(std::endian::native == std::endian::little);  // as the numbers stand in the file

template <typename Number>
std::string packed(std::span<const Number> numbers) {
  return base64_encoded({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
}

std::vector<std::int32_t> numbers_of(const std::set<std::int32_t>& ids) { return {ids.begin(), ids.end()}; }

template <typename Values>
void add_largest(const Values& values, int count, std::set<std::int32_t>& ids) {
  std::vector<std::int32_t> order(values.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  const auto kept = std::min(order.size(), static_cast<std::size_t>(count));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](std::int32_t a, std::int32_t b) {
                      const float left = values[static_cast<std::size_t>(a)];
                      const float right = values[static_cast<std::size_t>(b)];
                      return left != right ? left > right : a < b;
                    });
  ids.insert(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept));
}

// Of the tokens after one node, those that are recorded: enough to judge its guesses.
std::set<std::int32_t> recorded_tokens(const DraftTree& tree, int node, std::span<const float> logits, int top) {
  std::set<std::int32_t> ids;
  add_largest(logits, top, ids);
  for (const int child : tree.children(node)) {
    ids.insert(index(tree[child].token));
    if (tree[child].q) add_largest(tree[child].q->weights(), top, ids);
  }
  return ids;
}

Json json_of(const Distribution& q, const std::vector<std::int32_t>& ids) {
  if (q.certain()) return {{"certain", index(*q.certain())}};
  if (ids.empty()) return {{"weights", packed(q.weights())}, {"total", q.total()}};
  std::vector<float> weights;
  double rest = q.total();
  for (const std::int32_t id : ids) {
    weights.push_back(q.weights()[static_cast<std::size_t>(id)]);
    rest -= static_cast<double>(weights.back());
  }
  weights.push_back(static_cast<float>(std::max(0.0, rest)));
  return {{"weights", packed(std::span<const float>(weights))}, {"total", q.total()}};
}

// The logit of one token that is as likely as all that are not recorded are together.
float logit_of_rest(std::span<const float> logits, const std::vector<std::int32_t>& ids, double temperature) {
  const double scale = temperature > 0 ? temperature : 1;
  const double largest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  auto next = ids.begin();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (next != ids.end() && static_cast<std::size_t>(*next) == i) {
      ++next;
    } else {
      sum += std::exp((static_cast<double>(logits[i]) - largest) / scale);
    }
  }
  return static_cast<float>(largest + scale * std::log(sum));
}

}  // namespace

void Recorder::pass(const DraftTree& tree, const MatView& logits) {
  Json tokens = Json::array(), laws = Json::array(), confidences = Json::array(), entropies = Json::array();
  Json rows = Json::array();
  std::vector<std::vector<std::int32_t>> recorded;
  for (int node = 0; node < tree.size(); ++node) {
    const auto row = row_span(logits, node);
    recorded.emplace_back();
    if (detail_.top == 0) {
      rows.push_back({{"logits", packed(row)}});
    } else {
      const auto& ids = recorded.back() = numbers_of(recorded_tokens(tree, node, row, detail_.top));
      std::vector<float> values;
      for (const std::int32_t id : ids) values.push_back(row[static_cast<std::size_t>(id)]);
      values.push_back(logit_of_rest(row, ids, detail_.temperature));
      rows.push_back(
          {{"ids", packed(std::span<const std::int32_t>(ids))}, {"logits", packed(std::span<const float>(values))}});
    }
    if (node == 0) continue;
    const Node& guess = tree[node];
    tokens.push_back(index(guess.token));
    laws.push_back(guess.q ? json_of(*guess.q, recorded[static_cast<std::size_t>(guess.parent)]) : Json());
    confidences.push_back(guess.confidence);
    entropies.push_back(std::isfinite(guess.entropy) ? guess.entropy : 0);  // of a law that says nothing for certain
  }
  passes_.push_back(Json{
      {"anchor", index(tree[0].token)},
      {"guesses", tokens},
      {"drawn_from", laws},
      {"confidences", confidences},
      {"entropies", entropies},
      {"laws", rows}}.dump());
}

Distribution RecordedRow::law(const Sampler& sampler, int size) const {
  const bool keeps_few = sampler.temperature == 0 || sampler.top_k > 0 || sampler.min_p > 0;
  if (tokens.empty() || !keeps_few) return sampler.distribution(logits, tokens, tokens.empty() ? 0 : size);
  // What was not recorded is never among the likeliest.
  std::vector<float> likeliest = logits;
  likeliest.back() = -std::numeric_limits<float>::infinity();
  return sampler.distribution(likeliest, tokens, size);
}

namespace {

// One line of the file, and where it is.
struct Line {
  nlohmann::json json;
  std::string where;

  const nlohmann::json& at(const char* key) const {
    if (!json.is_object() || !json.contains(key)) {
      throw Error("{}: '{}' is missing; expected a line of specdec run --record", where, key);
    }
    return json.at(key);
  }
  int whole(const nlohmann::json& value, const char* what, std::int64_t least, std::int64_t most) const {
    return static_cast<int>(whole_number(value, what, least, most, where));
  }
  double number(const nlohmann::json& value, const char* what) const {
    if (!value.is_number()) throw Error("{}: {} is no number", where, what);
    return value.get<double>();
  }
  const nlohmann::json& list(const char* key) const {
    if (!at(key).is_array()) throw Error("{}: '{}' is no list", where, key);
    return at(key);
  }
};

template <typename Number>
std::vector<Number> unpacked(const nlohmann::json& object, const char* key, const Line& line) {
  const auto bytes = object.is_object() && object.contains(key) && object.at(key).is_string()
                         ? base64_decoded(object.at(key).get<std::string>())
                         : std::nullopt;
  if (!bytes || bytes->size() % sizeof(Number) != 0) {
    throw Error("{}: '{}' is no base64 of {}-byte numbers", line.where, key, sizeof(Number));
  }
  std::vector<Number> numbers(bytes->size() / sizeof(Number));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes->data(), bytes->size());
  return numbers;
}

RecordedRow read_row(const nlohmann::json& object, const Recording& recording, const Line& line) {
  RecordedRow row{{}, unpacked<float>(object, "logits", line)};
  std::size_t expected = static_cast<std::size_t>(recording.vocab);
  if (recording.detail.top > 0) {
    const auto ids = unpacked<std::int32_t>(object, "ids", line);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= recording.vocab || (i > 0 && ids[i] <= ids[i - 1])) {
        throw Error("{}: 'ids' holds {}; expected ascending ids below {}", line.where, ids[i], recording.vocab);
      }
      row.tokens.push_back(TokenId{ids[i]});
    }
    row.tokens.push_back(TokenId{recording.vocab});
    expected = row.tokens.size();
  }
  if (row.logits.size() != expected) {
    throw Error("{}: a row has {} logits; expected {}", line.where, row.logits.size(), expected);
  }
  constexpr float kNone = -std::numeric_limits<float>::infinity();  // a token without a chance
  for (std::size_t i = 0; i < expected; ++i) {
    if (std::isfinite(row.logits[i]) || row.logits[i] == kNone) continue;
    throw Error("{}: logit {} of a row is {}; expected a number: the file is damaged", line.where, i, row.logits[i]);
  }
  if (std::ranges::max(row.logits) == kNone)
    throw Error("{}: a row gives no token a chance; the file is damaged", line.where);
  return row;
}

std::optional<Distribution> read_law(const nlohmann::json& object, const RecordedRow& row, const Recording& recording,
                                     const Line& line) {
  if (object.is_null()) return std::nullopt;
  const int size = recording.law_size();
  if (object.is_object() && object.contains("certain")) {
    return Distribution::point(TokenId{line.whole(object.at("certain"), "'certain'", 0, size - 1)}, size);
  }
  std::vector<float> weights = unpacked<float>(object, "weights", line);
  if (weights.size() != row.logits.size()) {
    throw Error("{}: a law has {} weights; expected {}", line.where, weights.size(), row.logits.size());
  }
  const double total = object.contains("total") ? line.number(object.at("total"), "'total'") : 0;
  const bool usable = std::ranges::all_of(weights, [](float w) { return w >= 0 && std::isfinite(w); });
  if (!usable || !(total > 0 && std::isfinite(total))) {
    throw Error("{}: a law has a weight below 0 or no total; the file is damaged", line.where);
  }
  if (!row.tokens.empty()) {
    std::vector<float> spread(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < weights.size(); ++i)
      spread[static_cast<std::size_t>(index(row.tokens[i]))] = weights[i];
    weights = std::move(spread);
  }
  return Distribution(weights, total);
}

RecordedStep read_step(const Line& line, const Recording& recording) {
  constexpr int kMostPosition = 1 << 30;
  const auto token = [&](const nlohmann::json& value) {
    return TokenId{line.whole(value, "a token of this model", 0, recording.vocab - 1)};
  };
  RecordedStep step{
      DraftTree(token(line.at("anchor")), line.whole(line.at("position"), "'position'", 0, kMostPosition)), {}, {}, {}};
  const nlohmann::json& parents = line.list("parents");
  const nlohmann::json& guesses = line.list("guesses");
  const nlohmann::json& drawn_from = line.list("drawn_from");
  const nlohmann::json& confidences = line.list("confidences");
  const nlohmann::json& entropies = line.list("entropies");
  const nlohmann::json& laws = line.list("laws");
  const std::size_t nodes = parents.size();
  if (nodes == 0 || guesses.size() + 1 != nodes || drawn_from.size() + 1 != nodes || confidences.size() + 1 != nodes ||
      entropies.size() + 1 != nodes || laws.size() != nodes) {
    throw Error(
        "{}: {} parents, {} guesses, {} drawn_from, {} confidences, {} entropies and {} laws do not fit together",
        line.where, nodes, guesses.size(), drawn_from.size(), confidences.size(), entropies.size(), laws.size());
  }
  for (const nlohmann::json& row : laws) step.rows.push_back(read_row(row, recording, line));
  for (std::size_t i = 1; i < nodes; ++i) {
    const int parent = line.whole(parents[i], "a parent", 0, static_cast<std::int64_t>(i) - 1);
    const TokenId guess = token(guesses[i - 1]);
    auto q = read_law(drawn_from[i - 1], step.rows[static_cast<std::size_t>(parent)], recording, line);
    if (q && !((*q)[guess] > 0)) {
      throw Error("{}: guess {} cannot have been drawn: its own law gives it no chance", line.where, i);
    }
    step.tree.add(parent, guess, std::move(q), line.number(confidences[i - 1], "a confidence"),
                  line.number(entropies[i - 1], "an entropy"));
  }
  for (const nlohmann::json& node : line.list("path")) {
    step.path.push_back(line.whole(node, "a node of 'path'", 0, static_cast<std::int64_t>(nodes) - 1));
  }
  for (std::size_t i = 0; i < step.path.size(); ++i) {
    if (step.tree[step.path[i]].parent != (i == 0 ? -1 : step.path[i - 1]))
      throw Error("{}: 'path' does not lead from the anchor from guess to guess", line.where);
  }
  for (const nlohmann::json& emitted : line.list("emitted")) step.emitted.push_back(token(emitted));
  if (step.path.empty() || step.emitted.empty())
    throw Error("{}: 'path' or 'emitted' is empty; every pass has an anchor and says a token", line.where);
  return step;
}

// Each pass begins where the one before it ended.
void add_step(RecordedStep step, const std::string& where, Recording& recording) {
  if (!recording.steps.empty()) {
    const RecordedStep& before = recording.steps.back();
    const int expected = before.tree.position(0) + static_cast<int>(before.emitted.size());
    if (step.tree.position(0) != expected || step.tree[0].token != before.emitted.back()) {
      throw Error("{}: the pass begins at position {} with token {}; expected {} and {}: a pass is missing", where,
                  step.tree.position(0), index(step.tree[0].token), expected, index(before.emitted.back()));
    }
  }
  recording.steps.push_back(std::move(step));
}

// How many passes there are.
int read_head(const Line& line, Recording& recording) {
  const Line head{line.at("recorded"), line.where + ": 'recorded'"};
  const auto text = [&](const char* key) {
    if (!head.at(key).is_string()) throw Error("{}: '{}' is no text", head.where, key);
    return head.at(key).get<std::string>();
  };
  constexpr int kMost = 1 << 24;
  recording.vocab = head.whole(head.at("vocab"), "'vocab'", 1, kMost);
  recording.detail = {head.whole(head.at("top"), "'top'", 0, kMost),
                      head.number(head.at("temperature"), "'temperature'")};
  recording.sampler = {.temperature = recording.detail.temperature,
                       .top_k = head.whole(head.at("top_k"), "'top_k'", 0, kMost),
                       .top_p = head.number(head.at("top_p"), "'top_p'"),
                       .min_p = head.number(head.at("min_p"), "'min_p'")};
  recording.sampler.check();
  if (!head.at("seed").is_number_unsigned()) throw Error("{}: 'seed' is no whole number", head.where);
  recording.seed = head.at("seed").get<std::uint64_t>();
  recording.rule = text("rule");
  if (head.json.contains("verify_experts")) {
    recording.verify_experts = head.whole(head.at("verify_experts"), "'verify_experts'", 0, kMost);
  }
  if (head.json.contains("k")) recording.k = head.whole(head.at("k"), "'k'", 0, kMost);
  if (head.json.contains("tree")) recording.tree = text("tree");
  if (head.json.contains("policy")) recording.policy = text("policy");
  recording.target = text("target");
  recording.drafter = text("drafter");
  for (const nlohmann::json& end : head.list("eos"))
    recording.eos.push_back(TokenId{head.whole(end, "an end of text", 0, recording.vocab - 1)});
  return head.whole(head.at("passes"), "'passes'", 0, kMost);
}

}  // namespace

Recording read_recording(const std::filesystem::path& path) {
  std::ifstream lines(path);
  if (!lines) throw Error("{}: cannot be read; expected what specdec run --record wrote", path.string());
  Recording recording{.path = path.string(), .rule = "", .target = "", .drafter = "", .eos = {}, .steps = {}};
  int number = 0, passes = 0;
  for (std::string text; std::getline(lines, text);) {
    const std::string where = fmt::format("{}:{}", path.string(), ++number);
    const Line line{parse_json(text, where), where};
    if (number == 1) {
      passes = read_head(line, recording);
    } else {
      add_step(read_step(line, recording), where, recording);
    }
  }
  if (!recording.steps.empty() && static_cast<int>(recording.steps.size()) != passes) {
    throw Error("{}: {} passes, but its first line says {}: the file is cut off", path.string(), recording.steps.size(),
                passes);
  }
  if (recording.steps.empty()) throw Error("{}: no step; expected what specdec run --record wrote", path.string());
  return recording;
}

}  // namespace specdec
