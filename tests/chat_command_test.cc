// specdec run --chat: what a model reads of a message.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "experiments/results.h"
#include "experiments/sweep.h"
#include "tests/file_contents.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using nlohmann::json;

constexpr int kBos = kTinyVocab - 3, kMark = kTinyVocab - 2, kEnd = kTinyVocab - 1;

// Capital letters and a few signs, and three special tokens; a text begins with <s>.
json tokenizer_file() {
  json vocab = json::object();
  for (int id = 0; id < kBos; ++id) vocab[std::string(1, static_cast<char>('!' + id % 93))] = id;
  json added = json::array();
  for (const auto& [content, id] : {std::pair{"<s>", kBos}, std::pair{"<|user|>", kMark}, std::pair{"<|end|>", kEnd}})
    added.push_back({{"id", id}, {"content", content}, {"special", true}});
  const json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const json bos = {{"id", "<s>"}, {"ids", {kBos}}, {"tokens", {"<s>"}}};
  return {{"version", "1.0"},
          {"added_tokens", added},
          {"pre_tokenizer", byte_level},
          {"decoder", byte_level},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single",
             {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
            {"pair", json::array()},
            {"special_tokens", {{"<s>", bos}}}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}}}};
}

class Chat : public testing::Test {
 protected:
  Chat() {
    write("tokenizer.json", tokenizer_file().dump());
    set_template(
        "{{ bos_token }}{% for m in messages %}{{ '<|user|>' ~ (m.role[0]|upper) ~ ':' ~ m.content ~ '<|end|>' }}"
        "{% endfor %}{% if add_generation_prompt %}<|user|>A:{% endif %}");
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(tiny_.directory() / name) << text;
  }
  void set_template(const std::string& text) const {
    write("tokenizer_config.json", json{{"bos_token", "<s>"}, {"chat_template", text}}.dump());
  }

  ProgramResult run(std::vector<std::string> more) const {
    std::vector<std::string> words{SPECDEC_PROGRAM, "run",  "--target",     tiny_.directory().string(),
                                   "--draft",       "none", "--max-tokens", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words);
  }

  json report(std::vector<std::string> more) const {
    const auto file = directory_.path() / "run.json";
    more.insert(more.end(), {"--json", file.string()});
    const ProgramResult result = run(more);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return json::parse(contents(file));
  }

  void expect_refused(std::vector<std::string> more, int code, std::initializer_list<std::string_view> words) const {
    const ProgramResult result = run(std::move(more));
    EXPECT_EQ(result.exit_code, code) << result.output;
    for (const std::string_view word : words) EXPECT_NE(result.output.find(word), std::string::npos) << result.output;
  }

  const TinyCheckpoint tiny_{"qwen3"};
  const TemporaryDirectory directory_;
};

std::vector<int> ids_of(const std::string& text) {
  std::vector<int> ids;
  for (const char c : text) {
    if (c == '^') {
      ids.push_back(kBos);
    } else if (c == '{') {
      ids.push_back(kMark);
    } else if (c == '}') {
      ids.push_back(kEnd);
    } else {
      ids.push_back(c - '!');
    }
  }
  return ids;
}

TEST_F(Chat, AMessageStandsInTheTemplateWithOneBeginningOfText) {
  const json found = report({"--chat", "--prompt", "HI\n"});
  EXPECT_EQ(found["prompt"], "<s><|user|>U:HI<|end|><|user|>A:");
  EXPECT_EQ(found["prompt_ids"], ids_of("^{U:HI}{A:"));
}

TEST_F(Chat, TheSystemSpeaksFirst) {
  EXPECT_EQ(report({"--chat", "--prompt", "HI", "--system", "BE"})["prompt_ids"], ids_of("^{S:BE}{U:HI}{A:"));
}

TEST_F(Chat, ATextIsContinuedUnlessItIsAskedFor) {
  const json found = report({"--prompt", "HI"});
  EXPECT_EQ(found["prompt_ids"], ids_of("^HI"));
  EXPECT_EQ(report({"--raw", "--prompt", "HI"})["prompt_ids"], found["prompt_ids"]);
  EXPECT_NE(run({"--prompt", "HI"}).output.find("has a chat template: --chat"), std::string::npos);
  EXPECT_EQ(run({"--prompt", "HI", "--raw"}).output.find("chat template"), std::string::npos);
}

TEST_F(Chat, WhatDoesNotFitTogetherIsRefused) {
  expect_refused({"--chat", "--raw"}, 2, {"--chat and --raw"});
  expect_refused({"--system", "BE"}, 2, {"--system", "--chat"});
  expect_refused({"--chat", "--prompt-tokens", "1"}, 2, {"--chat and --prompt-tokens"});
}

TEST_F(Chat, ATemplateThatCannotBeUsedIsNamed) {
  set_template("{% if true %}\n{{ 1|pprint }}{% endif %}");
  expect_refused({"--chat", "--prompt", "HI"}, 1,
                 {"chat template of " + tiny_.directory().string(), "line 2", "'pprint' is not supported", "--raw"});
  set_template("{{ raise_exception('no system') }}");
  expect_refused({"--chat", "--prompt", "HI"}, 1, {"refuses this conversation: no system", "--raw"});
  write("tokenizer_config.json", "{}");
  expect_refused({"--chat", "--prompt", "HI"}, 1, {"has no chat template", "--raw"});
}

TEST_F(Chat, AnUnusualTemplateIsNoMatterForRawText) {
  write("chat_template.json", R"({"chat_template": {"default": "x"}})");
  EXPECT_EQ(report({"--prompt", "HI"})["prompt_ids"], ids_of("^HI"));
  expect_refused({"--chat", "--prompt", "HI"}, 1,
                 {"chat template of", "cannot be read", "chat_template.json", "--raw"});
}

TEST_F(Chat, TheDateThatATemplateTellsIsRecorded) {
  EXPECT_TRUE(report({"--chat", "--prompt", "HI"})["run"]["chat_date"].is_null());
  set_template("{{ strftime_now('%Y-%m-%dT%H:%M:%SZ') }}");
  const json found = report({"--chat", "--prompt", "HI"});
  EXPECT_EQ(found["prompt"], found["run"]["chat_date"]);
  EXPECT_TRUE(report({"--prompt", "HI"})["run"]["chat_date"].is_null());
}

// The template refuses every other moment than that at which the experiment was made.
TEST_F(Chat, ASweepTellsOneDateHoweverOftenItIsInterrupted) {
  directory_.write("prompts.jsonl", R"({"id": "a", "domain": "code", "message": "HI"})");
  const SweepConfig config = parse_sweep_config(json{{"name", "dated"},
                                                     {"options",
                                                      {{"target", tiny_.directory().string()},
                                                       {"prompts", (directory_.path() / "prompts.jsonl").string()},
                                                       {"draft", "ngram"},
                                                       {"max_tokens", 2},
                                                       {"threads", 1}}},
                                                     {"repeats", 3}}
                                                    .dump(),
                                                "dated.json");
  ResultStore store(directory_.path() / "store.db", ResultStore::Mode::write);
  store.experiment_of(config);
  const std::string created = store.experiments().at(0).created;
  set_template("{% set date = strftime_now('%Y-%m-%dT%H:%M:%SZ') %}{% if date != '" + created +
               "' %}{{ raise_exception('it is ' ~ date) }}{% endif %}{{ date }}");
  int finished = 0;
  std::string notes;
  const SweepCalls calls{.go_on = [&] { return finished == 1 ? Continue::no : Continue::yes; },
                         .on_trial = [&](const SweepProgress&) { ++finished; },
                         .on_note = [&](const std::string& note) { notes += note; }};
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(run_sweep(config, store, {}, calls).ran, 1) << notes;
  finished = 2;
  EXPECT_EQ(run_sweep(config, store, {}, calls).ran, 2) << notes;
  for (const FinishedTrial& trial : store.trials(1)) EXPECT_EQ(json::parse(trial.origin.options)["chat_date"], created);
  const Results results = results_of(store, store.experiments().at(0));
  EXPECT_NE(std::ranges::find(results.provenance, std::pair(std::string("date that chat templates tell"), created)),
            results.provenance.end());
}

}  // namespace
}  // namespace specdec
