#include "core/stored_parts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/error.h"

namespace specdec {

StoredParts::StoredParts(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape,
                         std::string format)
    : file_(file), path_(path), shape_(shape.begin(), shape.end()), format_(std::move(format)) {}

Error StoredParts::error(const std::string& what) const {
  return Error("{}: '{}' is not {} as config.json means it ([{}]): {}", file_.directory().string(), path_, format_,
               fmt::join(shape_, ", "), what);
}

void StoredParts::expect_inputs_of(std::int64_t multiple) const {
  if (in() % multiple != 0) throw error(fmt::format("{} inputs are no multiple of {}", in(), multiple));
}

std::vector<std::int64_t> StoredParts::shape_ending(std::int64_t last) const {
  std::vector<std::int64_t> shape = shape_;
  shape.back() = last;
  return shape;
}

const StoredTensor& StoredParts::get(const std::string& suffix, std::initializer_list<DType> dtypes,
                                     std::span<const std::int64_t> shape) {
  const StoredTensor* tensor = file_.find(path_ + suffix);
  if (tensor == nullptr) throw error(fmt::format("'{}{}' is missing", path_, suffix));
  if (std::ranges::find(dtypes, tensor->dtype) == dtypes.end()) {
    std::vector<std::string_view> names;
    for (const DType dtype : dtypes) names.push_back(name_of(dtype));
    throw error(fmt::format("'{}' is {}, expected {}", suffix, name_of(tensor->dtype), fmt::join(names, " or ")));
  }
  if (!std::ranges::equal(tensor->shape, shape)) {
    throw error(fmt::format("'{}' has shape [{}], expected [{}]", suffix, fmt::join(tensor->shape, ", "),
                            fmt::join(shape, ", ")));
  }
  return *tensor;
}

const StoredTensor& StoredParts::get_scale(const std::string& suffix) {
  const StoredTensor* stored = file_.find(path_ + suffix);
  if (stored != nullptr && stored->elements() != 1) {
    throw error(fmt::format("'{}' has shape [{}], expected one number", suffix, fmt::join(stored->shape, ", ")));
  }
  const StoredTensor& tensor =
      get(suffix, {DType::f32}, stored != nullptr ? stored->shape : std::vector<std::int64_t>{});
  if (tensor.data == nullptr) return tensor;  // only planned
  float scale;
  std::memcpy(&scale, tensor.data, sizeof(scale));
  if (!std::isnormal(scale) || scale < 0) {
    throw error(fmt::format("'{}' is {}, expected a number above 0; the file is damaged", suffix, scale));
  }
  return tensor;
}

void StoredParts::ignore(std::initializer_list<const char*> suffixes) {
  for (const char* suffix : suffixes) file_.find(path_ + suffix);
}

void StoredParts::refuse(const std::string& suffix, const std::string& what) const {
  if (file_.has(path_ + suffix)) throw error(fmt::format("it has '{}': {} cannot be read yet", suffix, what));
}

Weight StoredParts::weight(const StoredTensor& values) const {
  Weight weight;
  weight.in = in();
  weight.out = std::accumulate(shape_.begin(), shape_.end() - 1, std::int64_t{1}, std::multiplies<>());
  weight.values = {values.data, static_cast<std::int64_t>(values.bytes) / weight.out};
  return weight;
}

StoredRows StoredParts::rows(const StoredTensor& tensor) const {
  return {tensor.data, tensor.shape.back() * static_cast<std::int64_t>(bytes_of(tensor.dtype))};
}

StoredRows StoredParts::shared(const StoredTensor& tensor) const {
  const std::int64_t out = std::accumulate(shape_.begin(), shape_.end() - 1, std::int64_t{1}, std::multiplies<>());
  return {tensor.data, static_cast<std::int64_t>(tensor.bytes), out};
}

}  // namespace specdec
