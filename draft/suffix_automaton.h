// What followed the last tokens wherever they stood before: the suffix automaton of a text that grows at its end
// (Blumer et al. 1985), with how often each of its contexts occurred.
//   SuffixAutomaton automaton(64);
//   for (const TokenId token : text) automaton.add(token);
//   for (const auto& next : automaton.followers(automaton.longest_match())) use(next.token, next.count);
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "core/types.h"

namespace specdec {

// Memory grows by at most two states for every token. One more token takes constant time, amortised, to find its place
// (with as many steps more as there are digits in the number of different tokens after a context), and at most
// `longest` + 1 steps to be counted.
class SuffixAutomaton {
 public:
  // Contexts of more than `longest` tokens are not told apart: what precedes the last `longest` is ignored.
  explicit SuffixAutomaton(int longest);

  void add(TokenId token);
  void add_end();  // of a document: nothing follows it, and no context goes on after it

  // Some tokens in a row that stand in the text.
  struct Context {
    int state = 0;
    int length = 0;
  };
  // The most tokens at the end of the text, up to `longest`, that stood in it before; they may overlap. Length 0: none.
  Context longest_match() const;

  struct Follower {
    TokenId token;
    int count;  // of the context with this token after it
    Context context;
  };
  struct Followers {
    std::vector<Follower> tokens;  // the most frequent first, of equals the one seen last
    int total = 0;                 // times that something followed: one of these, or the end of a document
    int different = 0;             // things that followed: these, and perhaps the end
  };
  Followers followers(const Context& context) const;

  // The next context to ask, without some of the first tokens, that was followed by other tokens as well or more often.
  Context shorter(const Context& context) const;

  std::size_t states() const { return states_.size(); }

 private:
  struct State {
    int longest = 0;  // tokens of its longest context
    int link = -1;    // the state of the longest context that is an end of this one's and stands elsewhere, too
    int count = 0;
    int last = 0;                                 // where it was seen last
    std::vector<std::pair<TokenId, int>> next{};  // ascending
  };
  int next(int state, TokenId token) const;       // -1: none
  void lead(int state, TokenId token, int next);  // from here on
  int split(int state, int from, TokenId token);
  Context cut(Context context, int length) const;

  const State& at(int state) const { return states_[static_cast<std::size_t>(state)]; }
  State& at(int state) { return states_[static_cast<std::size_t>(state)]; }

  int longest_;
  std::vector<State> states_;
  int whole_ = 0;    // the state of the whole text
  Context counted_;  // the end of the text, one token longer than what is asked for
  int size_ = 0;     // tokens
};

}  // namespace specdec
