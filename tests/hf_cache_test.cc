#include "core/files/hf_cache.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "tests/error_line.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// Every test starts with an empty cache directory and no other variable of the hub set.
class HfCache : public testing::Test {
 protected:
  HfCache() {
    for (const char* variable : {"HF_HOME", "XDG_CACHE_HOME"}) ::unsetenv(variable);
    ::setenv("HF_HUB_CACHE", cache().c_str(), 1);
    ::setenv("HOME", directory_.path().c_str(), 1);
    fs::create_directories(cache());
  }

  fs::path cache() const { return directory_.path() / "hub"; }
  fs::path add_snapshot(const std::string& repository, const std::string& revision) const {
    return directory_.write("hub/" + repository + "/snapshots/" + revision + "/config.json", "{}").parent_path();
  }
  void set_main(const std::string& repository, std::string_view text) const {
    directory_.write("hub/" + repository + "/refs/main", text);
  }

  TemporaryDirectory directory_;
};

TEST_F(HfCache, TheFirstVariableThatIsSetDecides) {
  ::setenv("HF_HUB_CACHE", "/a", 1);
  ::setenv("HF_HOME", "/b", 1);
  ::setenv("XDG_CACHE_HOME", "/c", 1);
  ::setenv("HOME", "/d", 1);
  EXPECT_EQ(hf_cache_directory(), "/a");
  ::setenv("HF_HUB_CACHE", "", 1);
  EXPECT_EQ(hf_cache_directory(), "/b/hub");
  ::setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(hf_cache_directory(), "/d/hf/hub");
  ::unsetenv("HF_HOME");
  EXPECT_EQ(hf_cache_directory(), "/c/huggingface/hub");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(hf_cache_directory(), "/d/.cache/huggingface/hub");
}

TEST_F(HfCache, ListsTheSnapshotOfEachModel) {
  const fs::path named = add_snapshot("models--org--na-me.1", "rev");
  const fs::path old = add_snapshot("models--gpt2", "0abc");
  add_snapshot("datasets--org--name", "rev");
  fs::create_directories(cache() / "models--org--partial/blobs");
  directory_.write("hub/version.txt", "1");
  const std::vector<LocalModel> models = cached_models();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].id, "gpt2");
  EXPECT_EQ(models[0].directory, old);
  EXPECT_EQ(models[1].id, "org/na-me.1");
  EXPECT_EQ(models[1].directory, named);
  fs::remove_all(cache());
  EXPECT_TRUE(cached_models().empty());
}

TEST_F(HfCache, MainDecidesBetweenSnapshotsElseTheNewest) {
  const std::string repository = "models--org--name";
  const fs::path a = add_snapshot(repository, "aaa");
  const fs::path b = add_snapshot(repository, "bbb");
  const auto now = fs::last_write_time(a);
  fs::last_write_time(a, now);
  fs::last_write_time(b, now - std::chrono::hours(1));
  EXPECT_EQ(resolve_model("org/name"), a);
  fs::last_write_time(b, now + std::chrono::hours(1));
  EXPECT_EQ(resolve_model("org/name"), b);
  set_main(repository, "aaa\n");
  EXPECT_EQ(resolve_model("org/name"), a);
  for (const std::string_view odd : {"gone", "", "\n", "..", ".", "../../escape", "/etc"}) {
    set_main(repository, odd);
    EXPECT_EQ(resolve_model("org/name"), b) << odd;
  }
}

TEST_F(HfCache, ResolvesDirectoriesBeforeNames) {
  EXPECT_EQ(resolve_model(directory_.path().string()), directory_.path());
  const fs::path snapshot = add_snapshot("models--gpt2", "rev");
  EXPECT_EQ(resolve_model("gpt2"), snapshot);
}

TEST_F(HfCache, SaysWhatWasTriedAndWhatThereIs) {
  add_snapshot("models--org--name", "rev");
  expect_error([] { resolve_model("org/nmae"); }, {"'org/nmae'", "org/name", cache().string(), "not shipped"});
  expect_error([] { resolve_model("../escape"); }, {"'../escape'"});
  expect_error([] { resolve_model(""); }, {"empty"});
  EXPECT_EQ(resolve_model(directory_.write("model.gguf", "x")).filename(), "model.gguf");
  expect_error([&] { resolve_model(directory_.write("model.bin", "x")); }, {"model.bin", "is a file", "directory"});
  fs::create_directories(cache() / "models--org--partial/blobs");
  expect_error([] { resolve_model("org/partial"); }, {"org/partial", "no snapshot", "hf download org/partial"});
}

TEST_F(HfCache, FindsTheModelsThatBelongToAProgram) {
  const fs::path program = directory_.write("tree/build/release/specdec", "");
  EXPECT_EQ(shipped_models_directory(program), fs::path());
  fs::create_directories(directory_.path() / "tree/models/recipe");
  EXPECT_EQ(shipped_models_directory(program), fs::path());
  directory_.write("tree/models/demo/config.json", "{}");
  EXPECT_EQ(shipped_models_directory(program), directory_.path() / "tree/models");
  fs::create_symlink(program, directory_.path() / "link");
  EXPECT_EQ(shipped_models_directory(directory_.path() / "link"), directory_.path() / "tree/models");

  const fs::path installed = directory_.write("usr/bin/specdec", "");
  directory_.write("usr/share/specdec/models/demo/config.json", "{}");
  EXPECT_EQ(shipped_models_directory(installed), directory_.path() / "usr/share/specdec/models");
}

TEST_F(HfCache, ShippedModelsAreThoseWithAConfig) {
  for (const LocalModel& model : shipped_models()) {
    EXPECT_TRUE(fs::exists(model.directory / "config.json")) << model.id;
    EXPECT_EQ(resolve_model(model.id), model.directory);
  }
}

}  // namespace
}  // namespace specdec
