#include "cli/origin.h"

#include <nlohmann/json.hpp>
#include <utility>

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

Origin origin_of(std::string command, std::vector<Option> options, const Engine& engine) {
  return {std::move(command), utc_now(),        std::move(options),
          this_machine(),     engine.threads(), std::string(engine.cpu_level())};
}

std::string json_of(const std::vector<Option>& options) {
  Json all = Json::object();
  for (const Option& option : options) all[std::string(option.name)] = value_of(option);
  return dump(all);
}

std::string json_of(const Origin& origin, const LimitFacts& rates) {
  Json machine = Json::parse(json_of(origin.machine, origin.threads, origin.instruction_set));
  machine["read_bytes_per_s"] = rates.read_bytes_per_s;
  machine["barrier_s"] = rates.barrier_s;
  return dump({{"command", origin.command},
               {"version", version()},
               {"date", origin.date},
               {"options", Json::parse(json_of(origin.options))},
               {"machine", machine}});
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

}  // namespace specdec
