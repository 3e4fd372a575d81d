// Guesses nothing: plain decoding through the same loop.
#include "draft/drafter.h"
#include "draft/options.h"

namespace specdec {
namespace {

class None : public Drafter {
 public:
  void observe(const Final&) override {}
  void propose(DraftTree&, const Budget&, const Rng&) override {}
};

}  // namespace

DrafterKind drafter_none() {
  return {"none", "guesses nothing: plain decoding", false, [](const DrafterContext& context) {
            Options(context.options, "drafter none").refuse_unknown();
            return std::unique_ptr<Drafter>(std::make_unique<None>());
          }};
}

}  // namespace specdec
