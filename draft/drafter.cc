#include "draft/drafter.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/kinds.h"
#include "draft/options.h"

namespace specdec {

namespace {

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
  Options options(std::move(spec.options), "drafter " + spec.kind);
  Budget budget = otherwise;
  budget.depth = options.integer("k", otherwise.depth, 0, 64);
  budget.width = options.integer("width", otherwise.width, 1, 64);
  budget.rows = options.integer("rows", otherwise.rows, 0, 1024);
  if (const std::string drawn = options.text("siblings", ""); drawn == "distinct" || drawn == "independent") {
    budget.siblings = drawn == "distinct" ? Siblings::distinct : Siblings::independent;
  } else if (!drawn.empty()) {
    throw UsageError("drafter {}: siblings={}: expected distinct or independent", spec.kind, drawn);
  }
  constexpr int kMostRows = 256;  // of a tree whose size was not asked for
  if (budget.rows == 0 && budget.row_limit() > kMostRows) budget.rows = kMostRows;
  spec.options = options.unread();
  return budget;
}

const PolicyKind& take_policy(DrafterSpec& spec) {
  Options options(std::move(spec.options), "drafter " + spec.kind);
  const std::string name = options.text("policy", "fixed");
  spec.options = options.unread();
  return find_kind(policy_kinds(), "policy", name);
}

std::string take_bridge(DrafterSpec& spec) {
  Options options(std::move(spec.options), "drafter " + spec.kind);
  std::string name = options.text("bridge", "auto");
  spec.options = options.unread();
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
  return kind.make(context);
}

}  // namespace specdec
