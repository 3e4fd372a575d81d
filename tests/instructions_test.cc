// Instructions that demo-moe takes, counted by callgrind: they repeat to the last one, where times do not. What they
// are compared with is tests/data/instructions.json; a change that is meant goes there, too.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/engine.h"
#include "core/files/hf_cache.h"
#include "core/files/mapped_file.h"
#include "tests/run_program.h"

namespace specdec {
namespace {

constexpr double kTolerance = 0.02;

#if defined(__SANITIZE_ADDRESS__) || !defined(NDEBUG)
constexpr bool kOptimised = false;
#else
constexpr bool kOptimised = true;
#endif

// Of a whole run of the program; nothing if callgrind does not say.
std::optional<std::int64_t> count_instructions(int prompt_tokens, int generated) {
  std::string prompt = "5";
  for (int i = 1; i < prompt_tokens; ++i) prompt += fmt::format(",{}", 5 + 37 * i);
  const ProgramResult result =
      run_program({"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", SPECDEC_PROGRAM, "run", "--target",
                   "demo-moe", "--draft", "none", "--cpu", "avx2", "--threads", "1", "--ignore-eos", "--text-only",
                   "--prompt-tokens", prompt, "--max-tokens", std::to_string(generated)});
  constexpr std::string_view kWord = "Collected : ";
  const std::size_t at = result.output.find(kWord);
  std::int64_t count = 0;
  if (result.exit_code != 0 || at == std::string::npos) return std::nullopt;
  const char* digits = result.output.data() + at + kWord.size();
  std::from_chars(digits, result.output.data() + result.output.size(), count);
  return count;
}

// What one more token of the longer run takes, without loading and whatever else both runs do.
void expect_per_token(std::string_view what, std::optional<std::int64_t> shorter, std::optional<std::int64_t> longer,
                      int tokens, const nlohmann::json& recorded) {
  ASSERT_TRUE(shorter && longer) << "callgrind counted nothing";
  const double found = static_cast<double>(*longer - *shorter) / tokens;
  const double expected = recorded.at(what);
  EXPECT_NEAR(found / expected, 1, kTolerance) << fmt::format(
      "{}: {:.0f} instructions, but tests/data/instructions.json says {:.0f}; if this is meant, write {:.0f} there",
      what, found, expected, found);
}

TEST(Instructions, PerTokenAreAsRecorded) {
  if (!kOptimised) GTEST_SKIP() << "only an optimised build without sanitizers has these counts";
  if (run_program({"valgrind", "--version"}).exit_code != 0) GTEST_SKIP() << "valgrind is not installed";
  if (shipped_models().empty()) GTEST_SKIP() << "models/demo-moe is not here";
  const auto levels = cpu_levels();
  if (std::ranges::find(levels, "avx2") == levels.end()) GTEST_SKIP() << "this machine has no AVX2";
  const nlohmann::json recorded =
      nlohmann::json::parse(std::string(MappedFile(SPECDEC_SOURCE_DIR "/tests/data/instructions.json").text()));
  if (recorded.at("compiler") != __VERSION__) {
    GTEST_SKIP() << "recorded with compiler " << recorded.at("compiler") << ", this is " << __VERSION__;
  }
  const auto one = count_instructions(8, 2);
  expect_per_token("decoded_token", one, count_instructions(8, 10), 8, recorded);
  expect_per_token("prompt_token", one, count_instructions(72, 2), 64, recorded);
}

}  // namespace
}  // namespace specdec
