// specdec convert: a checkpoint written again in other formats.
#include "experiments/convert.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/files/output_file.h"
#include "core/memory.h"
#include "experiments/machine.h"

namespace specdec {
namespace {

double bits_per_weight(const RoundTrip& trip) {
  return 8 * static_cast<double>(trip.bytes) / static_cast<double>(trip.weights);
}

void print(const ConvertReport& report) {
  fmt::print("\n{:<12}{:<12}{:>16}{:>8}{:>13}{:>11}{:>13}\n", "matrices", "format", "weights", "bits", "mean error",
             "rms error", "worst");
  for (const RoundTrip& trip : report.round_trips) {
    fmt::print("{:<12}{:<12}{:>16}{:>8.3f}{:>13.3e}{:>11.3e}{:>13.3e}\n", trip.group, trip.format, trip.weights,
               bits_per_weight(trip), trip.mean_error, trip.rms_error, trip.worst_error);
  }
  fmt::print(
      "errors: what is read back against what was read; mean and worst of the magnitude, rms in rms of the weights\n");
  if (!report.copied.empty()) fmt::print("copied: {}\n", fmt::join(report.copied, ", "));
  if (!report.left_out.empty()) fmt::print("left out, not used: {}\n", fmt::join(report.left_out, ", "));
}

std::string json_of(const ConvertReport& report, double seconds) {
  nlohmann::ordered_json groups = nlohmann::ordered_json::array();
  for (const RoundTrip& trip : report.round_trips) {
    groups.push_back({{"group", trip.group},
                      {"format", trip.format},
                      {"weights", trip.weights},
                      {"bytes", trip.bytes},
                      {"bits_per_weight", bits_per_weight(trip)},
                      {"mean_error", trip.mean_error},
                      {"rms_error", trip.rms_error},
                      {"worst_error", trip.worst_error}});
  }
  const nlohmann::ordered_json json{{"source_bytes", report.source_bytes},
                                    {"bytes", report.bytes},
                                    {"tensors", report.tensors},
                                    {"files", report.files},
                                    {"seconds", seconds},
                                    {"peak_memory_bytes", peak_memory()},
                                    {"round_trips", groups},
                                    {"copied", report.copied},
                                    {"left_out", report.left_out}};
  return json.dump(2) + "\n";
}

class Convert : public Job {
 public:
  std::vector<Option> options() override {
    return {{"SRC", &source_, "a directory, a .gguf file, a shipped name or a hub id in the local cache",
             Option::Presence::positional},
            {"DST", &directory_, "the directory to write, which must not exist", Option::Presence::positional},
            {"experts", &experts_, "format of the routed experts; as the rest if not given"},
            {"rest", &convert_.rest, "format of all other matrices: affine4g64, mxfp4, bf16, …",
             Option::Presence::required},
            {"router", &convert_.router, "format of the routers; as stored if not given"},
            {"force", &convert_.replace, "replace the checkpoint DST, if there is one"},
            {"json", &json_, "write everything that was found to this file"},
            {"threads", &engine_.threads, "0 = one per core"}};
  }

  int run() override {
    Engine engine(engine_);
    convert_.experts = experts_.value_or(convert_.rest);
    if (json_) check_writable(*json_);
    const auto begin = std::chrono::steady_clock::now();
    const Interrupt interrupt;
    const ConvertReport report =
        convert(resolve_model(source_), directory_, convert_, engine, [&] { return interrupt.came(); });
    const double seconds = seconds_since(begin);
    fmt::print("{}: {:.3f} GB of weights in {} tensors and {} {}, from {:.3f} GB in {:.1f} s; {:.2f} GB of memory\n",
               directory_, static_cast<double>(report.bytes) / 1e9, report.tensors, report.files,
               report.files == 1 ? "file" : "files", static_cast<double>(report.source_bytes) / 1e9, seconds,
               static_cast<double>(peak_memory()) / 1e9);
    print(report);
    if (json_) write_file(*json_, json_of(report, seconds));
    return 0;
  }

 private:
  std::string source_, directory_;
  std::optional<std::string> experts_, json_;
  ConvertOptions convert_;
  EngineOptions engine_;
};

}  // namespace

Command command_convert() { return {"convert", "write a checkpoint again in other formats", make_job<Convert>}; }

}  // namespace specdec
