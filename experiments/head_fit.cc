#include "experiments/head_fit.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/arch.h"
#include "core/error.h"
#include "core/files/gguf.h"
#include "core/files/hf_cache.h"
#include "core/files/safetensors.h"
#include "draft/drafter.h"
#include "experiments/head_sides.h"
#include "experiments/vocab_side.h"
#include "tokenizers/vocab_verdict.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// "mtp" asks for the layer of the target, "mtp:MODEL" for that of another checkpoint.
constexpr std::string_view kOwn = "mtp", kOf = "mtp:";

bool asks_for_mtp(const std::string& draft) { return draft == kOwn || draft.starts_with(kOf); }

fs::path path_of(const std::string& name) { return fs::is_regular_file(name) ? fs::path(name) : resolve_model(name); }

ConfigReader config_at(const fs::path& path) {
  return is_model_config(path) ? ConfigReader::of_file(path) : read_config(path);
}

// The first shard that the index names and that is not there: a tokenizer is often fetched without the weights.
std::optional<fs::path> missing_shard(const fs::path& path) {
  if (!fs::is_directory(path)) return std::nullopt;
  for (const auto& [shard, names] : indexed_shards(path))
    if (!fs::exists(shard)) return shard;
  return std::nullopt;
}

bool holds_tensors(const fs::path& path) {
  return is_gguf(path) || (fs::is_directory(path) && holds_safetensors(path) && !missing_shard(path));
}

TargetSide target_side(const std::string& name) {
  const fs::path path = path_of(name);
  if (!fs::is_directory(path) && !is_gguf(path) && !is_model_config(path))
    throw Error("{}: is no model; heads are checked against a checkpoint or its config.json", name);
  const ConfigReader outer = config_at(path);
  TargetSide target{name, path, text_part(outer), outer.text("model_type", "")};
  target.hidden = target.config.count("hidden_size");
  target.layers = target.config.count("num_hidden_layers");
  target.vocab = target.config.count("vocab_size");
  return target;
}

HeadSide head_side(const std::string& name, const fs::path& path) {
  HeadSide head{name, path, config_at(path), nullptr, {}};
  if (!holds_tensors(path)) return head;
  head.checkpoint = checkpoint_kind(path).open(path);
  constexpr std::string_view kModel = "model.";
  for (const Checkpoint::Part& part : head.checkpoint->parts()) {
    for (const auto& [full, tensor] : *part.tensors)
      head.tensors.emplace(full.starts_with(kModel) ? full.substr(kModel.size()) : full, &tensor);
  }
  return head;
}

Recognised recognised_as(const HeadSide& head) {
  if (head.checkpoint == nullptr) return recognise(head.config, nullptr);
  Shapes shapes;
  for (const auto& [name, tensor] : head.tensors) shapes.emplace(name, tensor->shape);
  const Recognised by_tensors = recognise(shapes, nullptr);
  return is_head(by_tensors.role) ? by_tensors : recognise(head.config, nullptr);
}

std::optional<Recognised> recognise_gguf(const fs::path& path) {
  constexpr std::string_view kKey = "general.architecture", kEagle3 = "eagle3";
  const GgufFile file(first_gguf(path));
  if (file.content().metadata.text(kKey) != kEagle3) return std::nullopt;
  return Recognised{CheckpointRole::eagle3, fmt::format("{} is {}", kKey, kEagle3)};
}

std::string verifier_of(const ConfigReader& config) {
  const std::optional<ConfigReader> speculators = config.object_if("speculators_config");
  const std::optional<ConfigReader> verifier = speculators ? speculators->object_if("verifier") : std::nullopt;
  if (verifier) return verifier->text("name_or_path", "");
  return config.text(config.first_of({"target_model_name_or_path", "base_model_name_or_path", "_name_or_path"}), "");
}

// The last part of a path or an id, in lower case, with one sign between its words.
std::string plain_name(const std::string& name) {
  const fs::path path = name.ends_with('/') ? fs::path(name.substr(0, name.size() - 1)) : fs::path(name);
  std::string plain = is_model_config(path) ? path.parent_path().filename().string() : path.filename().string();
  for (char& c : plain) c = c == '_' || c == ' ' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

// The config.json of the model that a head names, if it is shipped or in the cache.
std::optional<ConfigReader> config_of_model(const std::string& id) {
  for (const std::vector<LocalModel>& models : {shipped_models(), cached_models()}) {
    const auto found = std::ranges::find(models, id, &LocalModel::id);
    if (found != models.end() && fs::exists(found->directory / "config.json"))
      return text_part(ConfigReader::of_file(found->directory / "config.json"));
  }
  return std::nullopt;
}

// What a head learns to go on from is the same only if these are.
std::string compare_siblings(const std::string& verifier, const TargetSide& target) {
  const std::optional<ConfigReader> theirs = config_of_model(verifier);
  if (!theirs) return "";
  std::vector<std::string> differ;
  for (const std::string_view key : {"hidden_size", "num_hidden_layers", "vocab_size", "rope_theta",
                                     "num_attention_heads", "num_key_value_heads", "intermediate_size"}) {
    const double of_theirs = theirs->number(key, 0), ours = target.config.number(key, 0);
    if (of_theirs != ours) differ.push_back(fmt::format("{} {} against {}", key, of_theirs, ours));
  }
  return differ.empty() ? "; their config.json agree in hidden size, layers, vocabulary and RoPE"
                        : fmt::format("; their config.json differ: {}", fmt::join(differ, ", "));
}

// Whether the head names the target, and what that says.
void check_origin(const HeadSide& head, const TargetSide& target, HeadFit& fit, HeadChecks& checks) {
  fit.trained_for = verifier_of(head.config);
  if (fit.trained_for.empty()) return checks.unknown("trained for", "it does not say for which model");
  const std::string theirs = plain_name(fit.trained_for);
  for (const std::string& ours : {plain_name(target.name), plain_name(target.config.text("_name_or_path", ""))}) {
    if (ours == theirs) {
      fit.same_model = Fits::yes;
      return checks.add("trained for", true, fit.trained_for);
    }
    if (!ours.empty() && (ours.starts_with(theirs + "-") || theirs.starts_with(ours + "-"))) {
      return checks.unknown("trained for",
                            fmt::format("{}; whether {} is a conversion of it or another training, names "
                                        "do not tell: acceptance must be measured",
                                        fit.trained_for, target.name));
    }
  }
  fit.same_model = Fits::no;
  checks.unknown("trained for", fmt::format("{}, not {}: acceptance must be measured{}", fit.trained_for, target.name,
                                            compare_siblings(fit.trained_for, target)));
}

std::string runs(const TargetSide& target, bool mtp) {
  try {
    const ModelInfo info = describe_model(target.path);
    return !mtp || info.mtp_layers > 0 ? "" : fmt::format("of {}, this version reads no such layer", info.architecture);
  } catch (const Error& error) {
    return error.what();
  }
}

std::string use_of(const HeadFit& fit, const TargetSide& target, const HeadSide& head) {
  const bool mtp = fit.recognised.role == CheckpointRole::mtp_sidecar;
  if (fit.fits() == Fits::no) return "";
  if (mtp && head.path == target.path) {
    if (head.checkpoint == nullptr) return "";
    const std::string why = runs(target, true);
    return why.empty() ? fmt::format("specdec run --target {} --draft mtp", target.name)
                       : fmt::format("this version cannot run it: {}", why);
  }
  if (is_eagle(fit.recognised.role) && head.checkpoint != nullptr) {
    const std::string why = runs(target, false);
    return why.empty() ? fmt::format("specdec run --target {} --draft eagle:{}", target.name, head.name)
                       : fmt::format("this version cannot run it: {}", why);
  }
  std::vector<std::string_view> kinds;
  for (const DrafterKind& kind : drafter_kinds()) kinds.push_back(kind.name);
  return fmt::format(
      "this version checks such a head and does not run it{} (it guesses with: {}); its acceptance is to "
      "be measured in an engine that does",
      mtp ? " from a checkpoint other than the target's" : "", fmt::join(kinds, ", "));
}

}  // namespace

std::string_view name_of(Fits fits) {
  constexpr std::array<std::string_view, 3> kNames{"yes", "no", "unknown"};
  return kNames[static_cast<std::size_t>(fits)];
}

Fits HeadFit::fits() const {
  const auto any = [&](Fits one) { return std::ranges::find(checks, one, &HeadCheck::fits) != checks.end(); };
  return any(Fits::no) ? Fits::no : any(Fits::yes) ? Fits::yes : Fits::unknown;
}

int exit_code_of(const HeadFit& fit) { return fit.fits() == Fits::no ? exit_code_of(VocabVerdict::unusable) : 0; }

std::optional<Recognised> recognise_head(const std::string& draft) {
  if (asks_for_mtp(draft)) return Recognised{CheckpointRole::mtp_sidecar, "as asked for"};
  const fs::path path = path_of(draft);
  if (is_gguf(path)) return recognise_gguf(path);
  if (!is_model_config(path) && !fs::exists(path / "config.json")) return std::nullopt;
  const Recognised recognised = recognised_as(head_side(draft, path));
  return is_head(recognised.role) ? std::optional(recognised) : std::nullopt;
}

HeadFit fit_head(const std::string& target_name, const std::string& head_name) {
  HeadFit fit;
  fit.target = target_name;
  fit.head = head_name;
  const TargetSide target = target_side(target_name);
  const bool mtp = asks_for_mtp(head_name);
  const std::string of = head_name.starts_with(kOf) ? head_name.substr(kOf.size()) : target_name;
  const HeadSide head = head_side(head_name, path_of(mtp ? of : head_name));
  fit.recognised = mtp ? *recognise_head(head_name) : recognised_as(head);
  fit.kind = !mtp                ? std::string(name_of(fit.recognised.role))
             : head_name == kOwn ? "the target's own MTP layer"
                                 : fmt::format("the MTP layer of {}", of);
  HeadChecks checks;
  if (head.checkpoint == nullptr && fs::exists(head.path / "pytorch_model.bin"))
    checks.unknown("tensors", "pytorch_model.bin is not read; convert it to safetensors to have them checked");
  if (const auto missing = missing_shard(head.path))
    checks.unknown("tensors",
                   fmt::format("{} is missing; fetch it to have them checked", missing->filename().string()));
  const CheckpointRole role = fit.recognised.role;
  if (role == CheckpointRole::eagle) {
    check_eagle(head, target, checks);
  } else if (role == CheckpointRole::eagle3 || role == CheckpointRole::eagle3_speculators) {
    check_eagle3(head, target, role == CheckpointRole::eagle3_speculators, checks);
  } else if (role == CheckpointRole::mtp_sidecar) {
    check_mtp(head, target, checks);
  } else {
    checks.add(
        "kind", false,
        fmt::format("{} ({}): this version neither checks nor runs such heads", name_of(role), fit.recognised.reason));
  }
  if (head.path == target.path) {
    fit.same_model = Fits::yes;
  } else if (role != CheckpointRole::medusa && role != CheckpointRole::other_head) {
    check_origin(head, target, fit, checks);
  }
  fit.checks = checks.take();
  fit.use = use_of(fit, target, head);
  return fit;
}

}  // namespace specdec
