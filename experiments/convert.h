// A checkpoint written again in other formats, a few megabytes at a time.
//   const ConvertReport report = convert(source, directory, {.experts = "mxfp4", .rest = "affine8g64"}, engine);
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"

namespace specdec {

// Names of core/encode.h.
struct ConvertOptions {
  std::string experts, rest;                      // of the routed experts, and of all other matrices
  std::optional<std::string> router = {};         // as stored if not given
  bool replace = false;                           // a checkpoint that is there already
  std::int64_t most_shard_bytes = 4'000'000'000;  // of weights in one file, unless a single matrix is larger
};

// What a format makes of the matrices of one kind: what is read back, against what was read.
struct RoundTrip {
  std::string_view group;  // attention, dense, router, shared, routed, embedding, head or MTP
  std::string format;      // as it is written
  std::int64_t weights = 0, bytes = 0;
  double mean_error = 0;  // of its magnitude
  double rms_error = 0;   // in root mean squares of the weights
  double worst_error = 0;
};

struct ConvertReport {
  std::int64_t source_bytes = 0, bytes = 0;  // of weights
  std::int64_t tensors = 0;
  int files = 0;
  std::vector<RoundTrip> round_trips;
  std::vector<std::string> copied;    // files
  std::vector<std::string> left_out;  // tensors that no architecture uses
};

// Matrices become what the options say, or are copied if they are stored so; experts are stacked as switch_mlp, as MLX
// does; norms and biases are copied, with the files of tokenizer and generation. config.json says what is stored how,
// as mlx-lm does. Throws Error if `directory` exists, or the disk is too small, or a format does not fit a shape, or
// `interrupted` says so; nothing is left behind then.
ConvertReport convert(
    const std::filesystem::path& source, const std::filesystem::path& directory, const ConvertOptions& options,
    Engine& engine, const std::function<bool()>& interrupted = [] { return false; });

}  // namespace specdec
