// Guesses what a traced run said, each guess right with a given chance: for measuring speculation at an acceptance of
// one's choice, where no drafter is at hand.
#include <map>
#include <string>
#include <utility>

#include "core/error.h"
#include "draft/drafter.h"
#include "draft/options.h"
#include "draft/traced_text.h"

namespace specdec {
namespace {

class Replay : public Drafter {
 public:
  Replay(std::map<int, TokenId> text, double right, int vocab) : text_(std::move(text)), right_(right), vocab_(vocab) {}
  void observe(const Final&) override {}

  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) override {
    for (int node = 0; node < budget.depth; ++node) {
      const int position = tree.position(node) + 1;
      const auto said = text_.find(position);
      if (said == text_.end()) return;
      const Rng of_position = rng.fork(static_cast<std::uint64_t>(position));
      TokenId guess = said->second;
      if (of_position.uniform(0) >= right_) {
        const auto other = static_cast<std::int32_t>(of_position.uniform(1) * (vocab_ - 1));
        guess = TokenId{other + static_cast<std::int32_t>(other >= index(guess))};
      }
      tree.add(node, guess);
    }
  }

 private:
  std::map<int, TokenId> text_;  // by position
  double right_;
  int vocab_;
};

}  // namespace

DrafterKind drafter_replay() {
  return {"replay", "guesses what a traced run said: replay,text=TRACE,right=0.8", false,
          [](const DrafterContext& context) {
            Options options(context.options, "drafter replay");
            const std::string path = options.text("text", "", "the trace of a run");
            const double right = options.number("right", 1, 0, 1);
            options.refuse_unknown(context.elsewhere);
            if (path.empty()) throw UsageError("drafter replay needs the trace of a run: write replay,text=TRACE");
            const int vocab = context.target.info().vocab;
            return std::unique_ptr<Drafter>(std::make_unique<Replay>(read_traced_text(path, vocab), right, vocab));
          }};
}

}  // namespace specdec
