#include "experiments/job_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

namespace specdec {
namespace {

// As one word of a shell.
std::string quoted(const std::string& text) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./=%+,:@").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string stem_of(const std::string& store) {
  return (std::filesystem::path(store).parent_path() / std::filesystem::path(store).stem()).string();
}

// Of a part, whose number the shell puts in.
std::string sweep_of(JobArray jobs, const std::string& part) {
  const std::string stem = stem_of(jobs.store);
  jobs.store.clear();
  return fmt::format("{} --store {}.{}.db --shard {}/{}", sweep_command(jobs, ""), quoted(stem), part, part, jobs.jobs);
}

std::string merge_of(const JobArray& jobs) {
  return fmt::format("specdec results merge {}.*.db --store {}", quoted(stem_of(jobs.store)), quoted(jobs.store));
}

}  // namespace

std::string sweep_command(const JobArray& jobs, const std::string& shard) {
  std::string command = "specdec sweep " + quoted(jobs.config);
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) command += fmt::format(" {} {}", option, quoted(value));
  };
  add("--store", jobs.store);
  add("--shard", shard);
  add("--until", jobs.until);
  return jobs.small ? command + " --small" : command;
}

std::string slurm_script(const JobArray& jobs) {
  return fmt::format(
      "#!/bin/sh\n"
      "# specdec sweep submit --slurm: pipe it to sbatch. Parts that were killed go on when it is submitted again.\n"
      "# When all have ended: {}\n"
      "#SBATCH --job-name=specdec-{}\n"
      "#SBATCH --array=1-{}\n"
      "#SBATCH --exclusive\n"  // a neighbour would be in the measured times
      "#SBATCH --requeue\n"
      "exec {}\n",
      merge_of(jobs), jobs.name, jobs.jobs, sweep_of(jobs, "\"$SLURM_ARRAY_TASK_ID\""));
}

std::string parallel_script(const JobArray& jobs) {
  return fmt::format(
      "#!/bin/sh\n"
      "# specdec sweep submit --gnu-parallel: one part at a time on every machine, since they would disturb one "
      "another;\n"
      "# --sshlogin HOSTS in PARALLEL_OPTIONS runs them on several.\n"
      "set -e\n"
      "seq {} | parallel --jobs 1 ${{PARALLEL_OPTIONS:-}} {}\n"
      "{}\n",
      jobs.jobs, quoted(sweep_of(jobs, "{}")), merge_of(jobs));
}

}  // namespace specdec
