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
  DrafterSpec spec;
  std::size_t comma = text.find(',');
  const std::string_view head = text.substr(0, comma);
  const std::size_t colon = head.find(':');
  spec.kind = head.substr(0, colon);
  if (reads_no_checkpoint(spec.kind) && head.find('=') != std::string_view::npos) {
    comma = std::min(colon, comma);  // self:experts=1
  } else if (colon != std::string_view::npos) {
    spec.path = head.substr(colon + 1);
  }
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
  Options options(std::move(spec.options), "drafter " + spec.kind);
  Budget budget = otherwise;
  budget.depth = options.integer("k", otherwise.depth, 0, 64);
  budget.width = options.integer("width", otherwise.width, 1, 64);
  budget.rows = options.integer("rows", otherwise.rows, 0, 1024);
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
