#include "core/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "core/model.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

const Batch kTwoRows{{TokenId{1}, TokenId{2}}, {-1, 0}};

// What each architecture spends time on.
class ProfileParts : public testing::TestWithParam<std::pair<std::string, std::vector<Part>>> {};

TEST_P(ProfileParts, AreTimedAndNoOthers) {
  const auto& [architecture, parts] = GetParam();
  const TinyCheckpoint checkpoint(architecture);
  Engine engine({.threads = 2});
  const auto model = load_model(checkpoint.directory(), engine);
  const auto state = model->new_state(8);
  PassProfile profile;
  engine.profile_into(&profile);
  model->forward(kTwoRows, *state, {});
  engine.profile_into(nullptr);
  EXPECT_EQ(profile.passes(), 1);
  for (std::size_t part = 0; part < kPartNames.size(); ++part) {
    const bool spends = std::ranges::find(parts, static_cast<Part>(part)) != parts.end();
    EXPECT_EQ(profile[static_cast<Part>(part)].s > 0, spends) << kPartNames[part];
  }
}

using enum Part;
INSTANTIATE_TEST_SUITE_P(
    Tiny, ProfileParts,
    testing::Values(
        std::pair("llama", std::vector{embedding, norms, attention, dense, head}),
        std::pair("glm4_moe", std::vector{embedding, norms, attention, router, experts, shared, dense, head}),
        std::pair("deepseek_v32",
                  std::vector{embedding, norms, attention, indexer, router, experts, shared, dense, head}),
        std::pair("nemotron_h", std::vector{embedding, norms, attention, mamba, router, latent, experts, shared, head}),
        std::pair("qwen3_next", std::vector{embedding, norms, attention, delta, router, experts, shared, head})),
    [](const auto& instance) { return instance.param.first; });

TEST(Profile, APassThatIsNotAskedAboutLeavesNoTrace) {
  const TinyCheckpoint checkpoint("qwen3_moe");
  Engine engine({.threads = 1});
  const auto model = load_model(checkpoint.directory(), engine);
  const auto state = model->new_state(8);
  PassProfile profile;
  engine.profile_into(&profile);
  engine.profile_into(nullptr);
  model->forward(kTwoRows, *state, {});
  EXPECT_EQ(profile.passes(), 0);
  EXPECT_EQ(profile[Part::attention].s, 0);
}

TEST(Profile, SharesAddUp) {
  PassProfile profile;
  profile.begin(4);
  profile.lap(7, Part::experts, 0.75, Part::shared);
  EXPECT_EQ(profile[Part::experts].barriers, 3);
  EXPECT_NEAR(profile[Part::experts].s, 3 * profile[Part::shared].s, 1e-12);
}

}  // namespace
}  // namespace specdec
