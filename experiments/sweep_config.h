// A grid of settings, as a file describes it: JSON, comments allowed.
//   {"name": "depth", "options": {"draft": "mtp"}, "product": {"k": [1, 2, 4, 8]}, "repeats": 3}
//   const SweepConfig config = read_sweep_config("depth.json");
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/arm.h"

namespace specdec {

struct SweepConfig {
  std::string name, question, method;
  std::vector<std::string> axes;  // options that are varied, in the order of the file
  std::vector<Setting> arms;      // each once
  int repeats = 3;
  std::uint64_t seed = 1;           // of the order of trials
  std::optional<double> until;      // an arm ends when its speed-up is known to this share
  std::string text;                 // canonical JSON of all of the above but question, method and until
  std::string fingerprint() const;  // of `text`, 16 hex digits
};

// Throws UsageError: ORIGIN:LINE: key: what is wrong, and what is expected.
SweepConfig parse_sweep_config(std::string_view text, const std::string& origin);
// A file, or the name of a config that the program brings along. Throws as above, and Error if there is none.
SweepConfig read_sweep_config(const std::string& name);

// The same settings on one prompt per domain, short and once: whether it runs, and what its tables look like.
SweepConfig small_of(SweepConfig config);

std::string sweep_schema();  // JSON Schema (2020-12) of these files

// "ci=0.02": the half width of the interval, as a share. Throws UsageError.
double parse_until(std::string_view text);

}  // namespace specdec
