// Always as far as the budget goes.
#include "draft/policy.h"

namespace specdec {
namespace {

class Fixed : public Policy {
 public:
  bool reads_confidence() const override { return false; }
  bool extend(const DraftTree&, int, const Budget&) override { return true; }
  void observe(const StepFacts&) override {}
};

}  // namespace

PolicyKind policy_fixed() {
  return {"fixed", "always as far as the budget goes",
          [](Options&) { return std::unique_ptr<Policy>(std::make_unique<Fixed>()); }};
}

}  // namespace specdec
