// specdec synth: a random checkpoint of a model's true shapes.
#include "experiments/synth.h"

#include <fmt/format.h>

#include <chrono>

#include "cli/command.h"
#include "core/arch.h"
#include "experiments/machine.h"
#include "verify/tally.h"

namespace specdec {
namespace {

constexpr int kRows = 16;  // of the pass that shows whether routing is even

class Synth : public Job {
 public:
  std::vector<Option> options() override {
    return {{"DST", &directory_, "the directory to write, which must not exist", Option::Presence::positional},
            {"like", &like_, "the config.json of the model", Option::Presence::required},
            {"layers", &synth_.layers, "0 = as many as the model has"},
            {"experts", &experts_, "format of the routed experts; as the rest if not given"},
            {"rest", &synth_.rest, "format of all other matrices: f32, f16, bf16 or affine<bits>g<group>"},
            {"seed", &synth_.seed, "of the random numbers"},
            {"threads", &engine_.threads, "0 = one per core"}};
  }

  int run() override {
    Engine engine(engine_);
    synth_.like = like_;
    synth_.experts = experts_.value_or(synth_.rest);
    const auto begin = std::chrono::steady_clock::now();
    const SynthReport report = synthesise(synth_, directory_, engine);
    fmt::print("{}: {:.2f} GB of weights in {} tensors and {} {}, {} layers, written in {:.1f} s\n", directory_,
               static_cast<double>(report.bytes) / 1e9, report.tensors, report.files,
               report.files == 1 ? "file" : "files", report.layers, seconds_since(begin));
    const double woken = mean_union(directory_, kRows, synth_.seed, engine);
    const ModelInfo info = describe_model(directory_);
    if (woken > 0) {
      fmt::print("experts woken by {} rows: {:.1f} of {} in a layer; {:.1f} if routing were even\n", kRows, woken,
                 info.experts, uniform_union(info.experts, info.experts_per_token, kRows));
    }
    return 0;
  }

 private:
  std::string directory_, like_;
  std::optional<std::string> experts_;
  SynthOptions synth_;
  EngineOptions engine_;
};

}  // namespace

Command command_synth() { return {"synth", "write a random checkpoint of a model's true shapes", make_job<Synth>}; }

}  // namespace specdec
