// What each id of a tokenizer stands for.
#pragma once

#include <string>
#include <vector>

#include "core/types.h"

namespace specdec {

enum class PieceKind : unsigned char {
  hole,     // no piece has this id
  text,     // made from text
  byte,     // one byte of a character that has no piece of its own
  special,  // never made from plain text: <|endoftext|>, <s>
  unknown,  // stands for what the tokenizer cannot write
};

struct Piece {
  std::string bytes;  // what it decodes to; a special piece: its name
  PieceKind kind = PieceKind::hole;
  bool added = false;  // listed as an added token, found in the text before all else
};

class Vocabulary {
 public:
  // No published tokenizer has a million pieces; an id beyond this is a broken file.
  static constexpr int kMaxSize = 1 << 22;

  int size() const { return static_cast<int>(pieces_.size()); }  // the highest id + 1
  bool holds(TokenId token) const;                               // in range and not a hole
  const Piece& operator[](TokenId token) const { return pieces_[static_cast<std::size_t>(index(token))]; }

  void set(TokenId token, Piece piece);  // 0 <= token < kMaxSize

 private:
  std::vector<Piece> pieces_;
};

}  // namespace specdec
