// Memory that the blocks of a pass work in, one piece of each type that is asked for, which stays from pass to pass.
// Whoever needs some declares its own type, with bytes().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace specdec {

class Scratch {
 public:
  template <typename T>
  T& of() {
    for (const std::unique_ptr<Piece>& piece : pieces_) {
      if (piece->type == &kType<T>) return static_cast<PieceOf<T>&>(*piece).value;
    }
    pieces_.push_back(std::make_unique<PieceOf<T>>());
    pieces_.back()->type = &kType<T>;
    return static_cast<PieceOf<T>&>(*pieces_.back()).value;
  }

  std::int64_t bytes() const {
    std::int64_t bytes = 0;
    for (const std::unique_ptr<Piece>& piece : pieces_) bytes += piece->bytes();
    return bytes;
  }

 private:
  struct Piece {
    virtual ~Piece() = default;
    virtual std::int64_t bytes() const = 0;
    const void* type = nullptr;
  };
  template <typename T>
  struct PieceOf : Piece {
    T value;
    std::int64_t bytes() const override { return value.bytes(); }
  };
  template <typename T>
  static inline char kType = 0;  // its address is the type's

  std::vector<std::unique_ptr<Piece>> pieces_;
};

}  // namespace specdec
