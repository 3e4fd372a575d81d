// What is guessed, and what became of it. A chain is a tree of width one; plain decoding is the anchor alone.
//   DraftTree tree(anchor, position);
//   const int first = tree.add(0, TokenId{7}, q);
//   tree.add(first, TokenId{9}, q_after_7);
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/distribution.h"
#include "core/error.h"
#include "core/types.h"

namespace specdec {

// q: the law that the token was drawn from, given its rejected elder siblings; none = it was certain. Forgetting q
// costs acceptance, never correctness; a wrong q is a bug. Whether a node is added must not depend on its own draw.
template <typename Scalar>
struct BasicNode {
  TokenId token;
  int parent;  // an earlier node; -1 for the anchor
  std::optional<BasicDistribution<Scalar>> q;
  // The drafter's own probability of the token after its parent, for shapes and policies only; 1 if nobody asked for
  // it.
  double confidence = 1;
  double entropy = 0;  // of the law that it comes from, given its elder siblings, in nats; 0 if nobody asked
  int depth = 0;       // of the anchor 0
};
using Node = BasicNode<double>;

// Node 0 is the anchor: the last final token, not yet seen by the target. Siblings are judged in the order of adding.
template <typename Scalar>
class BasicDraftTree {
 public:
  // position: of the anchor in the text, from 0.
  BasicDraftTree(TokenId anchor, int position) : position_(position) {
    nodes_.push_back({.token = anchor, .parent = -1, .q = {}});
  }

  // Hears of the token of every node that is added from here on, as soon as it is.
  void tell(std::function<void(TokenId)> listener) { listener_ = std::move(listener); }

  // Its number.
  int add(int parent, TokenId token, std::optional<BasicDistribution<Scalar>> q = {}, double confidence = 1,
          double entropy = 0) {
    SPECDEC_ASSERT(parent >= 0 && parent < size());
    const int depth = (*this)[parent].depth + 1;
    nodes_.push_back({token, parent, std::move(q), confidence, entropy, depth});
    depth_ = std::max(depth_, depth);
    if (listener_) listener_(token);
    return size() - 1;
  }

  const BasicNode<Scalar>& operator[](int node) const { return nodes_[static_cast<std::size_t>(node)]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  int guesses() const { return size() - 1; }
  int depth() const { return depth_; }  // of the longest guess
  int position(int node) const { return position_ + (*this)[node].depth; }
  std::vector<int> children(int node) const {
    std::vector<int> found;
    for (int other = node + 1; other < size(); ++other) {
      if ((*this)[other].parent == node) found.push_back(other);
    }
    return found;
  }
  bool has_children(int node) const {
    return std::any_of(nodes_.begin(), nodes_.end(), [node](const auto& other) { return other.parent == node; });
  }

 private:
  std::vector<BasicNode<Scalar>> nodes_;
  int position_;
  int depth_ = 0;
  std::function<void(TokenId)> listener_;
};
using DraftTree = BasicDraftTree<double>;

// path: the anchor and the accepted nodes below it, each the parent of the next; then one more token.
struct Verdict {
  std::vector<int> path;
  TokenId next;
  int accepted() const { return static_cast<int>(path.size()) - 1; }
};

}  // namespace specdec
