#include "core/checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/temporary_directory.h"

namespace specdec {
namespace {

TEST(CheckpointKinds, ThePathDecides) {
  const TemporaryDirectory directory;
  EXPECT_EQ(checkpoint_kind(directory.path()).name, "safetensors");
  EXPECT_EQ(checkpoint_kind("absent").name, "safetensors");
  EXPECT_EQ(checkpoint_kind("absent.gguf").name, "gguf");
  directory.write("model.gguf", "");
  EXPECT_EQ(checkpoint_kind(directory.path()).name, "gguf");
  directory.write("model.safetensors", "");
  EXPECT_EQ(checkpoint_kind(directory.path()).name, "safetensors");
}

}  // namespace
}  // namespace specdec
