// EAGLE-1 and -2 (arXiv 2401.15077, 2406.16858) and EAGLE-3 (arXiv 2503.01840), as published and as speculators write
// it.
#include <fmt/ranges.h>

#include <algorithm>

#include "core/draft_ids.h"
#include "core/eagle.h"
#include "core/error.h"
#include "experiments/head_sides.h"

namespace specdec {
namespace {

// The part of the head's config.json that describes its layer.
ConfigReader layer_part(const HeadSide& head) {
  const std::optional<ConfigReader> inner = head.config.object_if("transformer_layer_config");
  return inner ? *inner : head.config;
}

// A decoder layer whose attention reads `read` values: of llama's layout, or with latents (MLA). Others are not judged.
void check_layer(const HeadSide& head, const std::string& layer, std::int64_t read, std::vector<std::string> names,
                 HeadChecks& checks) {
  const std::string attention = "self_attn.", mlp = "mlp.";
  const bool latents = head.has_prefix(layer + attention + "kv_a_proj_with_mqa.");
  const auto differs = [&](const std::string& part, const std::string& first) {
    return head.has_prefix(layer + part) && !head.has_prefix(layer + part + first + ".");
  };
  names.emplace_back("post_attention_layernorm");
  if (!latents && differs(attention, "q_proj")) {
    checks.unknown("attention", "of a layout that this version does not know");
  } else {
    const std::string reads = attention + (latents ? "kv_a_proj_with_mqa" : "q_proj");
    checks.matrix("attention", head, layer + reads, 0, read, fmt::format("reads {} values", read));
    for (const char* name : {"kv_b_proj", "o_proj"})
      if (latents) names.push_back(attention + name);
    for (const char* name : {"k_proj", "v_proj", "o_proj"})
      if (!latents) names.push_back(attention + name);
  }
  if (differs(mlp, "gate_proj")) {
    checks.unknown("mlp", "of a layout that this version does not know");
  } else {
    for (const char* name : {"gate_proj", "up_proj", "down_proj"}) names.push_back(mlp + name);
  }
  for (std::string& name : names) name = layer + name;
  checks.parts("parts", head, names);
}

// The width of the head's own states: of its norm or its fc, else as config.json says.
std::int64_t width_of(const HeadSide& head) {
  const StoredTensor* norm = head.find("norm.weight");
  if (norm != nullptr && norm->shape.size() == 1) return norm->shape.front();
  const StoredTensor* fc = head.find("fc.weight");
  return fc != nullptr && !fc->shape.empty() ? fc->shape.front() : layer_part(head).count("hidden_size");
}

void check_taps(const EagleTaps& taps, const TargetSide& target, HeadChecks& checks) {
  const auto outside =
      std::ranges::find_if(taps.outputs, [&](int layer) { return layer < 0 || layer >= target.layers; });
  std::string found = fmt::format("outputs of layers {} of 0 to {} ({})", fmt::join(taps.outputs, ", "),
                                  target.layers - 1, taps.source);
  const bool ascending = std::ranges::adjacent_find(taps.outputs, std::greater_equal{}) == taps.outputs.end();
  if (outside != taps.outputs.end()) {
    found +=
        *outside < 0 ? "; one of them is the embedding, no layer" : fmt::format("; there is no layer {}", *outside);
  } else if (!ascending) {
    found += "; not ascending, so the order in which they are joined is unclear";
  }
  checks.add("tapped layers", outside == taps.outputs.end() && ascending, found);
}

// t2d: true for the target ids that d2t names.
void check_mask(const StoredTensor& mask, const DraftIds& ids, const TargetSide& target, HeadChecks& checks) {
  if ((mask.dtype != DType::boolean && mask.dtype != DType::u8) || mask.shape.size() != 1)
    return checks.add(
        "t2d", false,
        fmt::format("is {} of {} dimensions; expected one of BOOL", name_of(mask.dtype), mask.shape.size()));
  if (mask.shape.front() != target.vocab)
    return checks.add("t2d", false,
                      fmt::format("tells of {} target ids; the target has {}", mask.shape.front(), target.vocab));
  const auto is_set = [&](std::int64_t id) { return mask.data[id] != std::byte{0}; };
  std::int64_t set = 0;
  for (std::int64_t id = 0; id < target.vocab; ++id) set += is_set(id) ? 1 : 0;
  for (const std::int64_t id : ids.targets) {
    if (id >= 0 && id < target.vocab && !is_set(id))
      return checks.add("t2d", false, fmt::format("is false at target id {}, which d2t names", id));
  }
  const auto drafted = static_cast<std::int64_t>(ids.targets.size());
  checks.add("t2d", set == drafted, fmt::format("names {} target ids, d2t {}", set, drafted));
}

// Returns how many ids the head speaks of.
std::int64_t check_ids(const HeadSide& head, const TargetSide& target, HeadChecks& checks) {
  const ConfigReader layer = layer_part(head);
  const std::int64_t said = head.config.count(head.config.first_of({"draft_vocab_size", "truncated_vocab_size"}), 0);
  const StoredTensor* map = head.find("d2t");
  if (map == nullptr) {
    const std::int64_t ids = said > 0 ? said : layer.count("vocab_size", 0);
    if (head.checkpoint == nullptr) {
      checks.unknown("draft ids", said > 0 ? fmt::format("{} by config.json; d2t is not there to be read", said)
                                           : "the target's, or those of a d2t that is not there to be read");
      return ids;
    }
    checks.add(
        "draft ids", ids == target.vocab,
        ids == target.vocab
            ? fmt::format("all {} of the target", ids)
            : fmt::format("{} by config.json, the target has {}, and no d2t tells which they are", ids, target.vocab));
    return target.vocab;
  }
  const std::optional<DraftIds> ids = checks.draft_ids(head, *map, target);
  if (!ids) return said;
  const auto count = static_cast<std::int64_t>(ids->targets.size());
  checks.add("draft ids", said == 0 || said == count,
             said == count ? fmt::format("{} of the target's {}", count, target.vocab)
             : said == 0   ? fmt::format("{} of the target's {}, by d2t alone", count, target.vocab)
                           : fmt::format("config.json says {}, d2t names {}", said, count));
  if (const StoredTensor* mask = head.find("t2d")) check_mask(*mask, *ids, target, checks);
  return count;
}

}  // namespace

void check_eagle(const HeadSide& head, const TargetSide& target, HeadChecks& checks) {
  const std::int64_t width = width_of(head);
  checks.add("hidden width", width == target.hidden,
             fmt::format("states of {} values, the target's have {}", width, target.hidden));
  checks.matrix("fc", head, "fc", width, 2 * target.hidden, "joins an embedding and a state of the target");
  checks.table("embedding", head, "embed_tokens", target.vocab, width, target);
  if (head.config.has("vocab_size")) {
    const int said = head.config.count("vocab_size");
    checks.add("vocabulary", said == target.vocab, fmt::format("{} ids, the target has {}", said, target.vocab));
  }
  check_layer(head, "layers.0.", width, {}, checks);
}

void check_eagle3(const HeadSide& head, const TargetSide& target, bool speculators, HeadChecks& checks) {
  const std::int64_t width = width_of(head);
  const std::int64_t said = head.config.count("target_hidden_size", 0);
  const EagleTaps taps = read_eagle_taps(head.config, static_cast<int>(target.layers));
  const auto tapped = static_cast<std::int64_t>(taps.outputs.size());
  if (said > 0) {
    checks.add("hidden width", said == target.hidden,
               fmt::format("made for states of {} values, the target's have {}", said, target.hidden));
  }
  checks.matrix("fc", head, "fc", width, tapped * target.hidden,
                fmt::format("joins {} states of {} values", tapped, target.hidden));
  check_taps(taps, target, checks);
  const std::int64_t ids = check_ids(head, target, checks);
  checks.table("embedding", head, "embed_tokens", target.vocab, width, target);
  checks.table("head", head, "lm_head", ids, width, target);
  check_layer(head, speculators ? "layers.0." : "midlayer.", 2 * width, {"input_layernorm", "hidden_norm"}, checks);
  for (const std::string_view key : {"norm_output", "fc_norm"}) {
    if (head.config.boolean(key, false))
      checks.unknown("config.json", fmt::format("'{}' is true: an engine must know of it to draft well", key));
  }
  if (head.find("mask_hidden") != nullptr)
    checks.unknown("mask_hidden", "guesses all tokens in one pass (P-EAGLE): an engine must know of it");
}

}  // namespace specdec
