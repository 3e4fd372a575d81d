#include "draft/drafter.h"

#include <algorithm>
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

constexpr std::string_view kTrees = "children on every level, such as 3x2x1, nodes, such as 0/1/0.0, or sequoia";

bool asks_for_plan(const DrafterSpec& spec) {
  const auto tree = spec.options.find("tree");
  return tree != spec.options.end() && tree->second == "sequoia";
}

bool reads_no_checkpoint(std::string_view name) {
  const auto kind = std::ranges::find(drafter_kinds(), name, &DrafterKind::name);
  return kind != drafter_kinds().end() && !kind->needs_model && !kind->needs_head;
}

}  // namespace

DrafterSpec parse_drafter_spec(std::string_view text) {
  const std::size_t end = std::min(text.find(':'), text.find(','));  // of the kind
  DrafterSpec spec{std::string(text.substr(0, end)), "", {}};
  if (end == std::string_view::npos) return spec;
  std::string_view rest = text.substr(text[end] == ':' ? end + 1 : end);
  const std::string options_alone = fmt::format(",{}", rest);  // self:experts=1
  if (reads_no_checkpoint(spec.kind) && rest.substr(0, rest.find(',')).find('=') != std::string_view::npos) {
    rest = options_alone;
  }
  auto [path, options] = split_options(rest, "drafter " + spec.kind);
  spec.path = std::move(path);
  spec.options = std::move(options);
  return spec;
}

Budget take_budget(DrafterSpec& spec, const Budget& otherwise) {
  Options options(spec.options, "drafter " + spec.kind);
  Budget budget = otherwise;
  if (const std::string tree = asks_for_plan(spec) ? "" : options.text("tree", "", kTrees); !tree.empty()) {
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
  if (const std::string drawn = options.text("siblings", "", "distinct or independent");
      drawn == "distinct" || drawn == "independent") {
    budget.siblings = drawn == "distinct" ? Siblings::distinct : Siblings::independent;
  } else if (!drawn.empty()) {
    throw UsageError("drafter {}: siblings={}: expected distinct or independent", spec.kind, drawn);
  }
  constexpr int kMostRows = 256;  // of a tree whose size was not asked for
  if (budget.rows == 0 && budget.row_limit() > kMostRows) budget.rows = kMostRows;
  keep_rest(options, spec);
  return budget;
}

std::optional<std::vector<double>> take_plan(DrafterSpec& spec) {
  if (!asks_for_plan(spec)) return std::nullopt;
  Options options(std::move(spec.options), "drafter " + spec.kind);
  options.text("tree", "", kTrees);
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
  const std::string name = options.text("policy", "fixed", "the name of one, such as confidence");
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
  std::string name = options.text("bridge", "auto", "auto or the name of a bridge");
  keep_rest(options, spec);
  return name;
}

std::string take_convention(DrafterSpec& spec) {
  Options options(std::move(spec.options), "drafter " + spec.kind);
  std::string name = options.text("convention", "auto", "auto, probe or a reading, such as hidden-first");
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
