// RMSNorm (Zhang and Sennrich, arXiv 1910.07467).
#pragma once

#include <string>
#include <vector>

#include "core/engine.h"
#include "core/weights.h"

namespace specdec {

// What rows are multiplied by; zero_centred: the file stores that less one (Gemma, Qwen3-Next).
std::vector<float> load_norm(WeightFile& file, const std::string& name, std::int64_t size, bool zero_centred = false);

// out (rows, size of w) = x / rms(x) * w, row by row; out may be x.
void norm_rows(const Engine& engine, const float* x, std::int64_t rows, const std::vector<float>& w, float eps,
               float* out);

}  // namespace specdec
