// Guesses what the target will say, by asking it: how fast speculation would be with guesses for nothing. Its passes
// are not counted, though they take time; experts that they load are there when the target looks.
#include "draft/options.h"
#include "draft/target_drafter.h"

namespace specdec {

DrafterKind drafter_oracle() {
  return {"oracle", "asks the target what it will say, and does not count that; for measuring: oracle,right=0.8", false,
          [](const DrafterContext& context) {
            Options options(context.options, "drafter oracle");
            const double right = options.number("right", 1, 0, 1);
            options.refuse_unknown(context.elsewhere);
            return make_foresight(context, context.sampler, right);
          }};
}

}  // namespace specdec
