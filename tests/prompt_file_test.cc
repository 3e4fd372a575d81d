#include "experiments/prompt_file.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/error_line.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

std::map<std::string, int> count_domains(const std::vector<NamedPrompt>& prompts) {
  std::map<std::string, int> domains;
  for (const NamedPrompt& prompt : prompts) ++domains[prompt.domain];
  return domains;
}

TEST(PromptFile, TheLosslessnessSetHasFiftyPromptsOfFourDomains) {
  EXPECT_EQ(read_prompts("losslessness").size(), 50u);
  const auto domains = count_domains(read_prompts("losslessness"));
  EXPECT_EQ(domains.size(), 4u);
  for (const auto& [domain, count] : domains) EXPECT_GE(count, 8) << domain;
  EXPECT_EQ(built_in_prompts().size(), 100u);
}

TEST(PromptFile, TheSetsForExperimentsHaveAsManyOfEachDomain) {
  const std::map<std::string, int> three{{"code", 40}, {"prose", 40}, {"structured", 40}};
  EXPECT_EQ(count_domains(read_prompts("domains")), three);
  const auto categories = count_domains(read_prompts("chat"));
  EXPECT_EQ(categories.size(), 8u);
  for (const auto& [category, count] : categories) EXPECT_EQ(count, 20) << category;
  for (const NamedPrompt& prompt : read_prompts("domains")) EXPECT_FALSE(prompt.chat) << prompt.id;
  for (const NamedPrompt& prompt : read_prompts("chat")) EXPECT_TRUE(prompt.chat) << prompt.id;
}

TEST(PromptFile, NoTwoPromptsOfOurSetsAreTheSame) {
  std::set<std::string> ids, texts;
  for (const NamedText& set : prompt_files()) {
    for (const NamedPrompt& prompt : read_prompts(std::string(set.name))) {
      EXPECT_TRUE(ids.insert(prompt.id).second) << prompt.id;
      EXPECT_TRUE(texts.insert(prompt.text).second) << prompt.id;
    }
  }
}

TEST(PromptFile, OneDomainOfASet) {
  EXPECT_EQ(count_domains(read_prompts("domains:code")), (std::map<std::string, int>{{"code", 40}}));
  EXPECT_EQ(count_domains(read_prompts("chat:math")), (std::map<std::string, int>{{"math", 20}}));
  expect_error([] { read_prompts("domains:cod"); }, {"domains:cod", "code, prose, structured"});
}

TEST(PromptFile, WhatIsNoFileAndNoSetIsRefusedWithTheNames) {
  expect_error([] { read_prompts("domain"); }, {"prompts domain", "no such file", "domains", "spec_bench"});
  expect_error([] { read_prompts("lines:/nowhere"); }, {"/nowhere", "no such file"});
}

TEST(PromptFile, TheFileOfASpec) {
  EXPECT_EQ(prompt_path("domains:code"), "");
  EXPECT_EQ(prompt_path("gsm8k:a/b.jsonl"), "a/b.jsonl");
  EXPECT_EQ(prompt_path("a:b.jsonl"), "a:b.jsonl");
}

struct Sample {
  std::string format, content;
  NamedPrompt first;
};

const std::vector<Sample> kSamples{
    {"ours", R"({"id": "a", "domain": "prose", "prompt": "Once"})", {"a", "prose", "Once", false}},
    {"ours", R"({"id": 7, "domain": "math", "message": "1 + 1?"})", {"7", "math", "1 + 1?", true}},
    {"spec_bench",
     R"({"question_id": 81, "category": "writing", "turns": ["Hi {\"}", "And?"], "reference": []})",
     {"81", "writing", "Hi {\"}", true}},
    {"mt_bench",
     R"({"category": "writing", "prompt": ["Hi", "And?"], "reference": [], "prompt_id": 3})",
     {"3", "writing", "Hi", true}},
    {"humaneval",
     R"({"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f", "test": ""})",
     {"HumanEval/0", "code", "def f():\n", false}},
    {"gsm8k", R"({"question": "How many?", "answer": "Two. #### 2"})", {"gsm8k-1", "math", "How many?", true}},
    {"sharegpt",
     R"([{"id": "x", "conversations": []},
         {"id": "y", "conversations": [{"from": "gpt", "value": "So?"}, {"from": "human", "value": "Hi"}]}])",
     {"y", "sharegpt", "Hi", true}},
    {"sharegpt", R"({"conversations": [{"from": "human", "value": "Hi"}]})", {"sharegpt-1", "sharegpt", "Hi", true}},
    {"lines", "\n  A line\r\nAnother", {"line-2", "lines", "  A line", false}},
};

void expect_same(const NamedPrompt& found, const NamedPrompt& expected, const std::string& name) {
  EXPECT_EQ(found.id, expected.id) << name;
  EXPECT_EQ(found.domain, expected.domain) << name;
  EXPECT_EQ(found.text, expected.text) << name;
  EXPECT_EQ(found.chat, expected.chat) << name;
}

TEST(PromptFile, EveryFormatIsReadUnderItsNameAndRecognised) {
  const TemporaryDirectory directory;
  std::set<std::string> seen;
  for (const Sample& sample : kSamples) {
    seen.insert(sample.format);
    const std::string file = directory.write("file", sample.content).string();
    expect_same(read_prompts(file).front(), sample.first, sample.format);
    expect_same(read_prompts(sample.format + ":" + file).front(), sample.first, sample.format);
  }
  for (const PromptFormat& format : prompt_formats()) EXPECT_TRUE(seen.contains(std::string(format.name)));
}

TEST(PromptFile, ANameEndsTheGuessing) {
  const TemporaryDirectory directory;
  const std::string json = R"({"question_id": 1, "category": "writing", "turns": ["Hi"]})";
  EXPECT_EQ(read_prompts(directory.write("a.txt", json)).front().text, json);
  EXPECT_EQ(read_prompts("lines:" + directory.write("a", json).string()).front().text, json);
  EXPECT_EQ(read_prompts("mt_bench:" + directory.write("a", json).string()).front().text, "Hi");
}

TEST(PromptFile, ALineThatIsNoPromptIsNamed) {
  const TemporaryDirectory directory;
  const std::string good = R"({"id": "a", "domain": "code", "prompt": "x"})";
  const auto refuse = [&](const std::string& name, const std::string& text, const auto&... words) {
    expect_error([&] { read_prompts(directory.write(name, text)); }, {words...});
  };
  refuse("json", good + "\n\n{\n", "json:3", "not valid JSON");
  refuse("key", good + "\n{\"id\": \"b\"}\n", "key:2", "domain");
  refuse("type", good + R"(
{"id": 1, "domain": 2})",
         "type:2", "domain");
  refuse("blank", R"({"id": 1, "domain": "code", "prompt": " "})", "blank:1", "prompt", "is blank");
  refuse("other", R"({"id": 1})", "other:1", "no known format", "gsm8k (question and answer)", "FORMAT:FILE");
  refuse("cut", R"({"id": 1)", "cut:1", "not valid JSON");
  refuse("turns", R"({"question_id": 1, "category": "a", "turns": []})", "turns:1", "is empty");
  refuse("list", R"([{"conversations": [{"from": "human"}]}])", "list", "conversations[0]", "value");
  refuse("none", R"([{"conversations": []}])", "none", "no prompts");
  refuse("empty", "", "empty", "no prompts");
}

TEST(PromptFile, PublishedSamplesAreRead) {
  namespace fs = std::filesystem;
  fs::path samples = fs::path(SPECDEC_SOURCE_DIR) / "../shared/prompts";
  if (!fs::exists(samples)) samples = fs::path(SPECDEC_SOURCE_DIR) / "../../shared/prompts";
  if (!fs::exists(samples)) GTEST_SKIP() << "no ../shared/prompts: published prompts are not a part of the project";
  for (const std::string name : {"mt_bench", "humaneval", "gsm8k", "qa"}) {
    const auto prompts = read_prompts((samples / (name + ".jsonl")).string());
    EXPECT_EQ(prompts.size(), 80u) << name;
    for (const NamedPrompt& prompt : prompts) EXPECT_TRUE(prompt.chat) << prompt.id;
  }
}

}  // namespace
}  // namespace specdec
