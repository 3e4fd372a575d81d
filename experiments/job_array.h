// Scripts that run the parts of a sweep under a scheduler that is there already. Every part has a store of its own, and
// `specdec results merge` makes one of them: file systems that machines share do not keep a lock.
#pragma once

#include <string>

namespace specdec {

struct JobArray {
  std::string config, store, until, name;
  int jobs = 1;
  bool small = false;
};

// The command that runs a part, "I/N", or all if there is none.
std::string sweep_command(const JobArray& jobs, const std::string& shard);

std::string slurm_script(const JobArray& jobs);     // for sbatch
std::string parallel_script(const JobArray& jobs);  // for sh, with GNU parallel

}  // namespace specdec
