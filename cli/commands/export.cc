// specdec export: writes down what an experiment found, for others to read and to go on with.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "cli/command.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "experiments/results.h"
#include "notebooks-export/export_format.h"
#include "notebooks-export/file_stem.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

class Export : public Job {
 public:
  std::vector<Option> options() override {
    return {{"experiment", &experiment_, "its name, or NAME@FINGERPRINT", Option::Presence::positional},
            {"to", &formats_, "ipynb, html, csv, jsonl, markdown or report; several are made if several are given",
             Option::Presence::required},
            {"store", &store_, "the SQLite file that keeps the results"},
            {"where", &where_, "OPTION=VALUE …: only arms with these values"},
            {"out", &directory_, "the directory to write to, made if it is not there"}};
  }

  int run() override {
    for (const std::string& format : formats_) export_format(format);
    const ResultStore store(store_, ResultStore::Mode::read);
    const StoredExperiment experiment = find_experiment(store, experiment_);
    Results results = results_of(store, experiment, parse_conditions(where_));
    if (has_older_namesake(store, experiment)) results.short_id = experiment.fingerprint.substr(0, 8);
    std::error_code failed;
    fs::create_directories(directory_, failed);
    if (failed) throw Error("{}: cannot make the directory: {}", directory_, failed.message());
    for (const std::string& format : formats_) {
      for (const ExportFile& file : export_format(format).write(results)) {
        const fs::path path = fs::path(directory_) / file.name;
        if (fs::exists(path)) fmt::print(stderr, "specdec: note: {} was there and is replaced\n", path.string());
        write_file(path, file.contents);
        fmt::print("{}\n", path.string());
      }
    }
    return 0;
  }

 private:
  // Its files would have the same names.
  static bool has_older_namesake(const ResultStore& store, const StoredExperiment& experiment) {
    const std::vector<StoredExperiment> all = store.experiments();
    return std::ranges::any_of(all, [&](const StoredExperiment& other) {
      return other.id < experiment.id && file_stem(other.name) == file_stem(experiment.name);
    });
  }

  std::string experiment_, store_ = "specdec.db", directory_ = ".";
  std::vector<std::string> formats_, where_;
};

}  // namespace

Command command_export() {
  return {"export", "write what an experiment found as a notebook, a page or tables", make_job<Export>};
}

}  // namespace specdec
