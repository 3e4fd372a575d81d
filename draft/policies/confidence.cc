// Stops where the drafter is unsure: transformers' assistant_confidence_threshold (0.4 there) and llama.cpp's
// --draft-p-min. of=token looks at the last guess alone, of=path at the product along the path, which says how likely
// the target gets there. A guess that is unsure before it is drawn is not made (transformers makes it and stops after
// it); one that turns out unlikely when it is drawn stays, and nothing follows it.
#include <vector>

#include "core/error.h"
#include "draft/policy.h"

namespace specdec {
namespace {

class Confidence : public Policy {
 public:
  enum class Of { token, path };
  Confidence(double threshold, Of of) : threshold_(threshold), of_(of) {}

  bool extend(const DraftTree& tree, int node, const Budget&) override { return sureness(tree, node) >= threshold_; }
  bool adds(const DraftTree& tree, int parent, const Outlook& outlook, const Budget&) override {
    return (of_ == Of::path ? sureness(tree, parent) : 1) * outlook.surest >= threshold_;
  }
  void observe(const StepFacts&) override {}

 private:
  double sureness(const DraftTree& tree, int node) const {
    double product = tree[node].confidence;
    for (int at = tree[node].parent; of_ == Of::path && at >= 0; at = tree[at].parent) product *= tree[at].confidence;
    return product;
  }

  double threshold_;
  Of of_;
};

}  // namespace

PolicyKind policy_confidence() {
  return {"confidence", "stops where the drafter is unsure: threshold=0.4, of=token or path",
          [](Options& options) -> std::unique_ptr<Policy> {
            const double threshold = options.number("threshold", 0.4, 0, 1);
            const std::string of = options.text("of", "token", "token or path");
            if (of != "token" && of != "path") {
              throw UsageError("policy confidence: of={}: expected token or path", of);
            }
            return std::make_unique<Confidence>(threshold, of == "path" ? Confidence::Of::path : Confidence::Of::token);
          }};
}

}  // namespace specdec
