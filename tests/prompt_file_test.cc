#include "experiments/prompt_file.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/error_line.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

TEST(PromptFile, TheShippedSetHasFiftyPromptsOfFourDomains) {
  const auto prompts =
      read_prompt_file(std::filesystem::path(SPECDEC_SOURCE_DIR) / "experiments/prompts/losslessness.jsonl");
  EXPECT_EQ(prompts.size(), 50u);
  std::set<std::string> ids;
  std::map<std::string, int> domains;
  for (const NamedPrompt& prompt : prompts) {
    EXPECT_TRUE(ids.insert(prompt.id).second) << prompt.id;
    EXPECT_FALSE(prompt.text.empty()) << prompt.id;
    ++domains[prompt.domain];
  }
  EXPECT_EQ(domains.size(), 4u);
  for (const auto& [domain, count] : domains) EXPECT_GE(count, 8) << domain;
}

TEST(PromptFile, ALineThatIsNoPromptIsNamed) {
  const TemporaryDirectory directory;
  const std::string good = R"({"id": "a", "domain": "code", "prompt": "x"})";
  EXPECT_EQ(read_prompt_file(directory.write("good", good)).size(), 1u);
  expect_error([&] { read_prompt_file(directory.write("json", good + "\n{\n")); }, {"json:2", "not valid JSON"});
  expect_error([&] { read_prompt_file(directory.write("key", good + "\n{\"id\": \"b\"}\n")); }, {"key:2", "domain"});
  expect_error([&] { read_prompt_file(directory.write("type", R"({"id": 1})")); }, {"type:1", "id"});
}

}  // namespace
}  // namespace specdec
