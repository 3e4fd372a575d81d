// An EAGLE-1, -2 or -3 head, in chains or, with width, in EAGLE-2's dynamic trees (arXiv 2406.16858).
#include "draft/head_drafter.h"

namespace specdec {

DrafterKind drafter_eagle() {
  return {"eagle", "an EAGLE head over hidden states of the target, in chains or dynamic trees", false,
          [](const DrafterContext& context) {
            return make_head_drafter(*context.head, context, "drafter eagle", TreeShape::ranked);
          },
          true};
}

}  // namespace specdec
