#include "experiments/provenance.h"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace specdec {

std::string utc_text(std::time_t time) { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time)); }

std::time_t time_of(const std::string& utc) {
  std::tm time{};
  const char* end = ::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  if (end == nullptr || *end != '\0') throw Error("'{}': expected a time such as 2026-11-21T10:52:11Z", utc);
  return ::timegm(&time);
}

std::string utc_now() { return utc_text(std::time(nullptr)); }

std::string json_of(const Machine& machine, int threads, const std::string& instruction_set) {
  const nlohmann::ordered_json json{{"cpu", machine.cpu},
                                    {"cores", machine.cores},
                                    {"last_level_cache_bytes", machine.last_level_cache_bytes},
                                    {"memory_bytes", machine.memory_bytes},
                                    {"threads", threads},
                                    {"instruction_set", instruction_set}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string head_of(std::string_view date, const Machine& machine, int threads, std::string_view cpu_level,
                    const LoadedTarget& target) {
  const ModelInfo& info = target.model->info();
  return fmt::format(
      "specdec {}, {}\n{}, {} cores, last-level cache {:.0f} MB; {} threads, {}\n{} ({}, {}), {:.1f} MB of weights\n",
      version(), date, machine.cpu, machine.cores, static_cast<double>(machine.last_level_cache_bytes) / 1e6, threads,
      cpu_level, target.name, info.architecture, info.hash, static_cast<double>(target.model->bytes().total) / 1e6);
}

}  // namespace specdec
