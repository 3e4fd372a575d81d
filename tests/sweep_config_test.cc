#include "experiments/sweep_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files/json_lines.h"
#include "experiments/sweep.h"
#include "experiments/sweep_files.h"
#include "tests/error_line.h"

namespace specdec {
namespace {

SweepConfig parse(const std::string& text) { return parse_sweep_config(text, "grid.json"); }

std::vector<std::string> labels(const SweepConfig& config) {
  std::vector<std::string> all;
  for (const Setting& arm : config.arms) all.push_back(label_of(arm, config.axes));
  return all;
}

TEST(SweepConfig, ProductsAndZipsMultiply) {
  const SweepConfig config = parse(R"({
    // with comments
    "name": "grid",
    "product": {"k": [1, 2], "draft": ["mtp", "ngram"]}, /* in the order of the file */
    "zip": {"temperature": [0, 1], "rule": ["sampled", "block"]}
  })");
  EXPECT_EQ(config.axes, (std::vector<std::string>{"k", "draft", "temperature", "rule"}));
  ASSERT_EQ(config.arms.size(), 8u);
  EXPECT_EQ(labels(config).front(), "k=1 mtp temperature=0 rule=sampled");
  EXPECT_EQ(labels(config).back(), "k=2 ngram temperature=1 rule=block");
}

TEST(SweepConfig, WhatIsExcludedIsLeftOut) {
  const SweepConfig config = parse(R"({"name": "grid", "product": {"draft": ["mtp", "ngram"], "k": [1, 2, 4]},
    "exclude": [{"draft": "ngram", "k": [2, 4]}]})");
  EXPECT_EQ(labels(config), (std::vector<std::string>{"mtp k=1", "mtp k=2", "mtp k=4", "ngram k=1"}));
}

TEST(SweepConfig, NobodyGuessingIsOneArmWhateverItsLength) {
  const SweepConfig config = parse(R"({"name": "grid", "product": {"draft": ["none", "mtp"], "k": [1, 2]}})");
  EXPECT_EQ(labels(config), (std::vector<std::string>{"none", "mtp k=1", "mtp k=2"}));
}

TEST(SweepConfig, WordsAreNotWhatIsMeasured) {
  const std::string text = R"({"name": "grid", "question": "a", "options": {"k": 2}, "until": {"ci": 0.1}})";
  std::string other = text;
  other.replace(other.find("\"a\""), 3, "\"b\"");
  other.replace(other.find("0.1"), 3, "0.2");
  EXPECT_EQ(parse(text).fingerprint(), parse(other).fingerprint());
  other.replace(other.find("2}"), 1, "3");
  EXPECT_NE(parse(text).fingerprint(), parse(other).fingerprint());
}

TEST(SweepConfig, AnErrorNamesLineAndKey) {
  struct Case {
    const char* text;
    std::initializer_list<std::string_view> words;
  };
  const Case cases[]{
      {"{\"name\": \"a\",\n\"product\": {\"kk\": [1]}}", {"grid.json:2", "product.kk", "no such option", "draft"}},
      {"{\"name\": \"a\",\n\n\"product\": {\"k\": [1,\n\"two\"]}}", {"grid.json:4", "product.k[1]", "whole number"}},
      {"{\"name\": \"a\", \"options\": {\"k\":\n 2.5}}", {"options.k", "2.5", "whole number"}},
      {"{\"name\": \"a\", \"product\": {\"k\": []}}", {"product.k", "list of values"}},
      {"{\"name\": \"a\", \"product\": {\"k\": [1, 1]}}", {"product.k[1]", "twice"}},
      {"{\"name\": \"a\", \"options\": {\"k\": 1}, \"product\": {\"k\": [1]}}", {"options.k", "also varied"}},
      {"{\"name\": \"a\", \"zip\": {\"k\": [1], \"rule\": [\"block\", \"sampled\"]}}",
       {"zip.rule", "2 values", "k has 1"}},
      {"{\"name\": \"a\",\n\"product\": {\"rule\": [\"blok\"]}}", {"grid.json:2", "rule", "blok"}},
      {"{\"name\": \"a\",\n\"options\":\n{\"draft\": \"mpt\"}}", {"grid.json:3", "draft", "mpt"}},
      {"{\"name\": \"a\", \"options\": {\"temperature\": -1}}", {"temperature", "-1"}},
      {"{\"name\": \"a b\"}", {"name", "letters"}},
      {"{}", {"name", "expected"}},
      {"{\"name\": \"a\", \"repeat\": 3}", {"repeat", "no such key", "repeats"}},
      {"{\"name\": \"a\", \"repeats\": 0}", {"repeats", "from 1"}},
      {"{\"name\": \"a\", \"until\": 0.1}", {"until", "ci"}},
      {"{\"name\": \"a\", \"exclude\": [{\"draft\": \"mtp\"}], \"product\": {\"draft\": [\"mtp\"]}}",
       {"exclude", "nothing is left"}},
      {"{\"name\": \"a\",", {"grid.json", "JSON"}},
      {"[1]", {"grid.json:1", "object"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    expect_error([&] { parse(c.text); }, c.words);
  }
}

TEST(SweepConfig, TheSchemaKnowsEveryOption) {
  const nlohmann::json schema = nlohmann::json::parse(sweep_schema());
  for (const ArmOption& option : arm_options()) {
    EXPECT_TRUE(schema["properties"]["options"]["properties"].contains(std::string(option.name))) << option.name;
    EXPECT_TRUE(schema["properties"]["product"]["properties"].contains(std::string(option.name))) << option.name;
  }
}

TEST(SweepConfig, ShippedOnesCanBeRead) {
  ASSERT_FALSE(sweep_files().empty());
  for (const NamedText& file : sweep_files()) {
    const SweepConfig config = read_sweep_config(std::string(file.name));
    EXPECT_EQ(config.name, file.name);
    EXPECT_FALSE(config.question.empty()) << file.name;
    EXPECT_FALSE(config.method.empty()) << file.name;
  }
}

TEST(SweepOrder, ShardsAreTheWholeAndEachTrialIsInOne) {
  const SweepConfig config = parse(R"({"name": "grid", "product": {"k": [1, 2, 3, 4, 5]}, "repeats": 3})");
  const std::vector<TrialKey> whole = order_of(config, 1, 1);
  std::set<TrialKey> together;
  for (const int shard : {1, 2, 3, 4}) {
    for (const TrialKey& key : order_of(config, shard, 4)) EXPECT_TRUE(together.insert(key).second);
  }
  EXPECT_EQ(together, std::set<TrialKey>(whole.begin(), whole.end()));
  EXPECT_EQ(whole, order_of(config, 1, 1));
}

TEST(SweepOrder, RepeatsComeOneAfterAnotherInAnOrderOfTheSeed) {
  SweepConfig config = parse(R"({"name": "grid", "product": {"k": [1, 2, 3, 4, 5, 6, 7, 8]}, "repeats": 2})");
  const std::vector<TrialKey> order = order_of(config, 1, 1);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i].repeat, i < 8 ? 0 : 1);
  config.seed = 2;
  EXPECT_NE(order, order_of(config, 1, 1));
}

TEST(JsonLines, KnowsWhereValuesStand) {
  const std::string text = "{ // \"a\": no\n \"a\": {\"b\": [1,\n {\"c\": \"x:\\\"y\"}]},\n/* \n */ \"d\": true}";
  const JsonLines lines(text);
  EXPECT_EQ(lines.line_of("a"), 2);
  EXPECT_EQ(lines.line_of("a.b[0]"), 2);
  EXPECT_EQ(lines.line_of("a.b[1].c"), 3);
  EXPECT_EQ(lines.line_of("d"), 5);
  EXPECT_EQ(lines.line_of("a.b[7].z"), 2);
  EXPECT_EQ(lines.line_of("nothing"), 1);
}

}  // namespace
}  // namespace specdec
