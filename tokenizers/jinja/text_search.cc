#include "tokenizers/jinja/text_search.h"

#include <algorithm>

namespace specdec::jinja {
namespace {

// Sixteenths of a step: about what comparing a byte costs.
class Comparisons {
 public:
  explicit Comparisons(Work& work) : work_(work) {}

  void add(std::size_t bytes) {
    constexpr std::size_t kSpentTogether = 4096;
    bytes_ += bytes;
    if (bytes_ >= kSpentTogether) spend();
  }
  void spend() {
    work_.spend(bytes_ / 16 + 1);
    bytes_ = 0;
  }

 private:
  Work& work_;
  std::size_t bytes_ = 0;
};

// Whether it begins there: adds what that took to tell.
bool begins(std::string_view text, std::string_view wanted, Comparisons& comparisons) {
  constexpr std::size_t kCandidate = 8;
  const auto differs = std::ranges::mismatch(wanted, text).in1;
  comparisons.add(kCandidate + static_cast<std::size_t>(differs - wanted.begin()));
  return differs == wanted.end();
}

}  // namespace

std::size_t find_text(std::string_view text, std::string_view wanted, Work& work) {
  Comparisons comparisons(work);
  std::size_t at = wanted.empty() ? 0 : text.find(wanted.front()), before = 0;
  for (; at != text.npos && !wanted.empty(); at = text.find(wanted.front(), at + 1)) {
    comparisons.add((at - before) / 4);
    before = at;
    if (text.size() - at < wanted.size()) {
      at = text.npos;
      break;
    }
    if (begins(text.substr(at), wanted, comparisons)) break;
  }
  comparisons.add(((at == text.npos ? text.size() : at) - before) / 4);
  comparisons.spend();
  return at;
}

std::size_t find_last_text(std::string_view text, std::string_view wanted, Work& work) {
  Comparisons comparisons(work);
  std::size_t found = text.npos;
  if (wanted.size() <= text.size()) {
    for (std::size_t at = text.size() - wanted.size() + 1; at-- > 0 && found == text.npos;) {
      const bool may_begin = wanted.empty() || text[at] == wanted.front();
      comparisons.add(1);
      if (may_begin && begins(text.substr(at), wanted, comparisons)) found = at;
    }
  }
  comparisons.spend();
  return found;
}

}  // namespace specdec::jinja
