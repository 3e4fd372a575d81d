// Random checkpoints of true shapes: for measuring passes of a model whose weights nobody has, or wants to fetch.
//   const SynthReport report = synthesise({.like = "config.json", .rest = "affine4g64"}, "/tmp/model", engine);
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/engine.h"

namespace specdec {

struct SynthOptions {
  std::filesystem::path like;  // the config.json of the model
  int layers = 0;              // 0 = as many as it has
  // 0: no MTP layer; 1: one, also where config.json is silent though checkpoints have one (Qwen3-Next); none: as
  // config.json says, but at most the one that is chained.
  std::optional<int> mtp = {};
  // Names of core/encode.h: of the routed experts, and of all other matrices. An affine code is symmetric,
  // w = scale (code - 2^(bits-1)), so that formats without a bias can hold the same weight.
  std::string experts = "affine4g64", rest = "affine4g64";
  std::uint64_t seed = 1;  // the same bytes for the same seed, whatever the machine and its threads
  std::int64_t most_shard_bytes = 4'000'000'000;  // of weights in one file, unless a single tensor is larger
};

struct SynthReport {
  std::int64_t bytes = 0;  // of weights
  std::int64_t tensors = 0;
  int files = 0;
  int layers = 0;
  std::int64_t mtp_bytes = 0;  // of them; 0: no MTP layer
};

// Writes config.json and the weights of every tensor that the architecture asks for, with the MTP layer's. Holds no
// more than 32 MiB of them at a time. Throws Error if `directory` exists, the disk is too small, or a format does not
// fit a shape; nothing is left behind then.
SynthReport synthesise(const SynthOptions& options, const std::filesystem::path& directory, Engine& engine);

// How evenly a random model routes: distinct experts of a layer over a pass of so many rows of random tokens, the mean
// of its layers. 0 for a dense model. Throws Error if a logit is not finite.
double mean_union(const std::filesystem::path& directory, int rows, std::uint64_t seed, Engine& engine);

}  // namespace specdec
