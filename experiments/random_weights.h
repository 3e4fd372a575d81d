// Random weights of true shapes: learns which tensors a loader asks for, then writes them.
//   RandomWeights random(find_encoding("mxfp4"), find_encoding("bf16"), {"model.layers.4.enorm.weight"});
//   architecture.load(config, WeightFile(directory, random), info, engine);
//   random.write(directory, seed, most_shard_bytes, pool);
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/encode.h"
#include "core/pool.h"
#include "core/weights.h"
#include "experiments/quantization_block.h"

namespace specdec {

class RandomWeights : public WeightPlan {
 public:
  // Formats of the routed experts, and of all other matrices. `extras`: names of tensors that may be left out, but are
  // not.
  RandomWeights(const Encoding& experts, const Encoding& rest, std::vector<std::string> extras = {})
      : experts_(experts), rest_(rest), extras_(std::move(extras)) {}

  // Experts stacked as MLX does it, if they are in a format of MLX; one by one otherwise. Everything else that may be
  // left out is, but the extras.
  bool has_prefix(std::string_view prefix) const override;
  std::vector<StoredTensor> linear(const std::string& path, std::span<const std::int64_t> shape) override;
  StoredTensor vector(const std::string& name, std::span<const std::int64_t> shape) override;

  std::span<const StoredTensor> tensors() const { return tensors_; }  // as asked for
  std::span<const WrittenMatrix> matrices() const { return matrices_; }
  std::int64_t bytes() const;

  // The same bytes for the same seed, whatever the machine and its threads. Holds no more than 32 MiB of them at a
  // time. Returns the number of files.
  int write(const std::filesystem::path& directory, std::uint64_t seed, std::int64_t most_shard_bytes,
            Pool& pool) const;

 private:
  // A random word of a tensor is (bits & keep) ^ flip.
  struct Pattern {
    std::uint64_t keep = ~std::uint64_t{0}, flip = 0;
  };
  struct Filling {
    Pattern pattern;
    std::uint64_t stream = 0;  // of the seed
  };
  enum class Sign { random, plus, opposite };  // opposite: of the tensor that the same numbers made with Sign::random
  class Writer;

  static Pattern floats(DType dtype, int exponent, Sign sign, int mantissa_bits = 52);
  static Pattern code_bits(const Encoding& encoding);
  static Pattern scale_bytes(const Encoding& encoding, int exponent);
  static Pattern pattern_of(const Encoding& encoding, const EncodedPart& part, double rms);
  const Encoding& encoding_of(std::string_view path) const;
  void add(std::string name, DType dtype, std::vector<std::int64_t> shape, const Pattern& pattern);
  const Filling& filling(const StoredTensor& tensor) const {
    return fillings_[static_cast<std::size_t>(&tensor - tensors_.data())];
  }

  const Encoding& experts_;
  const Encoding& rest_;
  std::vector<std::string> extras_;
  std::vector<StoredTensor> tensors_;
  std::vector<Filling> fillings_;  // of the same
  std::vector<WrittenMatrix> matrices_;
};

}  // namespace specdec
