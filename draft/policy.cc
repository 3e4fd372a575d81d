#include "draft/policy.h"

namespace specdec {

std::unique_ptr<Policy> PolicySpec::make() const {
  if (kind == nullptr) return nullptr;
  Options all(options, "policy " + std::string(kind->name));
  return kind->make(all);
}

}  // namespace specdec
