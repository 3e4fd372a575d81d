#include "core/expert_log.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files/json.h"
#include "core/files/mapped_file.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kWanted = "wanted", kPrefetched = "prefetched";

// The keys of the head and where each belongs: written and read from one list.
void each_number(auto& log, const auto& apply) {
  apply("experts", log.sizes.experts);
  apply("most_at_once", log.sizes.most_at_once);
  apply("packed_bytes", log.sizes.all_bytes);
  apply("slot_bytes", log.sizes.slot_bytes);
  apply("buffer_bytes", log.sizes.buffer_bytes);
  apply("expert_bytes", log.expert_bytes);
  apply("slots", log.room.slots);
  apply("load_buffers", log.room.load_buffers);
  apply("prefetch_buffers", log.room.prefetch_buffers);
  apply("loads", log.loads);
  apply("prefetched_used", log.prefetched_used);
  apply("prefetched_wasted", log.prefetched_wasted);
}

void read_head(const nlohmann::json& head, const std::string& where, ExpertLog& log) {
  const auto at = [&](const char* key) -> const nlohmann::json& {
    if (!head.is_object() || !head.contains(key)) throw Error("{}: 'expert_store' has no '{}'", where, key);
    return head[key];
  };
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  each_number(log, [&](const char* key, auto& number) {
    using Number = std::remove_reference_t<decltype(number)>;
    number = static_cast<Number>(whole_number(at(key), key, 0, sizeof(Number) == 4 ? 1 << 24 : kMost, where));
  });
  for (const auto& [key, text] : {std::pair{"policy", &log.policy}, {"prefetch", &log.prefetch}}) {
    if (!at(key).is_string()) throw Error("{}: '{}' of 'expert_store' is no text", where, key);
    *text = at(key).get<std::string>();
  }
  if (!at("layers").is_array()) throw Error("{}: 'layers' of 'expert_store' is no list", where);
  std::int64_t experts = 0;
  for (const auto& entry : at("layers")) {
    if (!entry.is_array() || entry.size() != 2) throw Error("{}: 'layers' holds no pair [layer, experts]", where);
    log.layers.push_back({static_cast<int>(whole_number(entry[0], "a layer", 0, 1 << 20, where)),
                          static_cast<int>(whole_number(entry[1], "a number of experts", 1, 1 << 20, where))});
    experts += log.layers.back().experts;
  }
  if (experts != log.sizes.experts) {
    throw Error("{}: 'layers' have {} experts, but 'experts' is {}", where, experts, log.sizes.experts);
  }
}

void read_events(const nlohmann::json& events, const std::string& where, ExpertLog& log) {
  if (!events.is_array()) throw Error("{}: 'expert_events' is no list", where);
  for (const auto& entry : events) {
    if (!entry.is_array() || entry.size() != 3 || !entry[2].is_array() ||
        (entry[0] != kWanted && entry[0] != kPrefetched))
      throw Error("{}: an expert event is not [\"wanted\" or \"prefetched\", layer, [experts]]", where);
    ExpertEvent event{entry[0] == kWanted ? ExpertEvent::What::wanted : ExpertEvent::What::prefetched,
                      static_cast<int>(whole_number(entry[1], "a layer", 0, 1 << 20, where)),
                      {}};
    const auto layer = std::ranges::find(log.layers, event.layer, &ExpertLog::Layer::layer);
    if (layer == log.layers.end()) throw Error("{}: layer {} is not among those of 'expert_store'", where, event.layer);
    std::set<std::int64_t> seen;
    for (const auto& expert : entry[2]) {
      const std::int64_t number = whole_number(expert, "an expert", 0, layer->experts - 1, where);
      if (!seen.insert(number).second) throw Error("{}: expert {} stands twice in one event", where, number);
      event.experts.push_back(static_cast<int>(number));
    }
    log.events.push_back(std::move(event));
  }
}

double seconds_in(const nlohmann::json& object, const char* key) {
  return object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0.0;
}

double seconds_of(const nlohmann::json& step) {
  double seconds = 0;
  for (const char* part : {"guess_s", "look_s", "judge_s", "keep_s", "tell_s"}) seconds += seconds_in(step, part);
  if (!step.contains("expert_traffic") || !step["expert_traffic"].is_array()) return seconds;
  for (const auto& layer : step["expert_traffic"]) {
    if (layer.is_object()) seconds -= seconds_in(layer, "stall_s");
  }
  return seconds;
}

}  // namespace

int ExpertLog::number_of(int layer, int expert) const {
  int first = 0;
  for (const Layer& entry : layers) {
    if (entry.layer == layer) return first + expert;
    first += entry.experts;
  }
  SPECDEC_ASSERT(false);
}

std::vector<std::int64_t> ExpertLog::uses() const {
  std::vector<std::int64_t> uses(static_cast<std::size_t>(sizes.experts));
  for (const ExpertEvent& event : events) {
    if (event.what != ExpertEvent::What::wanted) continue;
    for (const int expert : event.experts) ++uses[static_cast<std::size_t>(number_of(event.layer, expert))];
  }
  return uses;
}

ExpertLog read_expert_log(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::string_view rest = file.text();
  ExpertLog log;
  bool has_head = false;
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string where = fmt::format("{}: line {}", path.string(), number);
    const nlohmann::json entry = parse_json(line, where);
    if (!entry.is_object()) throw Error("{}: is no JSON object; expected a trace of specdec run", where);
    const auto text_at = [&](const char* pointer) {
      const nlohmann::json::json_pointer at(pointer);
      return entry.contains(at) && entry[at].is_string() ? entry[at].get<std::string>() : std::string();
    };
    if (entry.contains("run")) {
      log.target_hash = text_at("/run/target/hash");
      log.drafter = text_at("/run/drafter/kind");
    }
    if (entry.contains("expert_store")) {
      if (has_head) throw Error("{}: 'expert_store' stands a second time", where);
      read_head(entry["expert_store"], where, log);
      has_head = true;
    }
    if (!entry.contains("expert_events")) continue;
    if (!has_head)
      throw Error("{}: 'expert_events' before 'expert_store'; the trace of a dense model has no experts", where);
    read_events(entry["expert_events"], where, log);
    if (entry.contains("expert_store")) log.prompt_events = log.events.size();
    log.steps_s += seconds_of(entry);
    if (entry.contains("emitted") && entry["emitted"].is_array()) {
      log.tokens += static_cast<std::int64_t>(entry["emitted"].size());
    }
  }
  if (!has_head) {
    throw Error("{}: says nothing of experts; expected what specdec run --trace writes of a model with experts",
                path.string());
  }
  return log;
}

std::string expert_log_head(const ExpertLog& log) {
  Json head = Json::object();
  each_number(log, [&](const char* key, const auto& number) { head[key] = number; });
  head["policy"] = log.policy;
  head["prefetch"] = log.prefetch;
  head["layers"] = Json::array();
  for (const ExpertLog::Layer& layer : log.layers) head["layers"].push_back({layer.layer, layer.experts});
  return head.dump();
}

std::string json_of(const std::vector<ExpertEvent>& events) {
  Json list = Json::array();
  for (const ExpertEvent& event : events) {
    list.push_back({event.what == ExpertEvent::What::wanted ? kWanted : kPrefetched, event.layer, event.experts});
  }
  return list.dump();
}

}  // namespace specdec
