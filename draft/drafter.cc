#include "draft/drafter.h"

#include <memory>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/kinds.h"
#include "draft/options.h"

namespace specdec {
namespace {

void keep_rest(const Options& taken, DrafterSpec& spec) {
  spec.options = taken.unread();
  spec.elsewhere.insert(spec.elsewhere.end(), taken.known().begin(), taken.known().end());
}

bool asks_for_plan(const DrafterSpec& spec) {
  const auto tree = spec.options.find("tree");
  return tree != spec.options.end() && tree->second == "sequoia";
}

}  // namespace

DrafterSpec parse_drafter_spec(std::string_view text) {
  DrafterSpec spec;
  std::size_t comma = text.find(',');
  const std::string_view head = text.substr(0, comma);
  const std::size_t colon = head.find(':');
  spec.kind = head.substr(0, colon);
  if (colon != std::string_view::npos) spec.path = head.substr(colon + 1);
  while (comma != std::string_view::npos) {
    text.remove_prefix(comma + 1);
    comma = text.find(',');
    const std::string_view option = text.substr(0, comma);
    const std::size_t equals = option.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw UsageError("drafter {}: option '{}': expected key=value", spec.kind, option);
    }
    const auto [at, is_new] = spec.options.emplace(option.substr(0, equals), option.substr(equals + 1));
    if (!is_new) throw UsageError("drafter {}: option '{}' is given twice", spec.kind, at->first);
  }
  return spec;
}

Budget take_budget(DrafterSpec& spec, const Budget& otherwise) {
  Options options(spec.options, "drafter " + spec.kind);
  Budget budget = otherwise;
  if (const std::string tree = asks_for_plan(spec) ? "" : options.text("tree", ""); !tree.empty()) {
    for (const char* other : {"k", "width", "rows"}) {
      if (options.unread().contains(other)) {
        throw UsageError("drafter {}: tree and {} are both given; expected one of them", spec.kind, other);
      }
    }
    budget = with_tree(budget, parse_static_tree(tree));
  }
  budget.depth = options.integer("k", budget.depth, 0, 64);
  budget.width = options.integer("width", budget.width, 1, 64);
  budget.rows = options.integer("rows", budget.rows, 0, 1024);
  constexpr int kMostRows = 256;  // of a tree whose size was not asked for
  if (budget.rows == 0 && budget.row_limit() > kMostRows) budget.rows = kMostRows;
  keep_rest(options, spec);
  return budget;
}

std::optional<std::vector<double>> take_plan(DrafterSpec& spec) {
  if (!asks_for_plan(spec)) return std::nullopt;
  Options options(std::move(spec.options), "drafter " + spec.kind);
  options.text("tree", "");
  std::vector<double> ranks = options.numbers("ranks", {}, 0, 1);
  keep_rest(options, spec);
  if (ranks.empty()) {
    throw UsageError(
        "drafter {}: tree=sequoia needs ranks=…, the accepted by rank that specdec run prints: ranks=0.6/0.2",
        spec.kind);
  }
  if (const double sum = std::accumulate(ranks.begin(), ranks.end(), 0.0); sum > 1 + 1e-9) {
    throw UsageError("drafter {}: ranks: expected shares of places that add up to 1 at most, not to {}", spec.kind,
                     sum);
  }
  return ranks;
}

Budget with_tree(Budget budget, StaticTree tree) {
  budget.depth = tree.depth();
  budget.width = tree.width();
  budget.rows = tree.guesses();
  budget.tree = std::make_shared<const StaticTree>(std::move(tree));
  return budget;
}

PolicySpec take_policy(DrafterSpec& spec) {
  Options options(std::move(spec.options), "drafter " + spec.kind);
  const std::string name = options.text("policy", "fixed");
  keep_rest(options, spec);
  PolicySpec policy{&find_kind(policy_kinds(), "policy", name), spec.options};
  Options of_policy(std::move(spec.options), "policy " + name);
  policy.kind->make(of_policy);
  keep_rest(of_policy, spec);
  for (const auto& [key, value] : spec.options) policy.options.erase(key);
  return policy;
}

std::string take_bridge(DrafterSpec& spec) {
  Options options(std::move(spec.options), "drafter " + spec.kind);
  std::string name = options.text("bridge", "auto");
  keep_rest(options, spec);
  return name;
}

const DrafterKind& find_drafter(const DrafterSpec& spec) {
  const DrafterKind& kind = find_kind(drafter_kinds(), "drafter", spec.kind);
  if (!kind.needs_model && !kind.needs_head && !spec.path.empty()) {
    throw UsageError("drafter {} reads no checkpoint, but '{}:{}' names one; write {}", kind.name, kind.name, spec.path,
                     kind.name);
  }
  return kind;
}

std::unique_ptr<Drafter> make_drafter(const DrafterSpec& spec, DrafterContext context) {
  const DrafterKind& kind = find_drafter(spec);
  if (kind.needs_model && context.draft == nullptr) {
    throw UsageError("drafter {} needs a draft model: write {}:PATH", kind.name, kind.name);
  }
  if (kind.needs_head && context.head == nullptr) {
    throw UsageError("drafter {} needs a head: write {}:PATH", kind.name, kind.name);
  }
  context.options = spec.options;
  context.elsewhere = spec.elsewhere;
  return kind.make(context);
}

}  // namespace specdec
