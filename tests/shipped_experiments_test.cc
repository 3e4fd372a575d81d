// Every experiment that comes along runs, small, and ends as tables, a page and a notebook that runs itself.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "experiments/results.h"
#include "experiments/sweep_files.h"
#include "notebooks-export/export_format.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

ProgramResult specdec(const std::vector<std::string>& words) {
  std::vector<std::string> command{SPECDEC_PROGRAM};
  command.insert(command.end(), words.begin(), words.end());
  return run_program(command);
}

TEST(ShippedExperiments, RunSmallAndTheirNotebooksExecute) {
  const TemporaryDirectory directory;
  const std::string store = (directory.path() / "results.db").string();
  std::vector<std::string> notebooks{SPECDEC_SOURCE_DIR "/tests/notebooks/run.sh",
                                     SPECDEC_SOURCE_DIR "/build/notebook-venv"};
  for (const NamedText& file : sweep_files()) {
    const std::string name(file.name);
    const ProgramResult swept = specdec({"sweep", name, "--small", "--store", store});
    ASSERT_EQ(swept.exit_code, 0) << name << "\n" << swept.output;
    const ProgramResult exported =
        specdec({"export", name + "-small", "--store", store, "--to", "ipynb", "--out", directory.path().string()});
    ASSERT_EQ(exported.exit_code, 0) << name << "\n" << exported.output;
    notebooks.push_back((directory.path() / (name + "-small.ipynb")).string());
  }

  const ResultStore results(store, ResultStore::Mode::read);
  for (const StoredExperiment& experiment : results.experiments()) {
    SCOPED_TRACE(experiment.name);
    EXPECT_EQ(experiment.finished, experiment.arms * experiment.repeats);
    const Results found = results_of(results, experiment);
    const Table& arms = found.table("arms");
    EXPECT_EQ(static_cast<std::int64_t>(arms.rows.size()), experiment.arms);
    for (const auto& row : arms.rows) {
      EXPECT_GT(std::get<double>(row[arms.column("speed_up")]), 0);
      const Cell& identical = row[arms.column("identical_share")];
      if (const double* share = std::get_if<double>(&identical)) {
        EXPECT_EQ(*share, 1) << text_of(row[0]);
      }
    }
    for (const ExportFormat& format : export_formats()) EXPECT_FALSE(format.write(found).empty()) << format.name;
  }

  const ProgramResult executed = run_program(notebooks);
  if (executed.exit_code == 77) GTEST_SKIP() << executed.output;
  EXPECT_EQ(executed.exit_code, 0) << executed.output;
}

}  // namespace
}  // namespace specdec
