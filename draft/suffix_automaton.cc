#include "draft/suffix_automaton.h"

#include <algorithm>

#include "core/error.h"

namespace specdec {
namespace {

constexpr TokenId kEnd{-1};
constexpr int kNone = -1;

bool is_before(const std::pair<TokenId, int>& next, TokenId token) { return next.first < token; }

}  // namespace

SuffixAutomaton::SuffixAutomaton(int longest) : longest_(longest), states_(1) { SPECDEC_ASSERT(longest >= 1); }

int SuffixAutomaton::next(int state, TokenId token) const {
  const auto& all = at(state).next;
  const auto found = std::lower_bound(all.begin(), all.end(), token, is_before);
  return found != all.end() && found->first == token ? found->second : kNone;
}

void SuffixAutomaton::lead(int state, TokenId token, int next) {
  auto& all = at(state).next;
  const auto place = std::lower_bound(all.begin(), all.end(), token, is_before);
  if (place != all.end() && place->first == token) {
    place->second = next;
  } else {
    all.emplace(place, token, next);
  }
}

// The contexts of `state` that are `from` with `token` after it, and shorter ones, get a state of their own.
int SuffixAutomaton::split(int state, int from, TokenId token) {
  const int part = static_cast<int>(states_.size());
  states_.push_back(at(state));
  at(part).longest = at(from).longest + 1;
  at(state).link = part;
  for (; from >= 0 && next(from, token) == state; from = at(from).link) lead(from, token, part);
  return part;
}

void SuffixAutomaton::add(TokenId token) {
  const int whole = static_cast<int>(states_.size());
  states_.push_back({.longest = at(whole_).longest + 1});
  int from = whole_;
  for (; from >= 0 && next(from, token) == kNone; from = at(from).link) lead(from, token, whole);
  int link = 0;
  if (from >= 0) {
    link = next(from, token);
    if (at(link).longest > at(from).longest + 1) link = split(link, from, token);
  }
  at(whole).link = link;
  whole_ = whole;

  counted_ = cut({next(counted_.state, token), counted_.length + 1}, longest_ + 1);
  for (int state = counted_.state; state > 0; state = at(state).link) {
    ++at(state).count;
    at(state).last = size_;
  }
  ++size_;
}

void SuffixAutomaton::add_end() { add(kEnd); }

SuffixAutomaton::Context SuffixAutomaton::cut(Context context, int length) const {
  context.length = std::min(context.length, length);
  while (context.state > 0 && at(at(context.state).link).longest >= context.length) {
    context.state = at(context.state).link;
  }
  return context;
}

SuffixAutomaton::Context SuffixAutomaton::longest_match() const {
  if (size_ == 0) return {};
  return counted_.state == whole_ ? shorter(counted_) : cut(counted_, longest_);
}

SuffixAutomaton::Context SuffixAutomaton::shorter(const Context& context) const {
  if (context.state == 0) return {};
  const int link = at(context.state).link;
  return {link, at(link).longest};
}

SuffixAutomaton::Followers SuffixAutomaton::followers(const Context& context) const {
  Followers followers;
  followers.different = static_cast<int>(at(context.state).next.size());
  for (const auto& [token, state] : at(context.state).next) {
    followers.total += at(state).count;
    if (token == kEnd) continue;
    followers.tokens.push_back({token, at(state).count, cut({state, context.length + 1}, longest_)});
  }
  const auto last = [&](const Follower& follower) { return at(follower.context.state).last; };
  std::ranges::sort(followers.tokens, [&](const Follower& a, const Follower& b) {
    return a.count != b.count ? a.count > b.count : last(a) > last(b);
  });
  return followers;
}

}  // namespace specdec
