// Exported notebooks run from top to bottom where nothing but pandas, matplotlib and Jupyter is installed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "notebooks-export/export_format.h"
#include "tests/run_program.h"
#include "tests/sample_results.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

// With a last cell that looks at the frames.
std::string notebook_of(const Results& results, std::string_view last_cell) {
  nlohmann::json notebook = nlohmann::json::parse(export_format("ipynb").write(results).front().contents);
  notebook["cells"].push_back({{"cell_type", "code"},
                               {"id", "look"},
                               {"metadata", nlohmann::json::object()},
                               {"execution_count", nullptr},
                               {"source", last_cell},
                               {"outputs", nlohmann::json::array()}});
  return notebook.dump();
}

TEST(Notebook, RunsFromTopToBottom) {
  const TemporaryDirectory directory;
  Results large = crowded_results(12, 12);
  large.tables[2].rows.clear();
  large.tables[0].rows[0][large.tables[0].column("tokens_per_s")] = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::string> command{SPECDEC_SOURCE_DIR "/tests/notebooks/run.sh",
                                   SPECDEC_SOURCE_DIR "/build/notebook-venv"};
  const auto add = [&](const char* name, const Results& results, std::string_view last_cell) {
    command.push_back(directory.write(name, notebook_of(results, last_cell)));
  };
  ASSERT_NE(notebook_of(large, "").find("table(unpacked("), std::string::npos);
  add("sample.ipynb", sample_results(),
      "assert len(arms) == 12 and arms['k'].dtype == 'int64' and abs(arms['speed_up'][1] - 1.472) < 0.001");
  add("hostile.ipynb", hostile_results(),
      "assert texts['arm'].iloc[0] == '007' and texts['arm'].iloc[-1] == 'NA'\n"
      "assert arms['arm'].iloc[-1] == 'a,\"b\"\\nc | `d` $e$ \"\"\"\\\\ \\u00fcn\\u00ef \\u63a8\\u6e2c \\U0001f3af "
      "k=8'\n"
      "assert texts['read_bytes'].isna().all()");
  add("large.ipynb", large, "assert len(texts) == 384 and len(layers) == 0 and arms['tokens_per_s'].isna().sum() == 1");
  add("empty.ipynb", empty_results(), "assert len(arms) == 0");
  const ProgramResult result = run_program(command);
  if (result.exit_code == 77) GTEST_SKIP() << result.output;
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

}  // namespace
}  // namespace specdec
