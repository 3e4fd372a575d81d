// AdaEDL (Agrawal et al. 2024, arXiv 2410.18351): a guess from a law q is accepted with a chance of at least
// 1 - sqrt(gamma H(q)), H in nats; where that is below lambda, nothing is guessed any more. The paper also moves lambda
// with the acceptance seen so far; here it stays as it is given.
#include <cmath>

#include "draft/policy.h"

namespace specdec {
namespace {

class Entropy : public Policy {
 public:
  Entropy(double gamma, double lambda) : gamma_(gamma), lambda_(lambda) {}

  bool extend(const DraftTree&, int, const Budget&) override { return true; }
  bool adds(const DraftTree&, int, const Outlook& outlook, const Budget&) override {
    return 1 - std::sqrt(gamma_ * outlook.entropy) >= lambda_;
  }
  void observe(const StepFacts&) override {}

 private:
  double gamma_, lambda_;
};

}  // namespace

PolicyKind policy_entropy() {
  return {"entropy", "stops where the drafter's law has much entropy (AdaEDL): gamma=0.2, lambda=0.4",
          [](Options& options) -> std::unique_ptr<Policy> {
            const double gamma = options.number("gamma", 0.2, 0, 100);
            const double lambda = options.number("lambda", 0.4, 0, 1);
            return std::make_unique<Entropy>(gamma, lambda);
          }};
}

}  // namespace specdec
