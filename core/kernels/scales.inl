// Scales and biases of groups of inputs. A level defines before it includes this what panels.inl asks for.
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

// The float of 8 bits (OCP FP8 E4M3) in the highest byte of each word: its exponent and mantissa moved to where those
// of an f32 are make a number that is 2^120 times smaller.
inline Floats e4m3_values(Ints words) {
  return multiply_add(as_floats(masked(shifted_signed<4>(words), 0x87f00000)), splat(0x1p120f), zeros());
}

inline std::int64_t bytes_of_scale(DType dtype) {
  if (dtype == DType::f32) return 4;
  return dtype == DType::f16 || dtype == DType::bf16 ? 2 : 1;
}

inline bool is_affine(const Panels& w) { return w.biased && w.super_group == 0 && bytes_of_scale(w.scale_dtype) > 1; }

// Reads the scales and biases of one group of a panel after another, those of the lanes from `first_lane` on. The most
// common ones:
class AffineScales {
 public:
  Floats scale = zeros(), bias = zeros();

  AffineScales(const Panels& w, int lane)
      : dtype(w.scale_dtype), bytes(kPanel * bytes_of_scale(dtype)), offset(lane * bytes_of_scale(dtype)) {}

  // `at`: where the group begins; returns where its codes begin.
  const std::byte* read(const std::byte* at) {
    scale = parameters(at + offset, dtype);
    bias = parameters(at + bytes + offset, dtype);
    return at + 2 * bytes;
  }

 private:
  const DType dtype;
  const std::int64_t bytes, offset;
};

// All others:
class GroupScales {
 public:
  Floats scale = zeros(), bias = zeros();

  GroupScales(const Panels& panels, int first_lane)
      : w(panels),
        lane(first_lane),
        bytes(kPanel * bytes_of_scale(panels.scale_dtype)),
        super_bytes(kPanel * bytes_of_scale(panels.super_dtype)) {}

  const std::byte* read(const std::byte* at) {
    if (w.super_group != 0) {
      if (left == 0) {
        super_scale = parameters(at + lane * super_bytes / kPanel, w.super_dtype);
        at += super_bytes;
        if (w.biased) {
          super_bias = parameters(at + lane * super_bytes / kPanel, w.super_dtype);
          at += super_bytes;
        }
        left = w.super_group;
      }
      left -= w.group;
    }
    scale = value(at, super_scale);
    at += bytes;
    if (w.biased) {
      bias = value(at, super_bias);
      at += bytes;
    } else {
      bias = multiply_add(scale, splat(-w.centre), zeros());
    }
    return at;
  }

 private:
  Floats value(const std::byte* at, Floats super) const {
    Floats small = zeros();
    if (w.scale_dtype == DType::f32 || w.scale_dtype == DType::f16 || w.scale_dtype == DType::bf16) {
      small = parameters(at + lane * bytes / kPanel, w.scale_dtype);
      if (w.super_group == 0) return small;
    } else {
      const Ints byte = byte_words(at + lane);
      if (w.scale_dtype == DType::u8) {
        small = plus(to_floats(byte), splat(-w.scale_centre));
      } else if (w.scale_dtype == DType::f8_e8m0) {
        small = as_floats(raised<23>(byte));  // 2^-127, too small for this, becomes zero
      } else {
        small = e4m3_values(raised<24>(byte));
      }
      small = multiply_add(small, splat(w.factor), zeros());
      if (w.super_group == 0) return small;
    }
    return multiply_add(small, super, zeros());
  }

  const Panels& w;
  const int lane;
  const std::int64_t bytes, super_bytes;
  std::int64_t left = 0;  // inputs of the super-group that are still to come
  Floats super_scale = zeros(), super_bias = zeros();
};

// NOLINTEND
