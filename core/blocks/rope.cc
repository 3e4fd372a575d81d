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

// Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended.
float llama3_frequency(float frequency, const ConfigReader& scaling) {
  const auto factor = static_cast<float>(stretch_of(scaling));
  const auto low = static_cast<float>(scaling.number("low_freq_factor", 1));
  const auto high = static_cast<float>(scaling.number("high_freq_factor", 4));
  const auto original = static_cast<float>(scaling.number("original_max_position_embeddings", 8192));
  if (original <= 0 || high <= low) {
    throw Error("{}: llama3 needs original_max_position_embeddings > 0, high_freq_factor > low_freq_factor",
                scaling.origin());
  }
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  if (wavelength > original / low) return frequency / factor;
  if (wavelength < original / high) return frequency;
  const float smooth = (original / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

// YaRN: wavelengths that turn less than beta_slow times in the original context are stretched by `factor`, those that
// turn more than beta_fast times are kept, those between blended.
void apply_yarn(const ConfigReader& config, const ConfigReader& scaling, double theta, Rope& rope) {
  const double factor = rope_stretch(config, scaling);
  const double original = scaling.number("original_max_position_embeddings", config.count("max_position_embeddings"));
  const double fast = scaling.number("beta_fast", 32);
  const double slow = scaling.number("beta_slow", 1);
  if (original <= 0 || fast <= 0 || slow <= 0 || theta <= 1) {
    throw Error("{}: yarn needs original_max_position_embeddings, beta_fast and beta_slow above 0, rope_theta above 1",
                scaling.origin());
  }
  const auto dimension_of = [&](double turns) {
    return rope.dims * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = dimension_of(fast);
  double high = dimension_of(slow);
  if (scaling.boolean("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, rope.dims - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < rope.frequencies.size(); ++i) {
    const float rise = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float kept = 1 - std::clamp(rise, 0.0F, 1.0F);
    const float unstretched = period(theta, 2 * static_cast<int>(i), rope.dims);
    rope.frequencies[i] = 1 / (static_cast<float>(factor) * unstretched) * (1 - kept) + 1 / unstretched * kept;
  }
  const double mscale = scaling.number("mscale", 0);
  const double mscale_all = scaling.number("mscale_all_dim", 0);
  const double ratio = mscale != 0 && mscale_all != 0
                           ? yarn_magnitude(factor, mscale) / yarn_magnitude(factor, mscale_all)
                           : yarn_magnitude(factor, 1);
  rope.magnitude = static_cast<float>(scaling.number("attention_factor", ratio));
}

}  // namespace

Rope read_rope(const ConfigReader& config, int head_dim, double partial_fallback, double theta_fallback) {
  const std::optional<ConfigReader> parameters = config.object("rope_parameters");
  const std::optional<ConfigReader> scaling = rope_scaling(config);
  const ConfigReader& base = scaling && scaling->has("rope_theta")         ? *scaling
                             : parameters && parameters->has("rope_theta") ? *parameters
                                                                           : config;
  const ConfigReader& part = parameters && parameters->has("partial_rotary_factor") ? *parameters : config;
  const double theta = base.number("rope_theta", theta_fallback);
  const double partial = part.number("partial_rotary_factor", partial_fallback);
  if (partial <= 0 || partial > 1) {
    throw Error("{}: partial_rotary_factor is {}; expected 0 to 1", part.origin(), partial);
  }
  return make_rope(config, scaling, theta, static_cast<int>(head_dim * partial));
}

std::optional<ConfigReader> rope_scaling(const ConfigReader& config) {
  const std::optional<ConfigReader> older = config.object("rope_scaling");  // it wins where both are there
  return older ? older : config.object("rope_parameters");
}

double rope_stretch(const ConfigReader& config, const ConfigReader& scaling) {
  const double original = scaling.number("original_max_position_embeddings", 0);
  if (scaling.has("factor") || original <= 0) return stretch_of(scaling);
  return config.count("max_position_embeddings") / original;
}

Rope make_rope(const ConfigReader& config, const std::optional<ConfigReader>& scaling, double theta, int dims) {
  if (theta <= 0) throw Error("{}: rope_theta is {}; expected more than 0", config.origin(), theta);
  if (dims % 2 != 0) throw Error("{}: {} rotary dimensions; expected an even number", config.origin(), dims);
  Rope rope;
  rope.dims = dims;
  const std::string type = scaling ? scaling->text(scaling->first_of({"rope_type", "type"}), "default") : "default";
  constexpr std::array<std::string_view, 5> kTypes{"default", "linear", "llama3", "yarn", "factors"};
  if (std::ranges::find(kTypes, type) == kTypes.end()) {
    throw Error("{}: rope type '{}' is not supported; there are: {}", scaling->origin(), type, fmt::join(kTypes, ", "));
  }
  std::vector<double> factors(static_cast<std::size_t>(rope.dims / 2), 1);
  if (type == "factors") {
    factors = scaling->numbers("factors");
    if (factors.size() != static_cast<std::size_t>(rope.dims / 2) ||
        std::ranges::any_of(factors, [](double factor) { return factor <= 0; })) {
      throw Error("{}: 'factors' lists {} numbers; expected {} above 0", scaling->origin(), factors.size(),
                  rope.dims / 2);
    }
  }
  const auto stretch = static_cast<float>(type == "linear" ? stretch_of(*scaling) : 1);
  for (int i = 0; i < rope.dims; i += 2) {
    float frequency = 1 / period(theta, i, rope.dims) / stretch;
    frequency = static_cast<float>(frequency / factors[static_cast<std::size_t>(i / 2)]);
    if (type == "llama3") frequency = llama3_frequency(frequency, *scaling);
    rope.frequencies.push_back(frequency);
  }
  if (type == "yarn") apply_yarn(config, *scaling, theta, rope);
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
