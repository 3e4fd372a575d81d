// The target's own multi-token-prediction layer (DeepSeek-V3, arXiv 2412.19437, section 2.2), chained for longer
// guesses.
#include "core/error.h"
#include "draft/head_drafter.h"

namespace specdec {

DrafterKind drafter_mtp() {
  return {"mtp", "the target's own multi-token-prediction layer", false, [](const DrafterContext& context) {
            if (context.target.mtp() == nullptr) {
              throw Error("drafter mtp: {} has no multi-token-prediction layer; use a draft model: small:PATH",
                          context.target.info().path);
            }
            const DraftHead& head = context.head != nullptr ? *context.head : *context.target.mtp();
            return make_head_drafter(head, context, "drafter mtp", TreeShape::level_by_level);
          }};
}

}  // namespace specdec
