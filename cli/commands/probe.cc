// specdec probe: what a verify pass costs in a routed layer of true shape here, and which of its costs are bytes.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/number_list.h"
#include "cli/probe_report.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "core/memory.h"
#include "experiments/known_models.h"
#include "experiments/provenance.h"

namespace specdec {
namespace {

class ProbeCommand : public Job {
 public:
  std::vector<Option> options() override {
    return {
        {"like", &like_, "the model whose experts it is: a config.json, a checkpoint, or the name of a known model"},
        {"format", &probe_.format, "of the experts: affine4g64, mxfp4, nvfp4, bf16, …"},
        {"widths", &widths_, "rows of the passes, ascending"},
        {"natural", &natural_,
         "how rows of a text share experts: a measured curve (demo-moe), its .json file, or the trace of a run"},
        {"memory", &memory_, "of experts that are made, at most; half of what is free here if not given"},
        {"directory", &directory_, "where they are written to, and removed again; the system's if not given"},
        {"seconds", &probe_.patience_s, "for the passes from memory; from disk about as long again"},
        {"memory-only", &memory_only_, "measure nothing from disk"},
        {"seed", &probe_.seed, "of weights and routes"},
        {"threads", &engine_.threads, "0 = one per core"},
        {"compute", &engine_.compute, "default, or f32: never rounds activations to int8"},
        {"cpu", &engine_.cpu, "instruction set: auto, or one of those this machine has"},
        {"expert-reads", &engine_.expert_reads, "how experts are read: io_uring, threads, or auto"},
        {"json", &json_, "write everything that was found to this file"},
        {"svg", &svg_, "write a picture of it to this file"},
        {"save-hardware", &hardware_, "write this machine as a profile for specdec predict to this file"}};
  }

  int run() override {
    probe_.widths = parse_range("--widths", widths_);
    if (std::ranges::adjacent_find(probe_.widths, std::greater_equal<>()) != probe_.widths.end() ||
        probe_.widths.front() < 1 || probe_.widths.back() > kManyRows) {
      throw UsageError("--widths {}: expected an ascending list of 1 to {}", widths_, kManyRows);
    }
    constexpr double kLongest_s = 3600;
    if (!(probe_.patience_s >= 0) || probe_.patience_s > kLongest_s) {
      throw UsageError("--seconds {}: expected 0 to {}", probe_.patience_s, kLongest_s);
    }
    if (memory_) probe_.memory_bytes = parse_bytes(*memory_, "--memory");
    if (directory_) probe_.directory = *directory_;
    if (directory_ && !std::filesystem::is_directory(*directory_)) {
      throw UsageError("--directory {}: is no directory", *directory_);
    }
    probe_.from_disk = !memory_only_;
    check_outputs({json_, svg_, hardware_}, std::array<std::filesystem::path, 2>{like_, natural_});
    const OverlapCurve natural = find_overlap(natural_, "--natural");
    const Inspection like = inspect_known({.model = like_});
    if (!like.inventory)
      throw Error("{}: its tensors are not known: {}", like_,
                  like.refusals.empty() ? "no family knows it" : like.refusals.front());
    const RoutedShape shape = routed_shape_of(*like.inventory, model_name(like_));
    const Interrupt interrupt;
    const ProbeWatcher watcher{[](std::string_view what) { fmt::print(stderr, "specdec: {}\n", what); },
                               [&] { return interrupt.came(); }};
    const ProbeReport report{"probe", utc_now(), options(), probe(shape, probe_, natural, engine_, watcher)};
    fmt::print("{}", summary_of(report));
    if (json_) write_file(*json_, json_of(report));
    if (svg_) write_file(*svg_, picture_of(report.found));
    if (hardware_) write_file(*hardware_, json_of(hardware_of(report.found)));
    return 0;
  }

 private:
  std::string like_ = "qwen3-30b-a3b", widths_ = "1,2,3,4,6,8,12,16", natural_ = "demo-moe";
  std::optional<std::string> memory_, directory_, json_, svg_, hardware_;
  bool memory_only_ = false;
  ProbeOptions probe_;
  EngineOptions engine_;
};

}  // namespace

Command command_probe() {
  return {"probe", "measure what rows cost in a layer of experts of true shape here, and why", make_job<ProbeCommand>};
}

}  // namespace specdec
