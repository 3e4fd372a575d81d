// Views over float32 buffers that somebody else owns. Row-major.
#pragma once

#include <Eigen/Core>

namespace specdec {

using MatView = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

}  // namespace specdec
