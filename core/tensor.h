// Views over float32 buffers that somebody else owns. Row-major.
#pragma once

#include <Eigen/Core>
#include <span>

namespace specdec {

using MatView = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

inline std::span<const float> row_span(const MatView& matrix, Eigen::Index row) {
  return {matrix.data() + row * matrix.cols(), static_cast<std::size_t>(matrix.cols())};
}

}  // namespace specdec
