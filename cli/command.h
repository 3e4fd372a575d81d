// Commands of the program. A command is a file cli/commands/<name>.cc; its name is its name on the command line.
//   class Vocab : public Job { … };
//   Command command_vocab() { return {"vocab", "tells whether a draft can speak …", make_job<Vocab>}; }
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cli/option.h"

namespace specdec {

// One call of a command: its options are filled in, then it runs.
class Job {
 public:
  virtual ~Job() = default;
  virtual std::vector<Option> options() = 0;  // said once: for parsing, for --help and for the record of what was run
  virtual int run() = 0;                      // the exit code
};

struct Command {
  std::string_view name, summary;
  std::unique_ptr<Job> (*make)();
  std::string_view exit_codes{};  // besides those of every command
};

// Exit code of a command that checks something and finds that it does not hold.
inline constexpr int kClaimFailed = 5;
std::span<const Command> commands();  // generated from commands/*.cc

template <typename Kind>
std::unique_ptr<Job> make_job() {
  return std::make_unique<Kind>();
}

}  // namespace specdec
