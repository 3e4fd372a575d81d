// A checkpoint that is cut or removed while a model runs: what it says stays right, or there is an Error of one line,
// never a signal.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"
#include "core/error.h"
#include "core/model.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// The logits of a pass of the model and of its MTP layer.
std::vector<float> logits_of(const Model& model) {
  const Batch batch{{TokenId{1}, TokenId{2}, TokenId{3}}, {-1, 0, 1}};
  std::vector<float> logits;
  const auto add = [&](const MatView& some) { logits.insert(logits.end(), some.data(), some.data() + some.size()); };
  const auto state = model.new_state(8);
  const Output output = model.forward(batch, *state, {.layers = {-1}});
  add(output.logits);
  if (model.mtp() == nullptr) return logits;
  const auto mtp_state = model.mtp()->new_state(8);
  add(model.mtp()->forward(batch, output.hidden.front(), HeadStates::of_target, *mtp_state, LogitRows::all).logits);
  return logits;
}

// Whoever looks at a mapping of a file in the directory from now on ends in a signal. Returns how many there are.
int forbid_mappings(const fs::path& directory) {
  int count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(directory.string()) == std::string::npos) continue;
    std::uintptr_t begin = 0, end = 0;
    const char* last = line.data() + line.size();
    const char* dash = std::from_chars(line.data(), last, begin, 16).ptr;
    std::from_chars(dash + 1, last, end, 16);
    if (::mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_NONE) == 0) ++count;
  }
  return count;
}

std::vector<fs::path> weight_files(const TinyCheckpoint& tiny) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(tiny.directory())) {
    if (entry.path().extension() == ".safetensors" || entry.path().extension() == ".gguf") files.push_back(entry);
  }
  return files;
}

class ChangedFile : public testing::TestWithParam<std::string> {
 protected:
  TinyCheckpoint tiny_{GetParam()};
};

TEST_P(ChangedFile, APassLooksAtNoMapping) {
  for (const char* budget : {"auto", "1%"}) {  // experts in memory, and read from disk
    Engine engine({.threads = 1, .expert_cache = budget});
    const auto model = load_model(tiny_.directory(), engine);
    const std::vector<float> logits = logits_of(*model);
    ASSERT_GT(forbid_mappings(tiny_.directory()), 0);
    EXPECT_EQ(logits_of(*model), logits);
  }
}

TEST_P(ChangedFile, AModelInMemoryDoesNotNeedIt) {
  Engine engine({.threads = 1});
  const auto model = load_model(tiny_.directory(), engine);
  const std::vector<float> logits = logits_of(*model);
  for (const std::uintmax_t size : {5000, 0}) {
    for (const fs::path& file : weight_files(tiny_)) fs::resize_file(file, size);
    EXPECT_EQ(logits_of(*model), logits);
  }
  fs::remove_all(tiny_.directory());
  EXPECT_EQ(logits_of(*model), logits);
}

TEST(CutFile, ExpertsOnDiskEndInAnErrorOfOneLine) {
  const TinyCheckpoint tiny("glm4_moe");
  Engine engine({.threads = 1, .expert_cache = "1%"});
  const auto model = load_model(tiny.directory(), engine);
  for (const fs::path& file : weight_files(tiny)) fs::resize_file(file, 5000);
  try {
    logits_of(*model);
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("it was cut"), std::string::npos) << text;
    EXPECT_EQ(std::ranges::count(text, '\n'), 0) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, ChangedFile, testing::ValuesIn(tiny_checkpoints()), [](const auto& tested) {
  std::string name = tested.param;
  std::ranges::replace(name, ':', '_');
  return name;
});

}  // namespace
}  // namespace specdec
