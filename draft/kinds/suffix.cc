// What most often followed the longest run of last tokens that stood before, in this text or in a corpus
// (SuffixDecoding, arXiv 2411.04975; SAM-Decoding, arXiv 2411.10666). The tree holds the surest guesses.
#include <algorithm>
#include <any>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "draft/options.h"
#include "draft/suffix_automaton.h"
#include "draft/text_drafter.h"
#include "draft/traced_text.h"
#include "tokenizers/tokenizer.h"

namespace specdec {
namespace {

using Context = SuffixAutomaton::Context;

class Suffix : public TextDrafter {
 public:
  Suffix(SuffixAutomaton seen, int least) : seen_(std::move(seen)), least_(least) {}

 private:
  struct Guess {
    int parent;
    TokenId token;
    double confidence;
    double sureness;  // the product from the anchor
    Context context;
  };

  void add(TokenId token) override { seen_.add(token); }

  void guess(DraftTree& tree, const Budget& budget) override {
    std::vector<Guess> open;
    add_children(0, 1, seen_.longest_match(), budget.width, open);
    while (!open.empty() && tree.guesses() < budget.row_limit()) {
      const auto surest = std::ranges::max_element(open, {}, &Guess::sureness);  // of equals the first
      const Guess best = *surest;
      open.erase(surest);
      if (!may_extend(tree, best.parent, budget)) continue;
      const int node = tree.add(best.parent, best.token, {}, best.confidence);
      add_children(node, best.sureness, best.context, budget.width, open);
    }
  }

  // A token that followed a shorter context alone is as frequent there, times the chance that the longer one is
  // followed by something new: D / (N + D) after N tokens, D of them different (PPM, method C: Moffat 1990).
  void add_children(int parent, double sureness, Context context, int width, std::vector<Guess>& open) const {
    const std::size_t first = open.size();
    double escape = 1;
    for (; context.length >= least_; context = seen_.shorter(context)) {
      const SuffixAutomaton::Followers followers = seen_.followers(context);
      for (const SuffixAutomaton::Follower& next : followers.tokens) {
        if (open.size() - first == static_cast<std::size_t>(width)) return;
        const auto is_same = [&](const Guess& guess) { return guess.token == next.token; };
        if (std::any_of(open.begin() + static_cast<std::ptrdiff_t>(first), open.end(), is_same)) continue;
        const double confidence = escape * next.count / followers.total;
        open.push_back({parent, next.token, confidence, sureness * confidence, next.context});
      }
      const double different = followers.different;
      if (followers.total > 0) escape *= different / (followers.total + different);
    }
  }

  SuffixAutomaton seen_;
  int least_;
};

bool is_trace(const std::string& path) { return path.ends_with(".jsonl"); }

void add_trace(const std::string& path, int vocab, SuffixAutomaton& seen) {
  int last = -1;
  for (const auto& [position, token] : read_traced_text(path, vocab)) {
    if (last >= 0 && position != last + 1) seen.add_end();
    seen.add(token);
    last = position;
  }
}

void add_text(const std::string& path, const DrafterContext& context, SuffixAutomaton& seen) {
  if (context.tokenizer == nullptr) {
    throw Error(
        "drafter suffix: corpus={}: {} has no tokenizer to read text with; give the trace of a run, a .jsonl file",
        path, context.target.info().path);
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file || text.empty()) {
    throw Error(
        "drafter suffix: corpus={}: cannot be read or is empty; expected a text, or the trace of a run as .jsonl",
        path);
  }
  for (const TokenId token : context.tokenizer->encode(text)) {
    if (index(token) < context.target.info().vocab) seen.add(token);
  }
}

SuffixAutomaton read_corpus(const std::string& path, int most, const DrafterContext& context) {
  SuffixAutomaton seen(most);
  if (is_trace(path)) {
    add_trace(path, context.target.info().vocab, seen);
  } else {
    add_text(path, context, seen);
  }
  seen.add_end();
  return seen;
}

std::unique_ptr<Drafter> make_suffix(const DrafterContext& context) {
  Options options(context.options, "drafter suffix");
  constexpr int kLongest = 1024;
  const int most = options.integer("max", 64, 1, kLongest);
  const int least = options.integer("min", 1, 1, kLongest);
  const std::string corpus = options.text("corpus", "", "a file: a text, or the trace of a run as .jsonl");
  options.refuse_unknown(context.elsewhere);
  if (least > most) {
    throw UsageError("drafter suffix: min={} is more than max={}; expected min to be at most max", least, most);
  }
  if (corpus.empty()) return std::make_unique<Suffix>(SuffixAutomaton(most), least);
  if (context.kept == nullptr) return std::make_unique<Suffix>(read_corpus(corpus, most, context), least);
  if (!context.kept->has_value()) context.kept->emplace<SuffixAutomaton>(read_corpus(corpus, most, context));
  return std::make_unique<Suffix>(std::any_cast<const SuffixAutomaton&>(*context.kept), least);
}

}  // namespace

DrafterKind drafter_suffix() {
  return {"suffix",
          "what most often followed the last tokens, in this text or a corpus: suffix,corpus=FILE,min=1,max=64", false,
          make_suffix};
}

}  // namespace specdec
