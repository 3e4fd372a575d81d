// Random checkpoints of a few kilobytes, written to a temporary directory: one for every architecture and some layouts.
//   const TinyCheckpoint tiny("glm4_moe");
//   auto model = load_model(tiny.directory(), engine);
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

class TinyCheckpoint {
 public:
  // name: one of tiny_checkpoints().
  explicit TinyCheckpoint(std::string_view name);
  ~TinyCheckpoint();
  TinyCheckpoint(const TinyCheckpoint&) = delete;
  TinyCheckpoint& operator=(const TinyCheckpoint&) = delete;
  const std::filesystem::path& directory() const { return directory_; }
  int intermediate() const {
    return intermediate_;
  }  // width of a dense layer: at least one block of the format; 0: copied

 private:
  std::filesystem::path directory_;
  int intermediate_;
};

// Every architecture in float32, what else of tests/data/models computes in its own way, and glm4_moe in every other
// weight format: "glm4_moe:affine".
std::vector<std::string> tiny_checkpoints();

inline constexpr int kTinyVocab = 96;

}  // namespace specdec
