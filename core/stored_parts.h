// How formats that store a map in several tensors look for them: `path` + suffix, of a dtype and a shape.
//   StoredParts parts(file, path, shape, "NVFP4");
//   const StoredTensor& scales = parts.get(".weight_scale", {DType::f8_e4m3}, {out, in / 16});
#pragma once

#include <initializer_list>
#include <span>
#include <string>

#include "core/error.h"
#include "core/weights.h"

namespace specdec {

class StoredParts {
 public:
  // `format` is for errors.
  StoredParts(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape, std::string format);

  std::int64_t in() const { return shape_.back(); }
  // Throws Error unless the number of inputs is a multiple of this.
  void expect_inputs_of(std::int64_t multiple) const;
  // What config.json means, with another last dimension.
  std::vector<std::int64_t> shape_ending(std::int64_t last) const;

  // A part that must be there. Throws Error if it is of another dtype or shape.
  const StoredTensor& get(const std::string& suffix, std::initializer_list<DType> dtypes,
                          std::span<const std::int64_t> shape);
  // A float32 above 0 that the whole map shares: a scalar, or a tensor of one.
  const StoredTensor& get_scale(const std::string& suffix);
  // Parts that are only for other ways to compute: used, if they are there.
  void ignore(std::initializer_list<const char*> suffixes);
  // Parts that this format's reader does not do.
  void refuse(const std::string& suffix, const std::string& what) const;

  // The map with its values, a byte row for each of its rows.
  Weight weight(const StoredTensor& values) const;
  // One byte row for each of the map's rows.
  StoredRows rows(const StoredTensor& tensor) const;
  // One for all of them.
  StoredRows shared(const StoredTensor& tensor) const;

  Error error(const std::string& what) const;

 private:
  WeightFile& file_;
  std::string path_;
  std::vector<std::int64_t> shape_;
  std::string format_;
};

}  // namespace specdec
