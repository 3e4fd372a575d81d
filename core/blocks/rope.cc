#include "core/blocks/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace specdec {
namespace {

constexpr double kDefaultTheta = 10000;

double stretch_of(const ConfigReader& scaling) {
  if (!scaling.has("factor")) throw Error("{}: this rope type needs a 'factor', which is missing", scaling.origin());
  const double factor = scaling.number("factor", 1);
  if (factor <= 0) throw Error("{}: factor is {}; expected more than 0", scaling.origin(), factor);
  return factor;
}

// Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended.
double llama3_frequency(double frequency, const ConfigReader& scaling) {
  const double factor = stretch_of(scaling);
  const double low = scaling.number("low_freq_factor", 1);
  const double high = scaling.number("high_freq_factor", 4);
  const double original = scaling.number("original_max_position_embeddings", 8192);
  if (original <= 0 || high <= low) {
    throw Error("{}: llama3 needs original_max_position_embeddings > 0, high_freq_factor > low_freq_factor",
                scaling.origin());
  }
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength > original / low) return frequency / factor;
  if (wavelength < original / high) return frequency;
  const double smooth = (original / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

}  // namespace

Rope read_rope(const ConfigReader& config, int head_dim, double partial_fallback) {
  const std::optional<ConfigReader> parameters = config.object("rope_parameters");
  const std::optional<ConfigReader> scaling = parameters ? parameters : config.object("rope_scaling");
  const ConfigReader& base = parameters && parameters->has("rope_theta") ? *parameters : config;
  const ConfigReader& part = parameters && parameters->has("partial_rotary_factor") ? *parameters : config;
  const double theta = base.number("rope_theta", kDefaultTheta);
  const double partial = part.number("partial_rotary_factor", partial_fallback);
  if (theta <= 0) throw Error("{}: rope_theta is {}; expected more than 0", base.origin(), theta);
  if (partial <= 0 || partial > 1) {
    throw Error("{}: partial_rotary_factor is {}; expected 0 to 1", part.origin(), partial);
  }
  Rope rope;
  rope.dims = static_cast<int>(head_dim * partial);
  if (rope.dims % 2 != 0) throw Error("{}: {} rotary dimensions; expected an even number", config.origin(), rope.dims);

  const std::string type = scaling ? scaling->text(scaling->first_of({"rope_type", "type"}), "default") : "default";
  if (type != "default" && type != "linear" && type != "llama3" && type != "factors") {
    throw Error("{}: rope type '{}' is not supported; there are: default, linear, llama3, factors", scaling->origin(),
                type);
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
  const double stretch = type == "linear" ? stretch_of(*scaling) : 1;
  for (int i = 0; i < rope.dims; i += 2) {
    double frequency =
        std::pow(theta, -static_cast<double>(i) / rope.dims) / stretch / factors[static_cast<std::size_t>(i / 2)];
    if (type == "llama3") frequency = llama3_frequency(frequency, *scaling);
    rope.frequencies.push_back(static_cast<float>(frequency));
  }
  return rope;
}

void rope_angles(const Rope& rope, int position, float* cosines, float* sines) {
  for (std::size_t i = 0; i < rope.frequencies.size(); ++i) {
    const float angle = static_cast<float>(position) * rope.frequencies[i];
    cosines[i] = std::cos(angle);
    sines[i] = std::sin(angle);
  }
}

void rotate(float* head, int dims, const float* cosines, const float* sines) {
  const int half = dims / 2;
  for (int i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * cosines[i] - b * sines[i];
    head[i + half] = b * cosines[i] + a * sines[i];
  }
}

}  // namespace specdec
