#include "draft/policy.h"

namespace specdec {

std::unique_ptr<Policy> PolicySpec::make() const {
  if (kind == nullptr) return nullptr;
  Options all(options, "policy " + std::string(kind->name));
  return kind->make(all);
}

std::string PolicySpec::text() const {
  if (kind == nullptr) return "";
  std::string text(kind->name);
  for (const auto& [key, value] : options) text += "," + key + "=" + value;
  return text;
}

}  // namespace specdec
