// Element types of stored tensors. No other include: the kernels' files see this.
#pragma once

namespace specdec {

enum class DType { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, f8_e8m0, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

}  // namespace specdec
