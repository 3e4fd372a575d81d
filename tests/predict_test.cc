#include "experiments/predict.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/predict_picture.h"
#include "cli/predict_report.h"
#include "core/error.h"
#include "core/files/mapped_file.h"
#include "core/traffic.h"
#include "experiments/known_models.h"
#include "tests/error_line.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

using Json = nlohmann::json;

PredictOptions glm_52() {
  PredictOptions options;
  options.target = "glm-5.2";
  options.hardware = "m3-ultra";
  options.experts = options.rest = "mxfp4";
  return options;
}

// Bytes are those that inspect counts: models.md, 2.2 and 2.3.
TEST(Predict, TakesItsBytesFromTheAccount) {
  PredictOptions options = glm_52();
  options.overlap = "uniform";
  const Prediction found = predict(options);
  EXPECT_NEAR(found.passes[0].bytes, 21.584e9, 1e6);
  EXPECT_NEAR(found.passes[1].bytes, 33.240e9, 1e6);
  EXPECT_NEAR(found.passes[7].bytes, 95.915e9, 1e6);
  EXPECT_NEAR(found.memory.weights, 395.094e9, 1e6);
  options.draft = "mtp";
  EXPECT_NEAR(predict(options).scenario.drafting.traffic.total_bytes, 5.290e9, 1e6);
}

// Every known model on every machine, with its own MTP layer or a typical head: finite, and more guesses take longer.
TEST(Predict, PricesEveryKnownModelOnEveryMachine) {
  for (const NamedText& model : model_configs()) {
    for (const HardwareProfile& machine : hardware_profiles()) {
      PredictOptions options;
      options.target = std::string(model.name);
      options.hardware = machine.name;
      options.experts = options.rest = "affine4g64";
      options.draft = "eagle";
      options.acceptance = {0.7};
      const Prediction found = predict(options);
      double before = found.passes[0].total();
      EXPECT_GT(before, found.peak_s) << model.name << " " << machine.name;
      for (const GuessCost& cost : found.guesses) {
        EXPECT_GE(cost.step_s, before) << model.name << " " << machine.name;
        EXPECT_LE(cost.speed_up, cost.tokens) << model.name << " " << machine.name;
        before = cost.step_s;
      }
      EXPECT_TRUE(found.low < found.high && found.low > 0) << model.name << " " << machine.name;
    }
  }
}

// What was said when this was written; a change that is meant is written here.
TEST(Predict, SaysWhatItSaid) {
  PredictOptions options = glm_52();
  options.draft = "mtp";
  options.acceptance = {0.86};
  options.guesses = {1};
  const Prediction mac = predict(options);
  EXPECT_NEAR(mac.passes[0].total(), 0.052, 0.002);  // 51 ms measured: evidence.md, 1.2, row 19
  EXPECT_NEAR(mac.best.speed_up, 0.87, 0.05);        // 0.82 measured
  EXPECT_NE(mac.sign, Sign::pays);
  options.engine = "omlx";  // whose kernels turn the sign: omlx PR 2113
  EXPECT_GT(predict(options).best.speed_up, 1);
  options.engine.reset();
  options.hardware = "h200";
  options.machines = 4;
  const Prediction server = predict(options);
  EXPECT_GT(server.best.speed_up, 1.1);
  EXPECT_LT(server.best.speed_up, 1.86);
  options.hardware = "rtx-4090";
  options.machines = 1;
  EXPECT_FALSE(predict(options).memory.all);
}

TEST(Predict, WithoutAcceptanceGivesWhatBreaksEven) {
  const Prediction found = predict(glm_52());
  EXPECT_EQ(found.sign, Sign::unknown);
  for (const GuessCost& cost : found.guesses) {
    if (!cost.break_even_alpha) continue;
    EXPECT_NEAR(Acceptance{{*cost.break_even_alpha}}.tokens_per_pass(cost.guesses), cost.break_even, 1e-6);
  }
  EXPECT_NE(summary_of(found).find("It pays above"), std::string::npos);
}

// Acceptance told in three ways is one.
TEST(Predict, AcceptanceMayBeToldInSeveralWays) {
  PredictOptions options = glm_52();
  options.guesses = {2};
  options.acceptance = {0.8, 0.5};
  const double speed_up = predict(options).best.speed_up;
  options.acceptance.clear();
  options.prefixes = {0.8, 0.4};
  EXPECT_NEAR(predict(options).best.speed_up, speed_up, 1e-9);
  options.prefixes.clear();
  options.tokens_per_pass = 2.2;
  EXPECT_NEAR(predict(options).best.speed_up, speed_up, 1e-9);
}

TEST(Predict, SizesMayBeGivenInBytes) {
  const TemporaryDirectory directory;
  PredictOptions options = glm_52();
  options.target =
      directory
          .write("laguna.json", R"({"layers": 40, "hidden_size": 2048, "fixed_bytes": 4.6e9, "experts": 256,
                                                 "experts_per_token": 8, "expert_bytes": 1.77e6})")
          .string();
  const Prediction found = predict(options);
  EXPECT_NEAR(found.passes[0].bytes, 4.6e9 + 40 * 8 * 1.77e6, 1);
  PredictOptions nothing = options;
  nothing.target = directory.write("nothing.json", R"({"layers": 1, "hidden_size": 1, "fixed_bytes": 0})").string();
  nothing.set = {"pass_s=0", "dispatch_s=0"};
  expect_error([&] { predict(nothing); }, {"nothing", "no time"});
  nothing.target = directory.write("wrong.json", R"({"layers": 1, "hidden_size": 1, "fixed_bytes": -1})").string();
  expect_error([&] { predict(nothing); }, {"wrong.json", "fixed_bytes", "-1"});
  options.draft = "mtp";
  expect_error([&] { predict(options); }, {"--draft mtp", "--draft-ms"});
  options.draft = "small:" + options.target;
  EXPECT_GT(predict(options).guesses[0].draft_s, 0.006);
}

TEST(Predict, JsonIsComplete) {
  const TemporaryDirectory directory;
  const std::string points =
      directory.write("points.json", R"({"points": [{"rows": 1, "seconds": 0.051}, {"rows": 2, "seconds": 0.112}]})")
          .string();
  const std::string json = (directory.path() / "out.json").string(), saved = (directory.path() / "mine.json").string();
  const ProgramResult result = run_program(
      {SPECDEC_PROGRAM, "predict",  "--target",        "glm-5.2", "--experts",    "mxfp4", "--rest", "mxfp4",
       "--hardware",    "m3-ultra", "--draft",         "mtp",     "--acceptance", "0.86",  "--k",    "1..4",
       "--calibrate",   points,     "--save-hardware", saved,     "--json",       json});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const Json found = Json::parse(MappedFile(json).text());
  EXPECT_EQ(found.at("guesses").size(), 4u);
  EXPECT_EQ(found.at("passes").size(), 16u);
  EXPECT_EQ(found.at("calibration").at("residuals").size(), 2u);
  for (const char* key :
       {"target", "hardware", "memory", "drafter", "acceptance", "plain_s", "best", "sign", "result_low", "result_high",
        "chance_that_it_pays", "sensitivities", "prefill", "overlap", "notes"}) {
    EXPECT_TRUE(found.contains(key)) << key;
  }
  EXPECT_NEAR(find_hardware(saved).effective_bytes_per_s.value,
              found.at("hardware").at("effective_bytes_per_s").at("value").get<double>(), 1e6);
}

TEST(Predict, PictureShowsStepsAndWhatTheyBring) {
  PredictOptions options = glm_52();
  options.draft = "mtp";
  options.acceptance = {0.86};
  options.guesses = {1, 2};
  const std::string picture = picture_of(predict(options));
  for (const std::string_view words : {"<svg", "Apple M3 Ultra", "drafting", "its tokens, plainly", "</svg>"}) {
    EXPECT_NE(picture.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(picture.find("nan"), std::string::npos);
}

TEST(Predict, WrongWordsEndInOneLine) {
  const auto refused = [](const std::function<void(PredictOptions&)>& spoil,
                          std::initializer_list<std::string_view> words) {
    PredictOptions options = glm_52();
    spoil(options);
    expect_error([&] { predict(options); }, words);
  };
  refused([](auto& of) { of.target = "glm-9"; }, {"glm-9", "known without files", "glm-5.2"});
  refused([](auto& of) { of.hardware = "cray-1"; }, {"cray-1", "m3-ultra"});
  refused([](auto& of) { of.link = "string"; }, {"string", "thunderbolt5-rdma"});
  refused([](auto& of) { of.engine = "steam"; }, {"steam", "tensorrt-llm"});
  refused([](auto& of) { of.draft = "oracle"; }, {"--draft oracle", "mtp"});
  refused([](auto& of) { of.draft = "small"; }, {"small:CONFIG"});
  refused(
      [](auto& of) {
        of.draft = "mtp";
        of.target = "qwen3-30b-a3b";
      },
      {"no MTP layer"});
  refused([](auto& of) { of.acceptance = {1.2}; }, {"--acceptance", "1.2"});
  refused([](auto& of) { of.prefixes = {0.5, 0.6}; }, {"--accept-prefix", "grow"});
  refused(
      [](auto& of) {
        of.prefixes = {0.5};
        of.acceptance = {0.5};
      },
      {"several ways"});
  refused([](auto& of) { of.tokens_per_pass = 12; }, {"--tokens-per-pass 12", "1 to 9"});
  refused([](auto& of) { of.guesses = {0}; }, {"--k 0"});
  refused([](auto& of) { of.machines = 0; }, {"--machines 0"});
  refused([](auto& of) { of.parallel = "both"; }, {"--parallel both"});
  refused([](auto& of) { of.overlap = "none"; }, {"--overlap none", "--unions"});
  refused([](auto& of) { of.unions = {8, 300}; }, {"300", "8 to 256"});
  refused([](auto& of) { of.set = {"speed=1"}; }, {"speed=1", "row_s"});
  refused([](auto& of) { of.set = {"flops_per_s=0"}; }, {"more than 0"});
  refused(
      [](auto& of) {
        of.target = "llama-3.2-3b";
        of.hit_rate = 0.5;
      },
      {"no routed experts"});
  const TemporaryDirectory directory;
  refused([&](auto& of) { of.calibrate = directory.write("a.json", R"({"points": []})").string(); },
          {"a.json", "points"});
  refused([&](auto& of) { of.calibrate = directory.write("b.json", R"({"points": [{"rows": 2}]})").string(); },
          {"points[0]", "seconds"});
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--k", "8..1"},
                                                {"--k", "x"},
                                                {"--acceptance", "a,b"},
                                                {"--plain", "0"},
                                                {"--hit-rate", "0.5,"}}) {
    std::vector<std::string> command{SPECDEC_PROGRAM, "predict", "--target", "glm-5.2", "--hardware", "h200"};
    command.insert(command.end(), words.begin(), words.end());
    const ProgramResult result = run_program(command);
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_NE(result.output.find(words[0]), std::string::npos) << result.output;
  }
}

}  // namespace
}  // namespace specdec
