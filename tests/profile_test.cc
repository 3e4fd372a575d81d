#include "core/profile.h"

#include <gtest/gtest.h>

#include "core/engine.h"
#include "core/model.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

const Batch kTwoRows{{TokenId{1}, TokenId{2}}, {-1, 0}};

TEST(Profile, EveryPartIsTimed) {
  PassProfile profile;
  for (const char* name : {"glm4_moe", "nemotron_h", "qwen3_next"}) {
    const TinyCheckpoint checkpoint(name);
    Engine engine({.threads = 2});
    const auto model = load_model(checkpoint.directory(), engine);
    const auto state = model->new_state(8);
    engine.profile_into(&profile);
    model->forward(kTwoRows, *state, {});
  }
  EXPECT_EQ(profile.passes(), 3);
  for (std::size_t part = 0; part < kPartNames.size(); ++part) {
    EXPECT_GT(profile[static_cast<Part>(part)].s, 0) << kPartNames[part];
  }
}

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
