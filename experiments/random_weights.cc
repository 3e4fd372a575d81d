#include "experiments/random_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/files/checkpoint_writer.h"
#include "core/rng.h"

namespace specdec {
namespace {

constexpr DType kScaleType = DType::bf16;

// The exponent of floats() whose root mean square is about `rms`.
int exponent_of(double rms) { return static_cast<int>(std::lround(std::log2(rms / std::sqrt(7.0 / 3.0)))); }

// The root mean square of random codes, in scales: of affine codes of so many bits; of E4M3 numbers of one binade; of
// 0, 0.5, 1, 1.5, 2, 3, 4, 6.
double rms_of_codes(const Encoding& encoding) {
  if (encoding.mode == "affine") return std::exp2(encoding.bits) / std::sqrt(12.0);
  constexpr double kE2m1 = 2.926;
  return encoding.bits == 8 ? std::sqrt(7.0 / 3.0) : kE2m1;
}

}  // namespace

// Random floats of one binade, 2^exponent and up, with so many random bits of mantissa.
RandomWeights::Pattern RandomWeights::floats(DType dtype, int exponent, Sign sign, int mantissa_bits) {
  const int width = static_cast<int>(bytes_of(dtype)) * 8;
  const int mantissa = dtype == DType::f32 ? 23 : dtype == DType::f16 ? 10 : 7;
  const int bias = (1 << (width - mantissa - 2)) - 1;
  const std::uint64_t sign_bit = std::uint64_t{1} << (width - 1);
  const std::uint64_t kept = std::min(mantissa_bits, mantissa);
  const std::uint64_t biased = static_cast<std::uint64_t>(std::max(1, exponent + bias));
  std::uint64_t keep = ((std::uint64_t{1} << kept) - 1) | (sign == Sign::plus ? 0 : sign_bit);
  std::uint64_t flip = (biased << mantissa) | (sign == Sign::opposite ? sign_bit : 0);
  for (int filled = width; filled < 64; filled *= 2) {
    keep |= keep << filled;
    flip |= flip << filled;
  }
  return {keep, flip};
}

// E2M1 takes every bit; of E4M3, numbers of one binade, since some others are NaN.
RandomWeights::Pattern RandomWeights::code_bits(const Encoding& encoding) {
  if (encoding.mode == "affine" || encoding.bits != 8) return {};
  return {0x8787878787878787, 0x3838383838383838};
}

// The same byte everywhere: a power of two as E8M0, or as E4M3 if its groups are those of NVFP4.
RandomWeights::Pattern RandomWeights::scale_bytes(const Encoding& encoding, int exponent) {
  constexpr std::uint64_t kEachByte = 0x0101010101010101;
  const auto e8m0 = static_cast<std::uint64_t>(exponent + 127);
  const std::uint64_t e4m3 =
      exponent >= -6 ? static_cast<std::uint64_t>(exponent + 7) << 3 : std::uint64_t{1} << std::max(0, exponent + 9);
  return {0, kEachByte * (encoding.mode == "nvfp4" ? e4m3 : e8m0)};
}

RandomWeights::Pattern RandomWeights::pattern_of(const Encoding& encoding, const EncodedPart& part, double rms) {
  if (!encoding.quantised()) return floats(part.dtype, exponent_of(rms), Sign::random);
  if (part.suffix == ".weight") return code_bits(encoding);
  const double of_codes = rms_of_codes(encoding);
  if (part.dtype == DType::u8) return scale_bytes(encoding, static_cast<int>(std::lround(std::log2(rms / of_codes))));
  const int exponent = exponent_of(rms / of_codes);
  if (part.suffix == ".scales") return floats(part.dtype, exponent, Sign::random);
  return floats(part.dtype, exponent + encoding.bits - 1, Sign::opposite);
}

bool RandomWeights::has_prefix(std::string_view prefix) const {
  if (prefix.ends_with(".switch_mlp.")) return experts_.quantised();
  return std::ranges::any_of(extras_, [&](const std::string& name) { return name.starts_with(prefix); });
}

std::vector<StoredTensor> RandomWeights::linear(const std::string& path, std::span<const std::int64_t> shape) {
  const Encoding& encoding = encoding_of(path);
  encoding.expect_groups(fmt::format("'{}'", path), shape.back());
  // Products keep the size of normalised inputs. The embedding is larger than what the layers add to it: else
  // attention makes all rows of a text alike, and they choose the same experts.
  constexpr double kEmbedding = 32;
  const double rms = path.ends_with("embed_tokens") ? kEmbedding : 1 / std::sqrt(static_cast<double>(shape.back()));
  const std::size_t first = tensors_.size();
  matrices_.push_back({path, &encoding});
  const std::uint64_t stream_of_scales = fillings_.size() + 1;
  for (const EncodedPart& part : encoding.parts(encoding, shape.back(), kScaleType)) {
    std::vector<std::int64_t> sizes(shape.begin(), shape.end());
    sizes.back() = part.elements;
    add(path + std::string(part.suffix), part.dtype, std::move(sizes), pattern_of(encoding, part, rms));
    if (part.suffix == ".biases") fillings_.back().stream = stream_of_scales;
  }
  return {tensors_.begin() + static_cast<std::ptrdiff_t>(first), tensors_.end()};
}

StoredTensor RandomWeights::vector(const std::string& name, std::span<const std::int64_t> shape) {
  const DType dtype = rest_.quantised() ? kScaleType : rest_.parts(rest_, 1, kScaleType).front().dtype;
  const bool bias = name.ends_with("bias");
  add(name, dtype, {shape.begin(), shape.end()},
      bias ? floats(dtype, -7, Sign::random) : floats(dtype, 0, Sign::plus, 4));
  return tensors_.back();
}

const Encoding& RandomWeights::encoding_of(std::string_view path) const {
  const bool expert = path.find(".switch_mlp.") != path.npos || path.find(".experts.") != path.npos;
  return expert ? experts_ : rest_;
}

void RandomWeights::add(std::string name, DType dtype, std::vector<std::int64_t> shape, const Pattern& pattern) {
  std::size_t bytes = bytes_of(dtype);
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  fillings_.push_back({pattern, fillings_.size()});
  tensors_.push_back({std::move(name), dtype, std::move(shape), nullptr, bytes});
}

std::int64_t RandomWeights::bytes() const {
  std::int64_t all = 0;
  for (const StoredTensor& tensor : tensors_) all += static_cast<std::int64_t>(tensor.bytes);
  return all;
}

class RandomWeights::Writer {
 public:
  Writer(const RandomWeights& weights, std::uint64_t seed, Pool& pool) : weights_(weights), rng_(seed), pool_(pool) {}

  void write(SafetensorsWriter& writer) {
    for (const StoredTensor* tensor : writer.order()) {
      const Filling& filling = weights_.filling(*tensor);
      for (std::size_t done = 0; done < tensor->bytes; done += kPiece * kWord) {
        const std::size_t bytes = std::min(tensor->bytes - done, kPiece * kWord);
        fill(filling, done / kWord, (bytes + kWord - 1) / kWord);
        writer.write(std::as_bytes(std::span(words_)).first(bytes));
      }
    }
  }

 private:
  static constexpr std::size_t kWord = sizeof(std::uint64_t);
  static constexpr std::size_t kPiece = std::size_t{4} << 20;    // words generated before they are written
  static constexpr std::size_t kOfTask = std::size_t{64} << 10;  // of them, by one thread at a time

  void fill(const Filling& filling, std::size_t first, std::size_t count) {
    words_.resize(kPiece);
    const Rng rng = rng_.fork(filling.stream);
    pool_.for_each(static_cast<std::int64_t>((count + kOfTask - 1) / kOfTask), [&](std::int64_t task) {
      const std::size_t begin = static_cast<std::size_t>(task) * kOfTask;
      for (std::size_t i = begin; i < std::min(begin + kOfTask, count); ++i) {
        words_[i] = (rng.bits(first + i) & filling.pattern.keep) ^ filling.pattern.flip;
      }
    });
  }

  const RandomWeights& weights_;
  Rng rng_;
  Pool& pool_;
  std::vector<std::uint64_t> words_;
};

int RandomWeights::write(const std::filesystem::path& directory, std::uint64_t seed, std::int64_t most_shard_bytes,
                         Pool& pool) const {
  Writer random(*this, seed, pool);
  return write_weights(directory, tensors_, most_shard_bytes,
                       [&](SafetensorsWriter& writer, auto) { random.write(writer); });
}

}  // namespace specdec
