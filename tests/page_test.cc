// Exported pages in a browser: their script runs without a complaint, and sorts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "notebooks-export/export_format.h"
#include "tests/run_program.h"
#include "tests/sample_results.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

std::string browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (run_program({name, "--version"}).exit_code == 0) return name;
  }
  return {};
}

// What the page has become once its script ran, and before it what the browser complained about.
ProgramResult opened(const std::string& program, const TemporaryDirectory& directory, const Results& results,
                     std::string_view hash) {
  const auto page = directory.write("page.html", export_format("html").write(results).front().contents);
  return run_program({program, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                      fmt::format("--user-data-dir={}", (directory.path() / "profile").string()),
                      "--virtual-time-budget=2000", "--dump-dom", fmt::format("file://{}{}", page.string(), hash)});
}

std::string first_arm(const std::string& page, std::string_view table) {
  const std::size_t begin = page.find("<td", page.find("<tbody>", page.find(fmt::format("id=\"{}\"", table))));
  const std::size_t words = page.find('>', begin) + 1;
  return page.substr(words, page.find('<', words) - words);
}

TEST(Page, SortsInABrowser) {
  const std::string program = browser();
  if (program.empty()) GTEST_SKIP() << "no chromium on this machine";
  const TemporaryDirectory directory;
  const auto sorted = [&](std::string_view hash) {
    const ProgramResult result = opened(program, directory, sample_results(), hash);
    EXPECT_EQ(result.exit_code, 0) << result.output.substr(0, 2000);
    EXPECT_EQ(result.output.find(":CONSOLE"), std::string::npos) << result.output.substr(0, 2000);
    return result.output;
  };
  EXPECT_EQ(first_arm(sorted(""), "arms"), "mtp k=1");
  const std::string page = sorted("#sort=arms:speed_up:descending");
  EXPECT_EQ(first_arm(page, "arms"), "mtp k=2");
  EXPECT_NE(page.find("data-column=\"speed_up\" aria-sort=\"descending\""), std::string::npos);
  EXPECT_NE(page.find("<details open"), std::string::npos);
  EXPECT_EQ(first_arm(sorted("#sort=arms:arm:descending"), "arms"), "small:demo-draft k=8");
}

TEST(Page, RunsNothingThatResultsSay) {
  const std::string program = browser();
  if (program.empty()) GTEST_SKIP() << "no chromium on this machine";
  const TemporaryDirectory directory;
  const ProgramResult result = opened(program, directory, hostile_results(), "#sort=arms:speed_up:ascending");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output.find(":CONSOLE"), std::string::npos) << result.output.substr(0, 2000);
  EXPECT_NE(result.output.find("aria-sort=\"ascending\""), std::string::npos);
  EXPECT_EQ(result.output.find("<img"), std::string::npos);
}

}  // namespace
}  // namespace specdec
