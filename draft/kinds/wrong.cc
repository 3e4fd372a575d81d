// Guesses what the target is least likely to say: what speculation costs when nothing is accepted. As with oracle, the
// passes that it takes to know that are not counted.
#include "draft/options.h"
#include "draft/target_drafter.h"

namespace specdec {

DrafterKind drafter_wrong() {
  return {"wrong", "guesses what the target is least likely to say; for measuring", false,
          [](const DrafterContext& context) {
            Options(context.options, "drafter wrong").refuse_unknown(context.elsewhere);
            return make_foresight(context, {.temperature = 0}, 0);
          }};
}

}  // namespace specdec
