// specdec inspect: what a checkpoint is, what it takes, and whether it would run here.
#include "experiments/inspect.h"

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/inspect_report.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "core/memory.h"

namespace specdec {
namespace {

class Inspect : public Job {
 public:
  std::vector<Option> options() override {
    return {{"MODEL", &inspect_.model,
             "a directory, a .gguf file, a shipped name, a hub id in the local cache, or a config.json",
             Option::Presence::positional},
            {"memory", &memory_, "count with so much memory instead of this machine's, such as 128GiB"},
            {"context", &inspect_.context, "tokens whose cache must fit, too"},
            {"experts", &inspect_.experts, "count the routed experts in this format; as the rest if not given"},
            {"rest", &inspect_.rest, "and all other matrices in this one: bf16, mxfp4, nvfp4, affine4g64, …"},
            {"json", &json_, "write everything that was found to this file"}};
  }

  int run() override {
    constexpr int kMostContext = 1 << 24;
    if (inspect_.context < 1 || inspect_.context > kMostContext) {
      throw UsageError("--context {}: expected 1 to {}", inspect_.context, kMostContext);
    }
    if (memory_) inspect_.memory_bytes = parse_bytes(*memory_, "--memory");
    if (json_) check_writable(*json_);
    const Inspection found = inspect(inspect_);
    if (json_) check_no_input(*json_, std::array{std::filesystem::path(found.path)});
    fmt::print("{}", summary_of(found));
    if (json_) write_file(*json_, json_of(found));
    constexpr int kRefused = 3;
    return found.refusals.empty() ? 0 : kRefused;
  }

 private:
  InspectOptions inspect_;
  std::optional<std::string> memory_, json_;
};

}  // namespace

Command command_inspect() {
  return {"inspect", "tell what a checkpoint is, what it takes, and whether it would run here (exit code 0 yes, 3 no)",
          make_job<Inspect>};
}

}  // namespace specdec
