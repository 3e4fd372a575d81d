#include "tokenizers/vocabulary.h"

#include <utility>

#include "core/error.h"

namespace specdec {

bool Vocabulary::holds(TokenId token) const {
  return index(token) >= 0 && index(token) < size() && (*this)[token].kind != PieceKind::hole;
}

void Vocabulary::set(TokenId token, Piece piece) {
  SPECDEC_ASSERT(index(token) >= 0 && index(token) < kMaxSize);
  const auto id = static_cast<std::size_t>(index(token));
  if (id >= pieces_.size()) pieces_.resize(id + 1);
  pieces_[id] = std::move(piece);
}

}  // namespace specdec
