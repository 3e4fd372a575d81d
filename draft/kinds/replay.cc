// Guesses what a traced run said, each guess right with a given chance: for measuring speculation at an acceptance of
// one's choice, where no drafter is at hand.
#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/files/json.h"
#include "draft/drafter.h"
#include "draft/options.h"

namespace specdec {
namespace {

using Text = std::map<int, TokenId>;  // by position

// The tokens that the lines of `specdec run --trace` emitted.
Text read_text(const std::string& path, int vocab) {
  std::ifstream lines(path);
  if (!lines) throw Error("{}: cannot be read; expected the trace of specdec run", path);
  Text text;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", path, ++number);
    const nlohmann::json step = parse_json(line, where);
    if (number == 1) continue;  // of the run
    if (!step.is_object() || !step.contains("position") || !step.contains("emitted") || !step["emitted"].is_array()) {
      throw Error("{}: 'position' or 'emitted' is missing; expected the trace of specdec run", where);
    }
    constexpr int kMostPosition = 1 << 30;
    auto position = static_cast<int>(whole_number(step["position"], "'position'", 0, kMostPosition, where));
    for (const auto& token : step["emitted"]) {
      const std::int64_t id = whole_number(token, "a token of this model", 0, vocab - 1, where);
      text[++position] = TokenId{static_cast<std::int32_t>(id)};
    }
  }
  if (text.empty()) throw Error("{}: no step; expected the trace of specdec run", path);
  return text;
}

class Replay : public Drafter {
 public:
  Replay(Text text, double right, int vocab) : text_(std::move(text)), right_(right), vocab_(vocab) {}
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
  Text text_;
  double right_;
  int vocab_;
};

}  // namespace

DrafterKind drafter_replay() {
  return {"replay", "guesses what a traced run said: replay,text=TRACE,right=0.8", false,
          [](const DrafterContext& context) {
            Options options(context.options, "drafter replay");
            const std::string path = options.text("text", "");
            const double right = options.number("right", 1, 0, 1);
            options.refuse_unknown(context.elsewhere);
            if (path.empty()) throw UsageError("drafter replay needs the trace of a run: write replay,text=TRACE");
            const int vocab = context.target.info().vocab;
            return std::unique_ptr<Drafter>(std::make_unique<Replay>(read_text(path, vocab), right, vocab));
          }};
}

}  // namespace specdec
