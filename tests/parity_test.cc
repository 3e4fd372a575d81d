// Logits equal to Hugging Face transformers' in float32, on the random checkpoints of tests/data/models. The script
// that made them is tests/data/make_model_goldens.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <set>

#include "core/arch.h"
#include "core/batch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/safetensors.h"
#include "core/model.h"
#include "core/weights.h"

namespace specdec {
namespace {

const std::filesystem::path kData = std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/models";
constexpr double kTolerance = 1e-4;      // relative, in the 2-norm: order of summation
constexpr double kInt8Tolerance = 0.03;  // with int8 activations

struct Golden {
  std::vector<std::vector<TokenId>> lists;
  std::map<std::string, std::vector<float>> values;
};

Golden read_golden(const std::filesystem::path& directory) {
  const SafetensorsFile file(directory / "golden.safetensors");
  Golden golden;
  for (const auto& [name, tensor] : file.tensors()) {
    if (name == "tokens") {
      const std::int64_t length = tensor.shape.at(1);
      for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        std::int64_t id;
        std::memcpy(&id, tensor.data + 8 * i, 8);
        if (i % length == 0) golden.lists.emplace_back();
        golden.lists.back().push_back(TokenId{static_cast<std::int32_t>(id)});
      }
    } else if (tensor.dtype == DType::f32) {
      auto& values = golden.values[name];
      values.resize(static_cast<std::size_t>(tensor.elements()));
      std::memcpy(values.data(), tensor.data, tensor.bytes);
    }
  }
  return golden;
}

void append(const MatView& logits, std::vector<float>& values) {
  values.insert(values.end(), logits.data(), logits.data() + logits.size());
}

double relative_error(const std::vector<float>& ours, const std::vector<float>& theirs) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    difference += (static_cast<double>(ours[i]) - theirs[i]) * (static_cast<double>(ours[i]) - theirs[i]);
    size += static_cast<double>(theirs[i]) * theirs[i];
  }
  return std::sqrt(difference / size);
}

// Of the rows of a vocabulary, the median: where rounded scores choose experts or what a row sees, a near tie may fall
// otherwise, and a recurrence carries it on.
double median_row_error(const std::vector<float>& ours, const std::vector<float>& theirs, std::ptrdiff_t vocab) {
  std::vector<double> errors;
  for (auto a = ours.begin(), b = theirs.begin(); a != ours.end(); a += vocab, b += vocab) {
    errors.push_back(relative_error({a, a + vocab}, {b, b + vocab}));
  }
  std::ranges::nth_element(errors, errors.begin() + std::ssize(errors) / 2);
  return errors[errors.size() / 2];
}

std::vector<float> logits_of(const Model& model, const Golden& golden) {
  std::vector<float> logits;
  for (const auto& list : golden.lists) {
    const auto state = model.new_state(64);
    append(model.forward(chain_of(list), *state, {}).logits, logits);
  }
  return logits;
}

class Parity : public testing::TestWithParam<std::string> {};

TEST_P(Parity, LogitsEqualTransformers) {
  const Golden golden = read_golden(kData / GetParam());
  for (const std::string_view cpu : cpu_levels()) {
    for (const char* compute : {"f32", "default"}) {
      Engine engine({.threads = 2, .compute = compute, .cpu = std::string(cpu)});
      const auto model = load_model(kData / GetParam(), engine);
      const std::vector<float> logits = logits_of(*model, golden);
      const auto& expected = golden.values.at("logits");
      ASSERT_EQ(logits.size(), expected.size());
      const bool exact = std::string_view(compute) == "f32";
      const bool chooses = model->info().experts > 0;  // indexers are of models with experts
      const double error = exact || !chooses ? relative_error(logits, expected)
                                             : median_row_error(logits, expected, model->info().vocab);
      EXPECT_LT(error, exact ? kTolerance : kInt8Tolerance) << cpu << " " << compute;
    }
  }
}

// transformers lengthens Mamba's steps where it reads a prompt, and not where it decodes.
TEST(TimeSteps, AreWithinTheLimitOrAtLeastTheMin) {
  const Golden golden = read_golden(kData / "nemotron_h_steps");
  const auto error_of = [&](const char* time_steps, const char* name) {
    Engine engine({.threads = 1, .compute = "f32", .time_steps = time_steps});
    const auto model = load_model(kData / "nemotron_h_steps", engine);
    return relative_error(logits_of(*model, golden), golden.values.at(name));
  };
  EXPECT_LT(error_of("limit", "logits"), kTolerance);
  EXPECT_LT(error_of("min", "lengthened_logits"), kTolerance);
  EXPECT_GT(error_of("min", "logits"), 100 * kTolerance);
}

// Row i of the k-th is the k-th draft of a chain that starts at i and is fed the true tokens: keys of the first step at
// positions 0 to i, then one pending row a step.
constexpr int kSteps = 3;
std::vector<std::vector<float>> chains_of(const Golden& golden, const Model& model, const HeadReading& reading) {
  const std::unique_ptr<DraftHead> mtp = model.mtp()->with(reading);
  std::vector<std::vector<float>> logits(kSteps);
  for (const auto& list : golden.lists) {
    const int length = static_cast<int>(list.size());
    const auto state = model.new_state(64);
    const Output seen = model.forward(chain_of(list), *state, {.layers = {-1}});
    const auto head = mtp->new_state(64);
    for (int i = 0; i + 1 < length; ++i) {
      const auto next = [&](int step) { return list[static_cast<std::size_t>(i + step)]; };
      const MatView hidden(seen.hidden[0].row(i).data(), 1, seen.hidden[0].cols());
      std::optional<Output> out = mtp->forward({{next(1)}, {-1}}, hidden, HeadStates::of_target, *head);
      append(out->logits, logits[0]);
      for (int step = 1; step < kSteps && i + 1 + step < length; ++step) {
        const MatView carried = out->hidden[0];
        out.emplace(mtp->forward({{next(1 + step)}, {step - 1}}, carried, HeadStates::carried, *head));
        append(out->logits, logits[static_cast<std::size_t>(step)]);
      }
      head->commit(std::array{0});
    }
  }
  return logits;
}

class MtpParity : public testing::TestWithParam<std::string> {};

TEST_P(MtpParity, ChainsEqualTransformers) {
  const Golden golden = read_golden(kData / GetParam());
  Engine engine({.threads = 1, .compute = "f32"});
  const auto model = load_model(kData / GetParam(), engine);
  ASSERT_NE(model->mtp(), nullptr);
  for (const bool normed : {true, false}) {
    const std::string name = normed ? "mtp_logits" : "mtp_raw_logits";
    const auto logits = chains_of(golden, *model, {.normed_carried = normed});
    for (int step = 0; step < kSteps; ++step) {
      const auto found = golden.values.find(fmt::format("{}_{}", name, step + 1));
      if (found == golden.values.end() && (!normed || step == 0)) continue;
      ASSERT_NE(found, golden.values.end()) << name << " " << step + 1;
      ASSERT_EQ(logits[static_cast<std::size_t>(step)].size(), found->second.size());
      EXPECT_LT(relative_error(logits[static_cast<std::size_t>(step)], found->second), kTolerance) << found->first;
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> found;
  if (!std::filesystem::exists(kData)) return found;
  for (const auto& entry : std::filesystem::directory_iterator(kData)) {
    if (std::filesystem::exists(entry.path() / "golden.safetensors")) found.push_back(entry.path().filename());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> names_with_mtp() {
  std::vector<std::string> found = names();
  std::erase_if(found, [](const std::string& name) { return !name.ends_with("_mtp"); });
  return found;
}

INSTANTIATE_TEST_SUITE_P(Goldens, MtpParity, testing::ValuesIn(names_with_mtp()),
                         [](const auto& instance) { return instance.param; });
INSTANTIATE_TEST_SUITE_P(Goldens, Parity, testing::ValuesIn(names()),
                         [](const auto& instance) { return instance.param; });

TEST(ParityData, CoversEveryArchitecture) {
  const auto found = names();
  std::set<std::string> types;
  for (const std::string& name : found) types.insert(read_config(kData / name).text("model_type", ""));
  for (const Architecture& architecture : architectures()) {
    EXPECT_TRUE(types.contains(std::string(architecture.name))) << architecture.name;
  }
}

}  // namespace
}  // namespace specdec
