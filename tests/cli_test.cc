// The program as its users meet it: what it says, where it says it and with which exit code.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/files/hf_cache.h"
#include "core/files/mapped_file.h"
#include "tests/file_contents.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

ProgramResult specdec(std::vector<std::string> words) {
  words.insert(words.begin(), SPECDEC_PROGRAM);
  return run_program(words);
}

// The program says one line, with all of the words in it, and nothing else.
void expect_refused(const std::vector<std::string>& words, int exit_code,
                    std::initializer_list<std::string_view> expected) {
  const ProgramResult result = specdec(words);
  EXPECT_EQ(result.exit_code, exit_code) << result.output;
  EXPECT_TRUE(result.output.starts_with("specdec: ")) << result.output;
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
  for (const std::string_view word : expected) {
    EXPECT_NE(result.output.find(word), std::string::npos) << word << " is not in: " << result.output;
  }
}

class Cli : public testing::Test {
 protected:
  std::vector<std::string> run(std::vector<std::string> more) const {
    std::vector<std::string> words{"run", "--target", target_};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::vector<std::string> run_ids(std::vector<std::string> more) const {
    more.insert(more.end(), {"--prompt-tokens", "5,9,2"});
    return run(more);
  }
  std::vector<std::string> logits(const std::string& lists, const std::string& out) const {
    return {"logits", "--model", target_, "--tokens", directory_.write("lists.json", lists), "--out", out};
  }

  const TinyCheckpoint tiny_{"glm4_moe"};
  const TinyCheckpoint dense_{"llama"};
  const TemporaryDirectory directory_;
  const std::string target_ = tiny_.directory().string();
  const std::string out_ = directory_.path() / "out.safetensors";
};

TEST_F(Cli, HelpAndVersionSucceed) {
  EXPECT_EQ(specdec({"--help"}).exit_code, 0);
  EXPECT_NE(specdec({"--help"}).output.find("run"), std::string::npos);
  EXPECT_EQ(specdec({"--version"}).exit_code, 0);
  EXPECT_TRUE(specdec({"--version"}).output.starts_with("specdec 0."));
  const ProgramResult help = specdec({"run", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const std::string_view option : {"--target", "--draft", "--max-tokens", "--trace"}) {
    EXPECT_NE(help.output.find(option), std::string::npos) << option;
  }
}

TEST_F(Cli, AWrongWordTeachesTheRightOnes) {
  expect_refused({}, 2, {"no command", "specdec run"});
  expect_refused({"runn"}, 2,
                 {"runn",
                  "bench, certify, convert, experts, export, inspect, logits, models, predict, probe, replay, results, "
                  "run, sweep, synth, vocab"});
  expect_refused({"run", "--foo"}, 2, {"--foo", "--target", "--draft"});
  expect_refused({"run", "--k", "many"}, 2, {"--k", "many"});
  expect_refused({"run", "--max-tokens"}, 2, {"--max-tokens"});
  expect_refused({"logits"}, 2, {"--model"});
  expect_refused(run_ids({"--draft", "eagel"}), 2,
                 {"eagel", "eagle, mtp, ngram, none, oracle, replay, self, small, suffix, wrong"});
  expect_refused(run_ids({"--draft", "mtp,depht=3"}), 2, {"depht"});
  expect_refused(run_ids({"--draft", "mtp:nonexistent"}), 2, {"reads no checkpoint", "mtp:nonexistent"});
  expect_refused(run_ids({"--draft", "none:xyz"}), 2, {"reads no checkpoint", "none:xyz"});
  expect_refused(run_ids({"--draft", "none,k=3"}), 2, {"drafter none", "'k'"});
  expect_refused(run_ids({"--draft", "mtp,policy=bold"}), 2,
                 {"bold", "confidence, ema, entropy, expert-aware, fixed, utility"});
  expect_refused(run_ids({"--draft", "mtp,policy=confidence,treshold=1"}), 2, {"treshold", "threshold", "width"});
  expect_refused(run_ids({"--draft", "mtp,tree=0/2"}), 2, {"tree=0/2", "no elder sibling"});
  expect_refused(run_ids({"--draft", "mtp,tree=2,k=3"}), 2, {"tree and k", "one of them"});
  expect_refused(run_ids({"--draft", "mtp,tree=sequoia"}), 2, {"tree=sequoia", "ranks"});
  expect_refused(run_ids({"--draft", "mtp,tree=3x2", "--k", "2"}), 2, {"--k 2", "tree=3x2", "one of them"});
  expect_refused(run_ids({"--draft", "mtp,tree="}), 2, {"tree= is empty", "3x2x1"});
  expect_refused(run_ids({"--draft", "mtp,policy="}), 2, {"policy= is empty", "confidence"});
  expect_refused(run_ids({"--draft", "mtp,convention="}), 2, {"convention= is empty", "probe"});
  expect_refused(run_ids({"--draft", "suffix,corpus="}), 2, {"corpus= is empty", ".jsonl"});
  expect_refused(run_ids({"--draft", "replay,text="}), 2, {"text= is empty", "trace"});
  expect_refused(run_ids({"--draft", "mtp,convention=embedding-first+hidden-first"}), 2, {"exclude each other"});
  expect_refused(run_ids({"--cpu", "sse9"}), 2, {"sse9", "generic"});
  expect_refused(run_ids({"--compute", "f8"}), 2, {"f8", "default, f32"});
  expect_refused(run_ids({"--cache", "q4"}), 2, {"q4", "auto, f32, f16, q8"});
}

TEST_F(Cli, NumbersOutOfRangeAreRefused) {
  expect_refused(run_ids({"--k", "0"}), 2, {"k = 0", "--draft none"});
  expect_refused(run_ids({"--draft", "mtp,k=0"}), 2, {"k = 0", "--draft none"});
  expect_refused(run_ids({"--k", "-1"}), 2, {"k = -1", "1 to 64"});
  expect_refused(run_ids({"--k", "65"}), 2, {"k = 65", "1 to 64"});
  expect_refused(run_ids({"--max-tokens", "0"}), 2, {"--max-tokens 0"});
  expect_refused(run_ids({"--seed", "-1"}), 2, {"--seed", "-1", "expected 0 or more"});
  expect_refused(run_ids({"--prefill-step", "0"}), 2, {"--prefill-step 0"});
  expect_refused(run_ids({"--record", out_, "--record-top", "97"}), 2, {"--record-top 97", "96 tokens", "0 keeps all"});
  expect_refused(run_ids({"--temperature", "-1"}), 2, {"temperature", "-1"});
  expect_refused(run_ids({"--top-p", "1.5"}), 2, {"1.5"});
  expect_refused(run_ids({"--threads", "-1"}), 2, {"-1 threads"});
}

TEST_F(Cli, DraftersThatCannotServeTheTargetAreRefused) {
  const std::string dense = dense_.directory().string();
  expect_refused({"run", "--target", dense, "--prompt-tokens", "1,2"}, 1, {"multi-token-prediction", "small:PATH"});
  expect_refused(run_ids({"--draft", "small"}), 2, {"small:PATH"});
  expect_refused(run_ids({"--draft", "small:/nowhere"}), 1, {"/nowhere"});
  expect_refused(run_ids({"--draft", "/nowhere/at/all"}), 1, {"/nowhere/at/all"});
  expect_refused({"run", "--target", "no-such-model"}, 1, {"no-such-model", "not shipped"});
}

TEST_F(Cli, ABarePathIsRecognisedAsADraftModel) {
  const ProgramResult result =
      specdec(run_ids({"--draft", dense_.directory().string(), "--max-tokens", "8", "--ignore-eos"}));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("llama model of"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("the drafter is small:" + dense_.directory().string()), std::string::npos)
      << result.output;
  const TemporaryDirectory unknown;
  unknown.write("config.json", R"({"model_type": "gpt_neo"})");
  expect_refused(run_ids({"--draft", unknown.path()}), 1, {"gpt_neo", "glm4_moe", "qwen3_moe"});
}

TEST_F(Cli, PromptsThatCannotBeUsedAreRefused) {
  expect_refused(run({}), 1, {"no tokenizer", "--prompt-tokens"});
  expect_refused(run({"--prompt", "hello"}), 1, {"no tokenizer", "--prompt-tokens"});
  expect_refused(run({"--prompt-tokens", ""}), 2, {"item 0", "1,2,3"});
  expect_refused(run({"--prompt-tokens", "1,x"}), 2, {"item 1", "1,2,3"});
  expect_refused(run({"--prompt-tokens", "1,,2"}), 2, {"item 1"});
  expect_refused(run({"--prompt-tokens", "1,2,"}), 2, {"item 2"});
  expect_refused(run({"--prompt-tokens", "1,9999"}), 2, {"9999", "position 1"});
  expect_refused(run({"--prompt-tokens", "-1"}), 2, {"-1"});
  expect_refused(run({"--prompt", "a", "--prompt-tokens", "1"}), 2, {"--prompt-tokens", "one of them"});
  std::string many = "1";
  for (int i = 0; i < 20'000; ++i) many += ",1";
  expect_refused(run({"--prompt-tokens", many}), 1, {"20001 tokens", "shorter prompt"});
}

TEST_F(Cli, ATokenizerOfAnotherModelIsRefused) {
  fs::copy_file(fs::path(SPECDEC_SOURCE_DIR) / "tests/data/tokenizers/gpt2/tokenizer.json",
                tiny_.directory() / "tokenizer.json");
  expect_refused(run({"--prompt", "hello"}), 1, {"belongs to another model", "96"});
}

TEST_F(Cli, OutputThatCannotBeWrittenIsRefusedBeforeTheRun) {
  for (const std::string option : {"--json", "--trace"}) {
    expect_refused(run_ids({option, "/nowhere/out.json"}), 1, {"/nowhere/out.json", "cannot write"});
    expect_refused(run_ids({option, directory_.path()}), 1, {"directory"});
    expect_refused(run_ids({option, ""}), 1, {"empty"});
  }
  const std::string out = directory_.path() / "out.json";
  const std::string same = directory_.path() / "." / "out.json";
  expect_refused(run_ids({"--json", out, "--trace", same}), 2, {"same file"});
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("out.json")) << entry.path();
  }
  expect_refused(logits("[[1]]", "/nowhere/out.safetensors"), 1, {"/nowhere/out.safetensors", "cannot write"});
}

TEST_F(Cli, TwoSpellingsOfOneNewFileAreTheSameFile) {
  std::string words = "cd '" + directory_.path().string() + "' && '" SPECDEC_PROGRAM "' run --target '" + target_ +
                      "' --prompt-tokens 5,9 --json new --trace ./new";
  const ProgramResult result = run_program({"sh", "-c", words});
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_NE(result.output.find("two outputs name the same file: ./new"), std::string::npos) << result.output;
}

// Standard output is a pipe here, and a file where the shell says so.
TEST_F(Cli, OutputGoesIntoWhatIsNoFile) {
  const auto json_on = [&](const std::string& place) {
    return specdec(run_ids({"--max-tokens", "4", "--text-only", "--json", place}));
  };
  const ProgramResult piped = json_on("/dev/stdout");
  EXPECT_EQ(piped.exit_code, 0) << piped.output;
  EXPECT_EQ(nlohmann::json::parse(piped.output.substr(piped.output.find('{')))["tokens"].size(), 4U);
  EXPECT_EQ(json_on("/dev/null").exit_code, 0);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));

  const std::string command = "'" SPECDEC_PROGRAM "' run --target '" + target_ + "' --prompt-tokens 5,9 --max-tokens 4";
  const std::string fifo = directory_.path() / "fifo", said = directory_.path() / "said";
  const ProgramResult through = run_program(
      {"sh", "-c", "mkfifo '" + fifo + "'; cat '" + fifo + "' & " + command + " --json '" + fifo + "' >&2; wait"});
  EXPECT_EQ(through.exit_code, 0) << through.output;
  EXPECT_NE(through.output.find("\"verdict\""), std::string::npos) << through.output;
  EXPECT_TRUE(fs::is_fifo(fifo));
  const ProgramResult kept = run_program({"sh", "-c", command + " --json /dev/stdout > '" + said + "'"});
  EXPECT_EQ(kept.exit_code, 0) << kept.output;
  const std::string both = contents(said);
  EXPECT_LT(both.find("tokens per pass"), both.find("\"verdict\"")) << both;
}

TEST_F(Cli, OutputNeverReplacesWhatIsRead) {
  const fs::path weights = tiny_.directory() / "model.safetensors";
  const auto size = fs::file_size(weights);
  for (const std::string option : {"--json", "--trace"}) {
    expect_refused(run_ids({option, weights.string()}), 1, {"model.safetensors", "would replace"});
  }
  expect_refused(logits("[[1]]", weights.string()), 1, {"model.safetensors", "would replace"});
  EXPECT_EQ(fs::file_size(weights), size);
}

TEST_F(Cli, DamagedCheckpointsAreRefused) {
  fs::resize_file(tiny_.directory() / "model.safetensors", 100);
  expect_refused(run_ids({}), 1, {"model.safetensors", "cut off"});
  const TemporaryDirectory unknown;
  unknown.write("config.json", R"({"model_type": "gpt_neo"})");
  expect_refused({"run", "--target", unknown.path(), "--prompt-tokens", "1"}, 1, {"gpt_neo", "glm4_moe", "qwen3_moe"});
  expect_refused({"run", "--target", directory_.path(), "--prompt-tokens", "1"}, 1, {"config.json"});
}

TEST_F(Cli, LogitsRefusesListsThatAreNoLists) {
  expect_refused(logits("[[1,2],[3]]", out_), 1, {"lists.json", "list 1 has 1 ids", "list 0 has 2"});
  expect_refused(logits("[]", out_), 1, {"list of lists"});
  expect_refused(logits("[[]]", out_), 1, {"item 0"});
  expect_refused(logits("[1,2]", out_), 1, {"item 0"});
  expect_refused(logits("{}", out_), 1, {"list of lists"});
  expect_refused(logits("[[1.5]]", out_), 1, {"[0][0]", "whole number"});
  expect_refused(logits("[[1,\"2\"]]", out_), 1, {"[0][1]", "whole number"});
  expect_refused(logits("[[1,96]]", out_), 1, {"[0][1] is 96", "0 to 95"});
  expect_refused(logits("[[-1]]", out_), 1, {"[0][0] is -1"});
  expect_refused(logits("[[18446744073709551615]]", out_), 1, {"[0][0]"});
  expect_refused(logits("[[1", out_), 1, {"not valid JSON"});
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Cli, ModelsTellsWhatLoadsAndWhyNot) {
  const TemporaryDirectory cache;
  cache.write("models--org--odd/snapshots/1/config.json", R"({"model_type": "gpt_neo"})");
  const fs::path good = cache.path() / "models--org--good/snapshots/1";
  fs::create_directories(good);
  for (const auto& file : fs::directory_iterator(tiny_.directory())) fs::copy(file, good);
  ::setenv("HF_HUB_CACHE", cache.path().c_str(), 1);
  const ProgramResult result = specdec({"models"});
  ::unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  for (const std::string_view words :
       {"org/good", "glm4_moe", "8 experts", "MTP", "org/odd", "does not load", "gpt_neo"}) {
    EXPECT_NE(result.output.find(words), std::string::npos) << words << " is not in:\n" << result.output;
  }
}

TEST_F(Cli, VocabTellsByItsExitCodeWhetherADraftFits) {
  const auto tokenizer = [](const std::string& name) {
    return std::string(SPECDEC_SOURCE_DIR) + "/tests/data/tokenizers/" + name;
  };
  const std::string gpt2 = tokenizer("gpt2/tokenizer.json");
  EXPECT_EQ(specdec({"vocab", "--target", gpt2, "--draft", gpt2}).exit_code, 0);
  EXPECT_EQ(specdec({"vocab", "--target", gpt2, "--draft", tokenizer("llama3/tokenizer.json")}).exit_code, 3);
  const ProgramResult report = specdec({"vocab", "--target", gpt2, "--draft", tokenizer("spm_bpe"), "--json"});
  EXPECT_EQ(report.exit_code, 3);
  EXPECT_EQ(nlohmann::json::parse(report.output)["verdict"], "intersection");
  expect_refused({"vocab", "--target", gpt2, "--draft", target_}, 1, {"no tokenizer to compare"});
  expect_refused({"vocab", "--target", gpt2, "--draft", "/nowhere"}, 1, {"/nowhere"});
  expect_refused({"vocab", "--target", gpt2, "--draft", directory_.write("broken.json", "{")}, 1, {"broken.json"});
}

TEST_F(Cli, ADraftOfAnotherVocabularyGoesThroughABridge) {
  const std::vector<LocalModel> shipped = shipped_models();
  if (std::ranges::find(shipped, "demo-draft-spm", &LocalModel::id) == shipped.end()) {
    GTEST_SKIP() << "models/demo-draft-spm is not here";
  }
  const auto run = [](const std::string& draft) {
    return specdec({"run", "--draft", draft, "--prompt", "x", "--max-tokens", "20"});
  };
  const ProgramResult tli = run("small:demo-draft-spm,bridge=tli");
  EXPECT_EQ(tli.exit_code, 0) << tli.output;
  EXPECT_NE(tli.output.find("(bridge tli)"), std::string::npos) << tli.output;
  EXPECT_NE(tli.output.find("read as text"), std::string::npos) << tli.output;
  EXPECT_NE(run("small:demo-draft-spm,bridge=slem").output.find("(bridge slem)"), std::string::npos);
  expect_refused({"run", "--draft", "small:demo-draft-spm,bridge=padded", "--prompt", "x"}, 1,
                 {"bridge padded", "demo-draft-spm", "demo-moe"});
  expect_refused({"run", "--draft", "small:demo-draft-spm,bridge=slem,width=2", "--prompt", "x"}, 2,
                 {"slem", "chains", "width=2"});
  EXPECT_EQ(specdec({"vocab", "--target", "demo-moe", "--draft", "demo-draft-spm"}).exit_code, 3);
  EXPECT_EQ(specdec({"vocab", "--target", "demo-moe", "--draft", "demo-draft"}).exit_code, 0);
}

TEST_F(Cli, AnotherModelsTokenizerIsNoted) {
  const fs::path shipped = shipped_models_directory();
  if (!fs::exists(shipped / "demo-draft-spm/tokenizer.model") || !fs::exists(shipped / "demo-moe/config.json")) {
    GTEST_SKIP() << "models/demo-moe and models/demo-draft-spm are not here";
  }
  for (const char* file : {"config.json", "generation_config.json", "model.safetensors"}) {
    fs::create_symlink(shipped / "demo-moe" / file, directory_.path() / file);
  }
  for (const char* file : {"tokenizer.model", "tokenizer_config.json"}) {
    fs::create_symlink(shipped / "demo-draft-spm" / file, directory_.path() / file);
  }
  const ProgramResult result =
      specdec({"run", "--target", directory_.path(), "--prompt", "x", "--max-tokens", "1", "--text-only"});
  EXPECT_NE(result.output.find("is it the model's tokenizer?"), std::string::npos) << result.output;
  EXPECT_EQ(specdec({"run", "--prompt", "x", "--max-tokens", "1", "--text-only"}).output.find("note:"),
            std::string::npos);
}

TEST_F(Cli, BenchSaysTheSameInWordsAndAsJson) {
  const std::string json = directory_.path() / "bench.json";
  const ProgramResult result = specdec({"bench", "--model", target_, "--widths", "1,4", "--prefill-steps", "8",
                                        "--context", "20", "--threads", "1", "--cache", "q8", "--json", json});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  for (const std::string_view words : {"GB/s", "T(w)/T(1)", "random tokens", "attention", "tokens/s", "in the way"}) {
    EXPECT_NE(result.output.find(words), std::string::npos) << words << " is not in:\n" << result.output;
  }
  const nlohmann::json found = nlohmann::json::parse(std::string(MappedFile(json).text()));
  EXPECT_EQ(found["bench"]["options"]["widths"], "1,4");
  EXPECT_EQ(found["bench"]["options"]["cache"], "q8");
  EXPECT_EQ(found["bench"]["machine"]["threads"], 1);
  EXPECT_EQ(found["bench"]["model"]["architecture"], "glm4_moe");
  EXPECT_EQ(found["context_tokens"], 20);
  ASSERT_EQ(found["passes"].size(), 2);
  EXPECT_EQ(found["passes"][0]["experts_per_layer"], 3);
  EXPECT_GT(found["passes"][1]["bytes"], found["passes"][0]["bytes"]);
  EXPECT_GT(found["prefill"][0]["tokens_per_s"], 0);
  EXPECT_EQ(found["memory_bytes_per_s_by_threads"].size(), 1);
}

TEST_F(Cli, BenchRefusesWhatItCannotMeasure) {
  expect_refused({"bench", "--widths", "1,x"}, 2, {"--widths", "item 1"});
  expect_refused({"bench", "--widths", "0,1"}, 2, {"--widths", "at least 1"});
  expect_refused({"bench", "--widths", "4,1"}, 2, {"--widths", "ascending"});
  expect_refused({"bench", "--context", "0"}, 2, {"--context"});
  expect_refused({"bench", "--model", target_, "--context", "600"}, 2, {"--context", "512"});
  expect_refused({"bench", "--cache", "q4"}, 2, {"q4", "auto, f32, f16, q8"});
  expect_refused({"bench", "--json", "/nonexistent/x.json"}, 1, {"/nonexistent/x.json"});
}

TEST_F(Cli, ConvertSaysWhatEachFormatLoses) {
  const std::string made = directory_.path() / "converted", json = directory_.path() / "converted.json";
  const std::vector<std::string> words{"convert", target_, made, "--experts", "mxfp4", "--rest", "affine8g32"};
  std::vector<std::string> whole = words;
  whole.insert(whole.end(), {"--json", json});
  const ProgramResult result = specdec(whole);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  for (const char* word : {"routed", "mxfp4", "4.250", "router", "GB of memory"})
    EXPECT_NE(result.output.find(word), std::string::npos) << word << " not in: " << result.output;
  EXPECT_EQ(nlohmann::json::parse(std::ifstream(json)).at("round_trips").at(0).at("group"), "embedding");
  EXPECT_EQ(specdec({"bench", "--model", made, "--widths", "1", "--context", "4"}).exit_code, 0);
  expect_refused(words, 1, {made, "exists already"});
  whole.emplace_back("--force");
  EXPECT_EQ(specdec(whole).exit_code, 0);
  expect_refused({"convert", target_, directory_.path() / "other", "--rest", "q4"}, 2, {"q4", "affine4g64"});
}

TEST_F(Cli, SynthWritesWhatBenchLoads) {
  const std::string made = directory_.path() / "made";
  const std::vector<std::string> words{"synth", "--like", tiny_.directory() / "config.json", "--rest", "affine8g32"};
  expect_refused(words, 2, {"DST"});
  std::vector<std::string> whole = words;
  whole.push_back(made);
  const ProgramResult result = specdec(whole);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("if routing were even"), std::string::npos) << result.output;
  EXPECT_EQ(specdec({"bench", "--model", made, "--widths", "1", "--context", "4"}).exit_code, 0);
  expect_refused(whole, 1, {made, "exists already"});
  const ProgramResult dense = specdec(
      {"synth", "--like", dense_.directory() / "config.json", "--rest", "affine8g32", directory_.path() / "dense"});
  EXPECT_EQ(dense.exit_code, 0) << dense.output;
  EXPECT_EQ(dense.output.find("experts"), std::string::npos) << dense.output;
}

TEST_F(Cli, SynthWritesWhatTheMtpDrafterReads) {
  const TinyCheckpoint glm("glm4_moe");
  const std::string made = directory_.path() / "glm";
  const ProgramResult result =
      specdec({"synth", "--like", glm.directory() / "config.json", "--layers", "2", "--rest", "affine8g32", made});
  EXPECT_NE(result.output.find("2 layers and an MTP layer of"), std::string::npos) << result.output;
  EXPECT_EQ(
      specdec({"run", "--target", made, "--draft", "mtp", "--prompt-tokens", "1,2", "--max-tokens", "4"}).exit_code, 0);
  const std::string without = directory_.path() / "without";
  expect_refused({"synth", "--like", dense_.directory() / "config.json", "--rest", "affine8g32", "--mtp", "1", without},
                 2, {"llama", "no MTP layers"});
}

}  // namespace
}  // namespace specdec
