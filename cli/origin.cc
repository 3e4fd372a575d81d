#include "cli/origin.h"

#include <nlohmann/json.hpp>

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

Json value_of(const Option& option) {
  return std::visit(
      [](const auto* value) -> Json {
        if constexpr (requires { value->has_value(); }) {
          return value->has_value() ? Json(**value) : Json(nullptr);
        } else {
          return *value;
        }
      },
      option.field);
}

// Bytes that are no UTF-8 are shown as U+FFFD: JSON has no other way.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string json_of(const std::vector<Option>& options) {
  Json json = Json::object();
  for (const Option& option : options) json[std::string(option.name)] = value_of(option);
  return dump(json);
}

std::string json_of(const Model& model) {
  const ModelInfo& info = model.info();
  return dump({{"architecture", info.architecture},
               {"path", info.path},
               {"hash", info.hash},
               {"vocabulary", info.vocab},
               {"layers", info.layers},
               {"experts", info.experts},
               {"experts_per_token", info.experts_per_token},
               {"weight_bytes", model.bytes().total}});
}

std::string json_of(const Machine& machine, int threads, const std::string& instruction_set, const LimitFacts& rates) {
  return dump({{"cpu", machine.cpu},
               {"cores", machine.cores},
               {"last_level_cache_bytes", machine.last_level_cache_bytes},
               {"memory_bytes", machine.memory_bytes},
               {"threads", threads},
               {"instruction_set", instruction_set},
               {"read_bytes_per_s", rates.read_bytes_per_s},
               {"barrier_s", rates.barrier_s}});
}

}  // namespace specdec
