#include "core/eagle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "core/batch.h"
#include "core/engine.h"
#include "core/files/safetensors.h"
#include "tests/error_line.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"
#include "tests/tiny_head.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(SPECDEC_SOURCE_DIR) / "tests/data";
constexpr double kTolerance = 1e-4;         // relative, in the 2-norm: order of summation
constexpr double kRoundedTolerance = 0.06;  // with activations in int8 or bf16, carried over three steps
constexpr int kSteps = 3;

// What make_eagle_goldens.py wrote.
struct Golden {
  std::vector<TokenId> tokens;
  std::vector<float> states;
  std::vector<std::vector<float>> logits;  // of each step

  explicit Golden(const fs::path& directory) {
    const SafetensorsFile file(directory / "golden.safetensors");
    const StoredTensor& ids = file.tensors().at("tokens");
    for (std::int64_t i = 0; i < ids.elements(); ++i) {
      std::int64_t id;
      std::memcpy(&id, ids.data + 8 * i, 8);
      tokens.push_back(TokenId{static_cast<std::int32_t>(id)});
    }
    states = floats(file.tensors().at("states"));
    for (int step = 1; step <= kSteps; ++step)
      logits.push_back(floats(file.tensors().at(fmt::format("logits_{}", step))));
  }
  static std::vector<float> floats(const StoredTensor& tensor) {
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    std::memcpy(values.data(), tensor.data, tensor.bytes);
    return values;
  }
  MatView rows(int first, int count) const {
    const auto width = static_cast<Eigen::Index>(states.size() / tokens.size());
    return {states.data() + first * width, count, width};
  }
};

double relative_error(const std::vector<float>& ours, const std::vector<float>& theirs) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    difference += std::pow(static_cast<double>(ours[i]) - theirs[i], 2);
    size += std::pow(static_cast<double>(theirs[i]), 2);
  }
  return std::sqrt(difference / size);
}

// The logits of every step of the chains that start at each position.
std::vector<std::vector<float>> chains(const DraftHead& head, const Golden& golden) {
  std::vector<std::vector<float>> logits(kSteps);
  const auto append = [&](int step, const Output& out) {
    auto& all = logits[static_cast<std::size_t>(step)];
    all.insert(all.end(), out.logits.data(), out.logits.data() + out.logits.size());
  };
  const int length = static_cast<int>(golden.tokens.size());
  const auto state = head.new_state(64);
  for (int i = 0; i + 1 < length; ++i) {
    const auto next = [&](int step) { return golden.tokens[static_cast<std::size_t>(i + 1 + step)]; };
    const auto first = head.forward({{next(0)}, {-1}}, golden.rows(i, 1), HeadStates::of_target, *state);
    append(0, first);
    std::vector<float> carried(first.hidden[0].data(), first.hidden[0].data() + first.hidden[0].size());
    for (int step = 1; step < kSteps && i + 1 + step < length; ++step) {
      const MatView states(carried.data(), 1, static_cast<Eigen::Index>(carried.size()));
      const auto out = head.forward({{next(step)}, {step - 1}}, states, HeadStates::carried, *state);
      append(step, out);
      carried.assign(out.hidden[0].data(), out.hidden[0].data() + out.hidden[0].size());
    }
    state->commit(std::array{0});
  }
  return logits;
}

class EagleGolden : public testing::TestWithParam<std::string> {
 protected:
  fs::path directory_ = kData / "heads" / GetParam();
  Golden golden_{directory_};
};

TEST_P(EagleGolden, ChainsEqualTheFormulas) {
  for (const std::string_view cpu : cpu_levels()) {
    for (const char* compute : {"f32", "default"}) {
      Engine engine({.threads = 2, .compute = compute, .cpu = std::string(cpu)});
      const auto target = load_model(kData / "models/glm4_moe_mtp", engine);
      const auto head = load_eagle(directory_, *target, engine);
      const auto logits = chains(*head, golden_);
      const double tolerance = std::string_view(compute) == "f32" ? kTolerance : kRoundedTolerance;
      for (std::size_t step = 0; step < kSteps; ++step) {
        ASSERT_EQ(logits[step].size(), golden_.logits[step].size());
        EXPECT_LT(relative_error(logits[step], golden_.logits[step]), tolerance) << cpu << " " << compute;
      }
    }
  }
}

std::vector<float> row_of(const MatView& view, Eigen::Index row) {
  return {view.row(row).data(), view.row(row).data() + view.cols()};
}

TEST_P(EagleGolden, AnyWidthGivesTheBitsOfWidthOne) {
  for (const std::string_view cpu : cpu_levels()) {
    Engine engine({.threads = 2, .cpu = std::string(cpu)});
    const auto target = load_model(kData / "models/glm4_moe_mtp", engine);
    const auto head = load_eagle(directory_, *target, engine);
    const auto run = [&](int width) {
      std::vector<std::vector<float>> rows;
      const auto state = head->new_state(64);
      for (int i = 0; i < 8; i += width) {
        const int count = std::min(width, 8 - i);
        const auto next =
            std::span(golden_.tokens).subspan(static_cast<std::size_t>(i + 1), static_cast<std::size_t>(count));
        const Output out = head->forward(chain_of(next), golden_.rows(i, count), HeadStates::of_target, *state);
        for (int row = 0; row < count; ++row) {
          rows.push_back(row_of(out.logits, row));
          rows.push_back(row_of(out.hidden[0], row));
        }
        state->commit(whole_chain(count));
      }
      return rows;
    };
    const auto one = run(1);
    for (const int width : {2, 3, 8}) EXPECT_EQ(run(width), one) << cpu << ", width " << width;
  }
}

// Rows of guesses in a tree are those of their paths as chains.
TEST_P(EagleGolden, ATreeRowIsItsPathAsAChain) {
  Engine engine({.threads = 2});
  const auto target = load_model(kData / "models/glm4_moe_mtp", engine);
  const auto head = load_eagle(directory_, *target, engine);
  const std::vector<TokenId> tokens{TokenId{3}, TokenId{9}, TokenId{4}, TokenId{7}};
  const std::vector<int> parents{-1, -1, 0, 1};
  std::vector<float> states;
  for (std::size_t i = 0; i < tokens.size() * static_cast<std::size_t>(head->hidden()); ++i)
    states.push_back(std::sin(static_cast<float>(i)));
  const auto rows = [&](std::vector<int> which) {
    Batch batch;
    std::vector<float> values;
    for (const int row : which) {
      batch.tokens.push_back(tokens[static_cast<std::size_t>(row)]);
      const auto parent = std::ranges::find(which, parents[static_cast<std::size_t>(row)]);
      batch.parents.push_back(parent == which.end() ? -1 : static_cast<int>(parent - which.begin()));
      const auto first = states.begin() + row * head->hidden();
      values.insert(values.end(), first, first + head->hidden());
    }
    const auto state = head->new_state(64);
    head->forward(chain_of(std::span(golden_.tokens).subspan(1, 3)), golden_.rows(0, 3), HeadStates::of_target, *state);
    state->commit(whole_chain(3));
    const MatView view(values.data(), static_cast<Eigen::Index>(which.size()), head->hidden());
    const Output out = head->forward(batch, view, HeadStates::carried, *state);
    return row_of(out.logits, out.logits.rows() - 1);
  };
  EXPECT_EQ(rows({0, 1, 2}), rows({0, 2}));
  EXPECT_EQ(rows({0, 1, 2, 3}), rows({1, 3}));
}

INSTANTIATE_TEST_SUITE_P(All, EagleGolden,
                         testing::Values("eagle3", "eagle3_speculators", "eagle_bias", "eagle_without_bias"),
                         [](const auto& instance) { return instance.param; });

// A tiny target, and heads that are wrong in one thing each.
class Eagle : public testing::Test {
 protected:
  std::unique_ptr<DraftHead> load(const TinyHead& head) {
    const TemporaryDirectory directory;
    head.write(directory.path());
    return load_eagle(directory.path(), *target_, engine_);
  }
  void refused(const TinyHead& head, std::initializer_list<std::string_view> words) {
    expect_error([&] { load(head); }, words);
  }
  Engine engine_{{.threads = 1}};
  TinyCheckpoint checkpoint_{"glm4_moe"};
  std::unique_ptr<Model> target_ = load_model(checkpoint_.directory(), engine_);
  TinyTarget sizes_{target_->info().hidden, target_->info().layers, target_->info().vocab};
};

TEST_F(Eagle, TapsAreSaidAsOutputsOfLayers) {
  const auto original = load(tiny_eagle3(sizes_));
  const auto speculators = load(tiny_eagle3_speculators(sizes_));
  for (const DraftHead* head : {original.get(), speculators.get()}) {
    EXPECT_TRUE(std::ranges::equal(head->taps(), std::array{0, 1, 2})) << head->about();
    EXPECT_NE(head->about().find("layers 0, 1, 2 of 0 to 2"), std::string::npos) << head->about();
    EXPECT_EQ(head->head_tokens().size(), 32U);
    EXPECT_EQ(head->head_tokens()[5], TokenId{15});
  }
  EXPECT_TRUE(std::ranges::equal(load(tiny_eagle(sizes_))->taps(), std::array{-1}));
  EXPECT_EQ(read_eagle_taps(ConfigReader("{}", "config.json"), 32).outputs, (std::vector{1, 15, 28}));
}

TEST_F(Eagle, BytesAreThoseOfItsTensors) {
  const auto shared = load(tiny_eagle3(sizes_));
  const auto own = load(tiny_eagle3_speculators(sizes_));
  const std::int64_t table = sizes_.vocab * sizes_.hidden * 2;
  EXPECT_EQ(own->bytes().total, shared->bytes().total + table);
  EXPECT_EQ(own->bytes().fixed, shared->bytes().fixed);
  EXPECT_EQ(own->bytes().head, 32 * sizes_.hidden * 2);
  EXPECT_EQ(own->joining_bytes(), 3 * sizes_.hidden * sizes_.hidden * 2);
}

TEST_F(Eagle, RefusesWhatDoesNotFit) {
  const TinyHead right = tiny_eagle3(sizes_);
  const auto with = [&](auto change) {
    TinyHead head = right;
    change(head);
    return head;
  };
  refused(with([](TinyHead& h) {
            h.config["eagle_config"]["eagle_aux_hidden_state_layer_ids"] = {0, 1, 3};
          }),
          {"layer 3", "eagle_config", "0 to 2"});
  refused(with([](TinyHead& h) { h.config.erase("eagle_config"); }), {"layer -1", "not said"});
  refused(with([](TinyHead& h) { h.config["draft_vocab_size"] = 5; }), {"5 draft ids", "32"});
  refused(with([](TinyHead& h) { h.config["norm_output"] = true; }), {"norm_output"});
  refused(with([](TinyHead& h) { h.config["target_hidden_size"] = 4096; }), {"4096", "64"});
  refused(with([](TinyHead& h) { h.config["num_hidden_layers"] = 2; }), {"more than one layer"});
  refused(with([](TinyHead& h) { h.tensors["t2d"].integers[1] = 1; }), {"'t2d'", "'d2t'"});
  refused(with([](TinyHead& h) { h.tensors["d2t"].integers[31] = 500; }), {"'d2t'", "531"});
  refused(with([](TinyHead& h) { h.tensors.erase("d2t"); }), {"32 tokens", "96", "'d2t'"});
  refused(with([](TinyHead& h) { h.tensors.erase("fc.weight"); }), {"fc.weight"});
  refused(with([](TinyHead& h) { h.tensors.erase("norm.weight"); }), {"norm.weight"});
  refused(with([](TinyHead& h) { h.tensors["left.over"] = {.shape = {4}}; }), {"left.over"});
  refused(with([](TinyHead& h) { h.tensors["mask_hidden"] = {.shape = {1, 64}}; }), {"mask_hidden", "P-EAGLE"});
  refused(tiny_eagle({2 * sizes_.hidden, sizes_.layers, sizes_.vocab}), {"128", "64"});
}

}  // namespace
}  // namespace specdec
