// specdec synth: a random checkpoint of a model's true shapes.
#include "experiments/synth.h"

#include <fmt/format.h>

#include <chrono>

#include "cli/command.h"
#include "core/arch.h"
#include "core/traffic.h"
#include "experiments/machine.h"

namespace specdec {
namespace {

constexpr int kRows = 16;  // of the pass that shows whether routing is even

class Synth : public Job {
 public:
  std::vector<Option> options() override {
    return {{"DST", &directory_, "the directory to write, which must not exist", Option::Presence::positional},
            {"like", &like_, "the config.json of the model", Option::Presence::required},
            {"layers", &synth_.layers, "0 = as many as the model has"},
            {"mtp", &synth_.mtp,
             "0 = no MTP layer, 1 = one even if config.json names none (Qwen3-Next); as config.json says if not given"},
            {"experts", &experts_, "format of the routed experts; as the rest if not given"},
            {"rest", &synth_.rest, "format of all other matrices: affine4g64, mxfp4, bf16, …"},
            {"seed", &synth_.seed, "of the random numbers"},
            {"threads", &engine_.threads, "0 = one per core"}};
  }

  int run() override {
    Engine engine(engine_);
    synth_.like = like_;
    synth_.experts = experts_.value_or(synth_.rest);
    const auto begin = std::chrono::steady_clock::now();
    const SynthReport report = synthesise(synth_, directory_, engine);
    fmt::print("{}: {:.2f} GB of weights in {} tensors and {} {}, {} layers{}, written in {:.1f} s\n", directory_,
               static_cast<double>(report.bytes) / 1e9, report.tensors, report.files,
               report.files == 1 ? "file" : "files", report.layers,
               report.mtp_bytes > 0
                   ? fmt::format(" and an MTP layer of {:.2f} GB", static_cast<double>(report.mtp_bytes) / 1e9)
                   : "",
               seconds_since(begin));
    const ModelInfo info = describe_model(directory_);
    if (info.experts > 0) print_routing(info, report.bytes, engine);
    return 0;
  }

 private:
  void print_routing(const ModelInfo& info, std::int64_t weight_bytes, Engine& engine) const {
    const Machine machine = this_machine();
    if (!fits_memory(weight_bytes, machine)) {
      fmt::print("experts woken by {} rows: not counted, too large for the {:.2f} GB of memory here\n", kRows,
                 static_cast<double>(machine.memory_bytes) / 1e9);
      return;
    }
    fmt::print("experts woken by {} rows: {:.1f} of {} in a layer; {:.1f} if routing were even\n", kRows,
               mean_union(directory_, kRows, synth_.seed, engine), info.experts,
               uniform_union(info.experts, info.experts_per_token, kRows));
  }

  std::string directory_, like_;
  std::optional<std::string> experts_;
  SynthOptions synth_;
  EngineOptions engine_;
};

}  // namespace

Command command_synth() { return {"synth", "write a random checkpoint of a model's true shapes", make_job<Synth>}; }

}  // namespace specdec
