// Prompt lookup (Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding): the last tokens stood in the text before,
// so what followed them then is guessed now. The longest match goes first, of equals the most recent.
#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "draft/options.h"
#include "draft/text_drafter.h"

namespace specdec {
namespace {

// Where the runs of `least` to `most` tokens that end the text stood before.
class NgramIndex {
 public:
  NgramIndex(int least, int most)
      : least_(least), most_(most), lengths_(static_cast<std::size_t>(most - least) + 1), ends_(lengths_, kNone) {}

  void add(TokenId token) {
    for (std::size_t n = 0; n < lengths_; ++n) {
      if (ends_[n] == kNone) {
        before_.push_back(kNowhere);
        continue;
      }
      const auto at = latest_.try_emplace(ends_[n], kNowhere).first;
      before_.push_back(at->second);
      at->second = static_cast<int>(text_.size());
    }
    text_.push_back(token);
    std::uint64_t hash = kNone;
    for (int n = 1; n <= most_; ++n) {
      const bool fits = static_cast<std::size_t>(n) <= text_.size();
      if (fits) hash = hash_with(hash, *(text_.end() - n));
      if (n >= least_) ends_[static_cast<std::size_t>(n - least_)] = fits ? hash : kNone;
    }
  }

  // Positions right after earlier ones, each followed by another token than those before it in the list: at most
  // `count`, the longest matches first, of equals the latest first.
  std::vector<int> after_matches(int count) const {
    std::vector<int> found;
    for (std::size_t n = lengths_; n-- > 0;) {
      const auto latest = latest_.find(ends_[n]);
      if (ends_[n] == kNone || latest == latest_.end()) continue;
      int at = latest->second;
      for (int looked = 0; at != kNowhere && looked < kMostLooked; ++looked) {
        const auto same = [&](int other) { return token(other) == token(at); };
        if (is_match(at, least_ + static_cast<int>(n)) && std::ranges::none_of(found, same)) found.push_back(at);
        if (static_cast<int>(found.size()) == count) return found;
        at = before_[static_cast<std::size_t>(at) * lengths_ + n];
      }
    }
    return found;
  }

  TokenId token(int position) const { return text_[static_cast<std::size_t>(position)]; }
  int size() const { return static_cast<int>(text_.size()); }

 private:
  static constexpr std::uint64_t kNone = 0;
  static constexpr int kNowhere = -1;
  static constexpr int kMostLooked = 64;  // matches of one length: bounds a step in a text of few words

  static std::uint64_t hash_with(std::uint64_t hash, TokenId token) {
    return Rng(hash).bits(static_cast<std::uint64_t>(index(token))) | 1;
  }
  bool is_match(int after, int length) const {  // hashes may collide
    return after >= length && std::equal(text_.end() - length, text_.end(), text_.begin() + after - length);
  }

  int least_, most_;
  std::size_t lengths_;
  std::vector<TokenId> text_;
  std::vector<std::uint64_t> ends_;                // of each length: the hash of what ends the text
  std::unordered_map<std::uint64_t, int> latest_;  // where a run was last followed by a token
  std::vector<int> before_;                        // (text, lengths): where the run before that token was so before
};

class Ngram : public TextDrafter {
 public:
  Ngram(int least, int most) : index_(least, most) {}

 private:
  void add(TokenId token) override { index_.add(token); }

  void guess(DraftTree& tree, const Budget& budget) override {
    for (const int from : index_.after_matches(budget.width)) {
      std::vector<TokenId> branch;
      for (int node = 0; may_extend(tree, node, budget);) {
        const int at = from + static_cast<int>(branch.size());
        // A match that reaches the end of the text is a loop, and goes on with what is guessed.
        branch.push_back(at < index_.size() ? index_.token(at) : branch[static_cast<std::size_t>(at - index_.size())]);
        node = tree.add(node, branch.back());
      }
    }
  }

  NgramIndex index_;
};

}  // namespace

DrafterKind drafter_ngram() {
  return {"ngram", "copies what followed the last tokens where they stood before: ngram,max=3,min=1", false,
          [](const DrafterContext& context) {
            Options options(context.options, "drafter ngram");
            constexpr int kLongest = 64;
            const int most = options.integer("max", 3, 1, kLongest);
            const int least = options.integer("min", 1, 1, kLongest);
            options.refuse_unknown(context.elsewhere);
            if (least > most) {
              throw UsageError("drafter ngram: min={} is more than max={}; expected min to be at most max", least,
                               most);
            }
            return std::unique_ptr<Drafter>(std::make_unique<Ngram>(least, most));
          }};
}

}  // namespace specdec
