// The target drafts for itself, with fewer routed experts or without some layers (self-speculation: Zhang et al. 2023,
// arXiv 2309.08168; LayerSkip, arXiv 2404.16710; SWIFT, arXiv 2410.06916): no second model, no cache, no memory.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/traffic.h"
#include "draft/options.h"
#include "draft/target_drafter.h"

namespace specdec {
namespace {

std::optional<int> whole_number_of(std::string_view text) {
  int number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "3..5+8": layers of 0 to layers - 1, joined by +. Empty: none.
std::vector<int> parse_layers(const std::string& text, int layers) {
  std::vector<int> all;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('+', from), text.size());
    const std::string_view item = std::string_view(text).substr(from, end - from);
    const std::size_t dots = item.find("..");
    const auto first = whole_number_of(item.substr(0, dots));
    const auto last = dots == std::string_view::npos ? first : whole_number_of(item.substr(dots + 2));
    if (!first || !last || *first < 0 || *first > *last || *last >= layers) {
      throw UsageError("drafter self: skip={}: '{}': expected a layer of 0 to {}, or a range such as 3..5", text, item,
                       layers - 1);
    }
    for (int layer = *first; layer <= *last; ++layer) all.push_back(layer);
    from = end + 1;
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

Shortcut read_shortcut(Options& options, const ModelInfo& target) {
  Shortcut shortcut;
  if (target.experts > 0) {
    const int all = target.experts_per_token;
    const int experts = options.integer("experts", all, 0, all);
    if (experts < all) shortcut.experts_per_token = experts;
  } else if (const std::string experts = options.text("experts", "", "a number of experts"); !experts.empty()) {
    throw UsageError("drafter self: experts={}: {} has no routed experts; leave out layers with skip=LIST", experts,
                     target.path);
  }
  const int layers = options.integer("layers", target.layers, 1, target.layers);
  shortcut.skipped = parse_layers(options.text("skip", "", "layers, such as 3..5+8"), target.layers);
  std::erase_if(shortcut.skipped, [&](int layer) { return layer >= layers; });
  for (int layer = layers; layer < target.layers; ++layer) shortcut.skipped.push_back(layer);
  if (static_cast<int>(shortcut.skipped.size()) == target.layers) {
    throw UsageError("drafter self: none of the {} layers of {} is left; skip fewer", target.layers, target.path);
  }
  return shortcut;
}

class Self : public TargetDrafter {
 public:
  // shorter: null for the target as it is.
  Self(const Model& target, std::unique_ptr<Model> shorter, const Sampler& sampler)
      : TargetDrafter(shorter ? *shorter : target, DraftLaw(sampler, target.info().vocab)),
        target_(target),
        shorter_(std::move(shorter)) {}

  DraftCost cost() const override { return work(); }
  std::int64_t step_bytes() const override {
    const Model& model = shorter_ ? *shorter_ : target_;
    return bytes_of_plain_pass(model.bytes(), model.info().experts_per_token);
  }

 private:
  const Model& target_;
  std::unique_ptr<Model> shorter_;
};

std::unique_ptr<Drafter> make_self(const DrafterContext& context) {
  const Model& target = context.target;
  Options options(context.options, "drafter self");
  Sampler sampler = context.sampler;
  sampler.temperature = options.number("temperature", sampler.temperature, 0.0, 100.0);
  const Shortcut shortcut = read_shortcut(options, target.info());
  options.refuse_unknown(context.elsewhere);
  std::unique_ptr<Model> shorter;
  if (shortcut.experts_per_token || !shortcut.skipped.empty()) {
    shorter = target.with(shortcut);
    if (shorter == nullptr) {
      throw Error("drafter self: {} ({}) cannot leave out experts or layers; write self alone, or use a draft model",
                  target.info().path, target.info().architecture);
    }
  }
  return std::make_unique<Self>(target, std::move(shorter), sampler);
}

}  // namespace

DrafterKind drafter_self() {
  return {"self", "the target itself, with fewer experts or layers: self,experts=1,skip=3..5+8", false, make_self};
}

}  // namespace specdec
