// specdec run on a tiny checkpoint: every file that it writes tells the same story, and every way to run it the same
// text.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/file_contents.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json read_json(const fs::path& path) { return json::parse(std::ifstream(path)); }

std::vector<json> read_lines(const fs::path& path) {
  std::vector<json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  return lines;
}

class Run : public testing::Test {
 protected:
  ProgramResult run(std::vector<std::string> more,
                    std::size_t interrupt_after = std::numeric_limits<std::size_t>::max()) const {
    std::vector<std::string> words{SPECDEC_PROGRAM, "run", "--target", target_, "--prompt-tokens", "5,9,2,33,33"};
    if (std::ranges::find(more, "--max-tokens") == more.end()) more.insert(more.end(), {"--max-tokens", "40"});
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, interrupt_after);
  }

  void set_context(int tokens) const {
    json config = read_json(tiny_.directory() / "config.json");
    config["max_position_embeddings"] = tokens;
    std::ofstream(tiny_.directory() / "config.json") << config;
  }

  // The end of a text is whatever token the plain text has at this place.
  int end_text_at(std::size_t place) {
    const int token = run_json({"--draft", "none"})["tokens"][place];
    std::ofstream(tiny_.directory() / "generation_config.json") << json{{"eos_token_id", token}};
    return token;
  }

  json run_json(std::vector<std::string> more) {
    more.insert(more.end(), {"--json", json_, "--trace", trace_});
    const ProgramResult result = run(more);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return read_json(json_);
  }

  const TinyCheckpoint tiny_{"glm4_moe"};
  const TinyCheckpoint dense_{"qwen3"};
  const TemporaryDirectory directory_;
  const std::string target_ = tiny_.directory().string();
  const std::string small_ = "small:" + dense_.directory().string();
  const std::string json_ = directory_.path() / "run.json";
  const std::string trace_ = directory_.path() / "trace.jsonl";
};

TEST_F(Run, EveryDrafterPrintsTheTextOfPlainDecoding) {
  const std::string plain = run({"--text-only", "--draft", "none", "--threads", "1"}).output;
  EXPECT_EQ(std::ranges::count(plain, ' '), 40) << plain;
  for (const std::string& draft : {std::string("mtp"), small_, small_ + ",k=8", std::string("mtp,k=5,width=2")}) {
    for (const std::string threads : {"1", "2"}) {
      EXPECT_EQ(run({"--text-only", "--draft", draft, "--threads", threads}).output, plain) << draft;
    }
  }
  EXPECT_EQ(run({"--text-only", "--prefill-step", "1"}).output, plain);
}

TEST_F(Run, TheSameSeedGivesTheSameTextAndAnotherOneAnother) {
  const std::vector<std::string> hot{"--text-only", "--temperature", "1.5", "--seed", "7"};
  EXPECT_EQ(run(hot).output, run(hot).output);
  EXPECT_NE(run(hot).output, run({"--text-only", "--temperature", "1.5", "--seed", "8"}).output);
}

TEST_F(Run, JsonHoldsWhatWasRunAndWhatCameOut) {
  const json found = run_json({"--draft", small_, "--k", "4", "--seed", "3", "--threads", "1"});
  const json& what = found["run"];
  EXPECT_EQ(what["seed"], 3);
  EXPECT_EQ(what["options"]["k"], "4");
  EXPECT_EQ(what["options"]["max-tokens"], 40);
  EXPECT_EQ(what["drafter"]["kind"], "small");
  EXPECT_EQ(what["drafter"]["k"], 4);
  EXPECT_EQ(what["target"]["hash"].get<std::string>().size(), 16u);
  EXPECT_EQ(what["drafter"]["model"]["hash"].get<std::string>().size(), 16u);
  EXPECT_NE(what["target"]["hash"], what["drafter"]["model"]["hash"]);
  EXPECT_EQ(what["machine"]["threads"], 1);
  EXPECT_TRUE(what["version"].get<std::string>().starts_with("0."));

  const json& figures = found["figures"];
  EXPECT_EQ(figures["identical_to_plain"], true);
  EXPECT_EQ(figures["tokens"], 40);
  EXPECT_EQ(found["tokens"].size(), 40u);
  EXPECT_DOUBLE_EQ(figures["tokens_per_pass"], 40.0 / figures["steps"].get<double>());
  EXPECT_EQ(figures["tokens"].get<int>(), figures["steps"].get<int>() + figures["accepted"].get<int>());
  EXPECT_EQ(found["prompt_ids"], json({5, 9, 2, 33, 33}));
  EXPECT_EQ(figures["tested_by_position"].size(), figures["acceptance_by_position"].size());
  int tested = 0;
  for (const json& count : figures["tested_by_position"]) tested += count.get<int>();
  EXPECT_EQ(tested, figures["accepted"].get<int>() + figures["rejections"].get<int>());
  EXPECT_EQ(figures["resident_bytes"], what["target"]["weight_bytes"].get<std::int64_t>() +
                                           what["drafter"]["model"]["weight_bytes"].get<std::int64_t>());
  EXPECT_EQ(what["drafter"]["policy"], "fixed");
  ASSERT_EQ(figures["acceptance_by_rank"].size(), 1U);
  EXPECT_DOUBLE_EQ(figures["acceptance_by_rank"][0], figures["alpha"]);
  EXPECT_EQ(figures["tested_by_rank"][0].get<int>(), tested);
  EXPECT_FALSE(figures["best_tree"].get<std::string>().empty());
  EXPECT_NEAR(figures["bytes_per_token"].get<double>(),
              figures["accepted_bytes_per_token"].get<double>() + figures["rejected_bytes_per_token"].get<double>() +
                  figures["draft_bytes_per_token"].get<double>(),
              1e-6);
  const double shares = figures["compute_share"].get<double>() + figures["reading_share"].get<double>() +
                        figures["barrier_share"].get<double>() + figures["loop_share"].get<double>();
  EXPECT_NEAR(shares, 1, 1e-9);
  for (const json& layer : found["experts_by_layer"]) {
    EXPECT_NEAR(layer["woken"].get<double>(), layer["accepted"].get<double>() + layer["rejected_only"].get<double>(),
                1e-9);
  }
  EXPECT_FALSE(found["experts_by_layer"].empty());
  double shared = 0;
  for (const json& layer : found["experts_by_layer"]) {
    EXPECT_EQ(layer["overlap_accepted"]["pairs"], figures["accepted"]);
    EXPECT_EQ(layer["overlap_first_rejected"]["pairs"], figures["rejections"]);
    EXPECT_EQ(layer["overlap_first_rejected"]["pairs"].get<int>() + layer["overlap_later_rejected"]["pairs"].get<int>(),
              figures["drafted"].get<int>() - figures["accepted"].get<int>());
    shared += layer["overlap_first_rejected"]["shared"].get<double>();
  }
  EXPECT_NEAR(figures["overlap_first_rejected"].get<double>(),
              shared / static_cast<double>(found["experts_by_layer"].size()), 1e-9);
}

TEST_F(Run, TheSummarySaysWhatJsonSays) {
  const ProgramResult result = run({"--draft", small_, "--json", json_});
  const json found = read_json(json_);
  EXPECT_NE(result.output.find(found["text"].get<std::string>()), std::string::npos) << result.output;
  EXPECT_NE(result.output.find(found["verdict"].get<std::string>()), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("identical to plain decoding"), std::string::npos) << result.output;
}

TEST_F(Run, TheTraceAddsUpToTheSummary) {
  const json found = run_json({"--draft", small_});
  std::vector<json> steps = read_lines(trace_);
  EXPECT_EQ(steps.front()["run"], found["run"]);
  steps.erase(steps.begin());
  ASSERT_EQ(steps.size(), found["figures"]["steps"].get<std::size_t>());
  std::vector<int> tokens;
  int drafted = 0, accepted = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i]["step"], i);
    EXPECT_EQ(steps[i]["position"], 4 + tokens.size());
    EXPECT_FALSE(steps[i].contains("run"));
    EXPECT_FALSE(steps[i]["routed_row_layer_expert"].empty());
    for (const int token : steps[i]["emitted"]) tokens.push_back(token);
    drafted += steps[i]["rows"].get<int>() - 1;
    accepted += steps[i]["accepted"].get<int>();
  }
  EXPECT_EQ(json(tokens), found["tokens"]);
  EXPECT_EQ(drafted, found["figures"]["drafted"]);
  EXPECT_EQ(accepted, found["figures"]["accepted"]);
}

TEST_F(Run, WeightsThatTheDrafterDoesNotReadAreNotCounted) {
  const json plain = run_json({"--draft", "none"});
  EXPECT_EQ(plain["figures"]["resident_bytes"], plain["run"]["target"]["weight_bytes"]);
  EXPECT_GT(run_json({})["figures"]["resident_bytes"], plain["figures"]["resident_bytes"]);
}

TEST_F(Run, WithoutGuessesNothingIsSaidToBeGuessed) {
  const std::string said = run({"--draft", "none"}).output;
  EXPECT_NE(said.find("decoded without guesses"), std::string::npos) << said;
  EXPECT_NE(said.find("nothing was guessed"), std::string::npos) << said;
  EXPECT_EQ(said.find("guessed by"), std::string::npos) << said;
  EXPECT_EQ(said.find("accepted guesses"), std::string::npos) << said;
  EXPECT_EQ(said.find("with guesses"), std::string::npos) << said;
}

TEST_F(Run, WithoutGuessesALossyRuleChangesNothing) {
  const std::string said = run({"--draft", "none", "--rule", "typical", "--json", json_}).output;
  EXPECT_NE(said.find("no guess was made, so nothing could differ"), std::string::npos) << said;
  EXPECT_EQ(said.find("by chance"), std::string::npos) << said;
  EXPECT_EQ(read_json(json_)["figures"]["identical_to_plain"], true);
  const std::string hot = run({"--draft", "none", "--rule", "typical", "--temperature", "1"}).output;
  EXPECT_NE(hot.find("not compared"), std::string::npos) << hot;
}

TEST_F(Run, ThePictureSaysThatTheTextIsNotTheTargets) {
  const std::string svg = directory_.path() / "run.svg";
  run({"--svg", svg});
  EXPECT_EQ(contents(svg).find("lossy"), std::string::npos);
  run({"--svg", svg, "--rule", "typical", "--verify-experts", "2"});
  EXPECT_NE(contents(svg).find("lossy, by rule typical and --verify-experts 2"), std::string::npos);
}

TEST_F(Run, SiblingsThatTheRuleDoesNotJudgeAtOnceAreSaid) {
  const auto said = [&](const std::string& draft) {
    return run({"--draft", draft, "--rule", "k-seq", "--temperature", "1"}).output;
  };
  EXPECT_NE(said("mtp,k=2,width=2,siblings=distinct").find("as rule sampled does"), std::string::npos);
  EXPECT_EQ(said("mtp,k=2,width=2").find("as rule sampled does"), std::string::npos);
  EXPECT_EQ(said("mtp,k=2,siblings=distinct").find("as rule sampled does"), std::string::npos);
}

TEST_F(Run, AtATemperatureTextsAreNotCompared) {
  const json found = run_json({"--temperature", "1"});
  EXPECT_TRUE(found["figures"]["identical_to_plain"].is_null());
  EXPECT_GT(found["figures"]["plain_tokens_per_s"], 0);
}

TEST_F(Run, ARejectedGuessCostsTimeAndLeavesNoTrace) {
  for (const std::string temperature : {"0", "1"}) {
    const std::vector<std::string> heat{"--text-only", "--temperature", temperature};
    std::vector<std::string> rejecting{"--always-reject", "--k", "1..3", "--draft", small_};
    rejecting.insert(rejecting.end(), heat.begin(), heat.end());
    std::vector<std::string> plain{"--draft", "none"};
    plain.insert(plain.end(), heat.begin(), heat.end());
    EXPECT_EQ(run(rejecting).output, run(plain).output);
  }
  const json found = run_json({"--always-reject", "--k", "1,2,4", "--draft", small_, "--temperature", "1"});
  EXPECT_EQ(found["figures"]["identical_to_plain"], true);
  EXPECT_EQ(found["figures"]["accepted"], 0);
  EXPECT_EQ(found["figures"]["steps"], 40);
  const json& by_k = found["break_even"]["by_k"];
  ASSERT_EQ(by_k.size(), 3u);
  EXPECT_GE(found["break_even"]["rounds"], 5);
  for (const json& cycle : by_k) {
    EXPECT_EQ(cycle["drafted_per_pass"], cycle["k"]);
    EXPECT_LE(cycle["low"], cycle["tokens_per_pass"]);
    EXPECT_GE(cycle["high"], cycle["tokens_per_pass"]);
    EXPECT_GT(cycle["tokens_per_pass_by_bytes"], 1);
    EXPECT_GT(cycle["step_s"], cycle["guess_s"].get<double>() + cycle["look_s"].get<double>());
  }
  EXPECT_LT(by_k[0]["tokens_per_pass_by_bytes"], by_k[2]["tokens_per_pass_by_bytes"]);
  EXPECT_TRUE(run_json({})["break_even"].is_null());
}

TEST_F(Run, SeveralNumbersOfGuessesAreForRejectingThem) {
  const auto says = [&](std::vector<std::string> words, const std::string& what) {
    const ProgramResult result = run(std::move(words));
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_NE(result.output.find(what), std::string::npos) << result.output;
    EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
  };
  says({"--k", "1..3"}, "--always-reject");
  says({"--k", "many"}, "--k many");
  says({"--k", "0..3", "--always-reject"}, "k = 0");
  says({"--draft", "none", "--always-reject"}, "no guess");
}

TEST_F(Run, TheTextEndsAtEosWhateverTheDrafter) {
  const int eos = end_text_at(20);
  const json plain = run_json({"--draft", "none"});
  EXPECT_EQ(plain["ending"], "end of text");
  EXPECT_EQ(plain["tokens"].back(), eos);
  EXPECT_LE(plain["tokens"].size(), 21u);
  // The target drafts for itself, so that the end of the text lies inside accepted guesses.
  for (const std::string k : {"1", "2", "3", "5", "8"}) {
    const json drafted = run_json({"--draft", "small:" + target_, "--k", k});
    EXPECT_EQ(drafted["tokens"], plain["tokens"]) << k;
    EXPECT_EQ(drafted["text"], plain["text"]) << k;
    EXPECT_EQ(drafted["figures"]["tokens"], plain["tokens"].size()) << k;
    EXPECT_GT(drafted["figures"]["accepted"], 0) << k;
    EXPECT_EQ(drafted["figures"]["rejections"], 0) << k;
  }
  EXPECT_EQ(run_json({"--ignore-eos"})["tokens"].size(), 40u);
}

TEST_F(Run, CtrlCEndsTheTextWhichIsMeasuredAllTheSame) {
  set_context(100'000);
  const ProgramResult result = run({"--max-tokens", "50000", "--ignore-eos", "--json", json_}, 1);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("ended: interrupted"), std::string::npos) << result.output;
  const json found = read_json(json_);
  EXPECT_EQ(found["ending"], "interrupted");
  EXPECT_LT(found["tokens"].size(), 50'000u);
  EXPECT_GT(found["figures"]["repeats"], 1);
  EXPECT_EQ(found["figures"]["identical_to_plain"], true);
}

TEST_F(Run, CtrlCEndsTheRepeatsAfterThePairThatIsMeasured) {
  set_context(4000);
  const std::string tokens = "2000";  // long enough that a pair is not over before the program hears of it
  const std::string prompt = "5 9 2 33 33 ";
  const std::string text = run({"--max-tokens", tokens, "--ignore-eos", "--text-only"}).output;
  const ProgramResult result =
      run({"--max-tokens", tokens, "--ignore-eos", "--json", json_}, prompt.size() + text.size());
  EXPECT_EQ(result.exit_code, 0) << result.output;
  const json found = read_json(json_);
  EXPECT_EQ(found["ending"], "--max-tokens reached");
  EXPECT_EQ(found["tokens"].size(), 2000u);
  EXPECT_EQ(found["figures"]["repeats"], 1);
  EXPECT_NE(result.output.find("one run each"), std::string::npos) << result.output;
}

TEST_F(Run, TheContextLimitsTheText) {
  set_context(24);
  const ProgramResult result = run({"--draft", small_, "--json", json_});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("the context of 24 tokens leaves room for 20"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("context full"), std::string::npos) << result.output;
  EXPECT_EQ(read_json(json_)["tokens"].size(), 20u);
  EXPECT_EQ(read_json(json_)["figures"]["identical_to_plain"], true);
}

}  // namespace
}  // namespace specdec
