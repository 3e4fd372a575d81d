#include "core/blocks/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace specdec {
namespace {

double stretch_of(const ConfigReader& scaling) {
  if (!scaling.has("factor")) throw Error("{}: this rope type needs a 'factor', which is missing", scaling.origin());
  const double factor = scaling.number("factor", 1);
  if (factor <= 0) throw Error("{}: factor is {}; expected more than 0", scaling.origin(), factor);
  return factor;
}

// Positions per radian of dimensions i and i + 1. All of this is in float32, in the order of transformers: a position
// of thousands multiplies what rounding leaves.
float period(double theta, int i, int dims) {
  return std::pow(static_cast<float>(theta), static_cast<float>(i) / static_cast<float>(dims));
}

// The context of the model before it was stretched; a key beside the RoPE's own wins, as in transformers.
double original_context(const ConfigReader& config, const ConfigReader& scaling) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  const ConfigReader& said = config.has(kKey) ? config : scaling;
  return said.has(kKey) ? said.positive(kKey, 1) : config.count("max_position_embeddings");
}

// Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended.
void apply_llama3(const ConfigReader& config, const ConfigReader& scaling, Rope& rope) {
  const auto factor = static_cast<float>(stretch_of(scaling));
  for (const std::string_view key : {"low_freq_factor", "high_freq_factor"}) {
    if (!scaling.has(key)) throw Error("{}: llama3 needs a '{}', which is missing", scaling.origin(), key);
  }
  const auto low = static_cast<float>(scaling.positive("low_freq_factor", 1));
  const auto high = static_cast<float>(scaling.positive("high_freq_factor", 4));
  const auto original = static_cast<float>(original_context(config, scaling));
  if (high <= low) {
    throw Error("{}: high_freq_factor is {}; expected more than low_freq_factor, which is {}", scaling.origin(), high,
                low);
  }
  for (float& frequency : rope.frequencies) {
    const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
    if (wavelength < original / high) continue;
    const float smooth = (original / wavelength - low) / (high - low);
    frequency =
        wavelength > original / low ? frequency / factor : (1 - smooth) * frequency / factor + smooth * frequency;
  }
}

// YaRN: wavelengths that turn less than beta_slow times in the original context are stretched by `factor`, those that
// turn more than beta_fast times are kept, those between blended.
void apply_yarn(const ConfigReader& config, const ConfigReader& scaling, double theta, int dim, Rope& rope) {
  const double factor = rope_stretch(config, scaling);
  const double original = original_context(config, scaling);
  const double fast = scaling.positive("beta_fast", 32);
  const double slow = scaling.positive("beta_slow", 1);
  if (theta <= 1) throw Error("{}: rope_theta is {}; expected more than 1 for yarn", scaling.origin(), theta);
  const auto dimension_of = [&](double turns) {
    return dim * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = dimension_of(fast);
  double high = dimension_of(slow);
  if (scaling.boolean("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < rope.frequencies.size(); ++i) {
    const float rise = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float kept = 1 - std::clamp(rise, 0.0F, 1.0F);
    const float unstretched = period(theta, 2 * static_cast<int>(i), dim);
    rope.frequencies[i] = 1 / (static_cast<float>(factor) * unstretched) * (1 - kept) + 1 / unstretched * kept;
  }
  const double mscale = scaling.not_negative("mscale", 0);
  const double mscale_all = scaling.not_negative("mscale_all_dim", 0);
  const double ratio = mscale != 0 && mscale_all != 0
                           ? yarn_magnitude(factor, mscale) / yarn_magnitude(factor, mscale_all)
                           : yarn_magnitude(factor, 1);
  rope.magnitude = static_cast<float>(scaling.positive("attention_factor", ratio));
}

// What each frequency is divided by.
std::vector<double> read_factors(const ConfigReader& scaling, std::string_view key, std::size_t count) {
  std::vector<double> factors = scaling.numbers(key);
  if (factors.size() != count || std::ranges::any_of(factors, [](double factor) { return factor <= 0; })) {
    throw Error("{}: '{}' lists {} numbers; expected {} above 0", scaling.origin(), key, factors.size(), count);
  }
  return factors;
}

// LongRoPE as far as the original context; what is beyond has other frequencies, and so has all that was before it.
void apply_longrope(const ConfigReader& config, const ConfigReader& scaling, double theta, int dim, Rope& rope) {
  const std::vector<double> factors = read_factors(scaling, "short_factor", rope.frequencies.size());
  for (std::size_t i = 0; i < factors.size(); ++i) {
    rope.frequencies[i] = 1 / (static_cast<float>(factors[i]) * period(theta, 2 * static_cast<int>(i), dim));
  }
  const double original = original_context(config, scaling);
  if (original <= 1) throw Error("{}: the original context is {}; expected more than 1", scaling.origin(), original);
  const double factor = rope_stretch(config, scaling);
  const double fallback = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
  rope.magnitude = static_cast<float>(scaling.positive("attention_factor", fallback));
}

std::string type_of(const std::optional<ConfigReader>& scaling) {
  return scaling ? scaling->text(scaling->first_of({"rope_type", "type"}), "default") : "default";
}

double partial_of(const ConfigReader& config, const std::optional<ConfigReader>& scaling, double fallback) {
  constexpr std::string_view kKey = "partial_rotary_factor";
  const ConfigReader& said = scaling && scaling->has(kKey) ? *scaling : config;
  const double partial = said.number(kKey, fallback > 0 && !config.is_null(kKey) ? fallback : 1);
  if (partial <= 0 || partial > 1) throw Error("{}: {} is {}; expected 0 to 1", said.origin(), kKey, partial);
  return partial;
}

}  // namespace

Rope read_rope(const ConfigReader& config, int head_dim, double partial_fallback, double theta_fallback) {
  const std::optional<ConfigReader> scaling = rope_scaling(config);
  for (const std::string_view kind : {"full_attention", "sliding_attention"}) {
    if (!scaling || !scaling->has(kind)) continue;
    throw Error("{}: '{}' has a RoPE of its own; expected one for all layers, as this architecture has it",
                scaling->origin(), kind);
  }
  const ConfigReader& said = scaling && scaling->has("rope_theta") ? *scaling : config;
  return make_rope(config, scaling, said.number("rope_theta", theta_fallback), head_dim, partial_fallback);
}

std::optional<ConfigReader> rope_scaling(const ConfigReader& config) {
  const std::optional<ConfigReader> older = config.object("rope_scaling");
  return older && !older->keys().empty() ? older : config.object("rope_parameters");
}

int read_context(const ConfigReader& config, int fallback) {
  const int context = config.positive_count("max_position_embeddings", fallback);
  const std::optional<ConfigReader> scaling = rope_scaling(config);
  if (type_of(scaling) != "longrope") return context;
  return std::min(context, static_cast<int>(std::min(original_context(config, *scaling), 1e9)));
}

double rope_stretch(const ConfigReader& config, const ConfigReader& scaling) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  if (scaling.has("factor") || (!scaling.has(kKey) && !config.has(kKey))) return stretch_of(scaling);
  return config.count("max_position_embeddings") / original_context(config, scaling);
}

Rope make_rope(const ConfigReader& config, const std::optional<ConfigReader>& scaling, double theta, int head_dim,
               double partial_fallback) {
  if (theta <= 0) throw Error("{}: rope_theta is {}; expected more than 0", config.origin(), theta);
  const std::string type = type_of(scaling);
  constexpr std::array<std::string_view, 8> kTypes{"default", "linear",  "proportional", "llama3",
                                                   "yarn",    "dynamic", "longrope",     "factors"};
  if (std::ranges::find(kTypes, type) == kTypes.end()) {
    throw Error("{}: rope type '{}' is not supported; there are: {}", scaling->origin(), type, fmt::join(kTypes, ", "));
  }
  const bool whole = partial_fallback == 0;
  const double partial = whole && type == "default" ? 1 : partial_of(config, scaling, partial_fallback);
  const bool proportional = type == "proportional";
  if (whole && partial < 1 && !proportional) {
    throw Error(
        "{}: partial_rotary_factor is {} with rope type {}; expected 1: heads of this architecture rotate whole",
        scaling->origin(), partial, type);
  }
  const int dim = proportional ? head_dim : static_cast<int>(head_dim * partial);
  const int pairs = (dim + 1) / 2;  // an odd number is rounded up
  Rope rope;
  rope.dims = 2 * pairs;
  if (pairs < 1 || rope.dims > head_dim) {
    throw Error("{}: {} of the {} elements of a head rotate; expected an even number of at least 2", config.origin(),
                dim, head_dim);
  }
  const int turning = proportional ? static_cast<int>(partial * head_dim) / 2 : pairs;
  const bool stretched = type == "linear" || (proportional && scaling->has("factor"));
  const auto stretch = static_cast<float>(stretched ? stretch_of(*scaling) : 1);
  for (int i = 0; i < pairs; ++i) {
    rope.frequencies.push_back(i < turning ? 1 / period(theta, 2 * i, dim) / stretch : 0);
  }
  if (type == "dynamic") stretch_of(*scaling);  // only beyond max_position_embeddings would it stretch
  if (type == "llama3") apply_llama3(config, *scaling, rope);
  if (type == "yarn") apply_yarn(config, *scaling, theta, dim, rope);
  if (type == "longrope") apply_longrope(config, *scaling, theta, dim, rope);
  if (type == "factors") {
    const std::vector<double> factors = read_factors(*scaling, "factors", rope.frequencies.size());
    for (std::size_t i = 0; i < factors.size(); ++i) {
      rope.frequencies[i] = static_cast<float>(rope.frequencies[i] / factors[i]);
    }
  }
  return rope;
}

double yarn_magnitude(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

void rope_angles(const Rope& rope, int position, float* angles) {
  const std::size_t half = rope.frequencies.size();
  for (std::size_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * rope.frequencies[i];
    angles[i] = std::cos(angle) * rope.magnitude;
    angles[half + i] = std::sin(angle) * rope.magnitude;
  }
}

void rotate(const Rope& rope, const float* angles, float* head) {
  const int half = rope.dims / 2;
  const int step = rope.interleaved ? 2 : 1;
  const int apart = rope.interleaved ? 1 : half;
  for (int i = 0; i < half; ++i) {
    float& first = head[i * step];
    float& second = head[i * step + apart];
    const float a = first;
    const float b = second;
    first = a * angles[i] - b * angles[half + i];
    second = b * angles[i] + a * angles[half + i];
  }
}

}  // namespace specdec
