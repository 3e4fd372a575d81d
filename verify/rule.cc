#include "verify/rule.h"

#include "core/kinds.h"

namespace specdec {

Rule make_rule(std::string_view text) {
  const auto [name, values] = split_options(text, "rule");
  const RuleKind& kind = find_kind(rule_kinds(), "rule", name);
  Options options(values, "rule " + name);
  Rule rule = kind.make(options);
  options.refuse_unknown();
  rule.name = text;
  return rule;
}

}  // namespace specdec
