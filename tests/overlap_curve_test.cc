// Curves of overlap: counted from routing, carried over to other models, read from files and traces.
#include "verify/overlap_curve.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/traffic.h"
#include "tests/error_line.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

TEST(RoutedText, CountsDistinctExpertsOfNeighbours) {
  RoutedText text;
  // Layer 1: {0, 1}, {1, 2}, {0, 1}; layer 3: {4, 5} each time. A rejected row 2 lies between.
  text.add(std::array{0, 1},
           std::array{RouterUse{0, 1, 0}, RouterUse{0, 1, 1}, RouterUse{1, 1, 1}, RouterUse{1, 1, 2},
                      RouterUse{2, 1, 7}, RouterUse{2, 1, 6}, RouterUse{0, 3, 4}, RouterUse{0, 3, 5},
                      RouterUse{1, 3, 4}, RouterUse{1, 3, 5}, RouterUse{2, 3, 0}, RouterUse{2, 3, 1}});
  text.add(std::array{0}, std::array{RouterUse{0, 1, 0}, RouterUse{0, 1, 1}, RouterUse{0, 3, 4}, RouterUse{0, 3, 5}});
  EXPECT_EQ(text.tokens(), 3);
  EXPECT_EQ(text.layers(), 2);
  EXPECT_EQ(text.experts_per_token(), 2);
  EXPECT_EQ(text.most_expert(), 5);
  // Two rows: 3 and 2 experts at both places, three rows: 3 and 2 at the one place.
  EXPECT_EQ(text.summed_unions(3), (std::vector<double>{3 * 2, 2 * 2.5, 2.5}));
  EXPECT_EQ(mean_unions(std::span(&text, 1), 3), (std::vector<double>{2, 2.5, 2.5}));
}

TEST(OverlapCurve, KeepsItsShareOfEvenRouting) {
  const OverlapCurve curve = find_overlap("demo-moe");
  EXPECT_EQ(curve.unions.size(), 16U);
  EXPECT_EQ(curve.mapped(curve.experts, curve.experts_per_token), curve.unions);
  const std::vector<double> other = curve.mapped(256, 8);
  for (int rows = 1; rows <= 16; ++rows) {
    const auto at = static_cast<std::size_t>(rows - 1);
    EXPECT_NEAR(other[at] / uniform_union(256, 8, rows), curve.unions[at] / uniform_union(64, 6, rows), 1e-9);
  }
  const std::vector<double> tiny = curve.mapped(8, 2);
  EXPECT_LE(tiny.back(), 8);
  EXPECT_EQ(tiny.front(), 2);
}

TEST(OverlapCurve, FilesAreChecked) {
  const TemporaryDirectory directory;
  const OverlapCurve curve{"mine", "a \"title\"", "a test", 8, 2, {2, 3, 3.5}};
  EXPECT_EQ(find_overlap(directory.write("mine.json", json_of(curve)).string()).unions, curve.unions);
  const auto wrong = [&](const OverlapCurve& with) { return directory.write("wrong.json", json_of(with)).string(); };
  expect_error([&] { find_overlap(wrong({"w", "", "s", 8, 2, {2, 5}})); }, {"wrong.json", "2 rows wake 5", "2 to 4"});
  expect_error([&] { find_overlap(wrong({"w", "", "s", 8, 2, {}})); }, {"'unions'"});
  expect_error([&] { find_overlap(wrong({"w", "", "", 8, 2, {2}})); }, {"source"});
  expect_error([] { find_overlap("unknown"); }, {"unknown", "demo-moe"});
  expect_error([&] { find_overlap(directory.write("t.jsonl", "{}\n{\"path\": 1}\n").string()); },
               {"t.jsonl:2", "path"});
  expect_error([&] { find_overlap(directory.write("t.jsonl", "{}\n").string()); }, {"no routed experts"});
}

TEST(OverlapCurve, ATraceIsOne) {
  const TemporaryDirectory directory;
  const std::string trace = (directory.path() / "run.jsonl").string();
  const ProgramResult run = run_program(
      {SPECDEC_PROGRAM, "run", "--target", "demo-moe", "--draft", "mtp", "--max-tokens", "64", "--trace", trace});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  const OverlapCurve curve = find_overlap(trace);
  EXPECT_EQ(curve.experts_per_token, 6);
  EXPECT_EQ(curve.unions.front(), 6);
  EXPECT_GT(curve.unions[1], 7);
  EXPECT_LT(curve.unions[1], 12);
  const ProgramResult predicted = run_program({SPECDEC_PROGRAM, "predict", "--target", "glm-5.2", "--hardware", "h200",
                                               "--draft", "mtp", "--acceptance", "0.8", "--overlap", trace});
  EXPECT_EQ(predicted.exit_code, 0) << predicted.output;
}

}  // namespace
}  // namespace specdec
