#include "core/config.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files/json.h"
#include "core/files/mapped_file.h"

namespace specdec {

struct ConfigReader::Json {
  nlohmann::json value;

  const nlohmann::json* find(std::string_view key) const {
    const auto found = value.find(key);
    return found == value.end() || found->is_null() ? nullptr : &*found;
  }
};

namespace {

Error wrong(const std::string& origin, std::string_view key, const nlohmann::json& found, std::string_view expected) {
  return Error("{}: '{}' is {}; expected {}", origin, key,
               found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 60), expected);
}

int to_count(const std::string& origin, std::string_view key, const nlohmann::json& found, int least) {
  const bool fits = found.is_number_integer() && found.get<std::int64_t>() >= least &&
                    found.get<std::int64_t>() <= std::numeric_limits<int>::max() &&
                    !(found.is_number_unsigned() && found.get<std::uint64_t>() > std::numeric_limits<int>::max());
  if (!fits) throw wrong(origin, key, found, fmt::format("a whole number of at least {}", least));
  return found.get<int>();
}

double to_number(const std::string& origin, std::string_view key, const nlohmann::json& found) {
  if (!found.is_number() || !std::isfinite(found.get<double>())) throw wrong(origin, key, found, "a number");
  return found.get<double>();
}

// Names go into error messages, which are one line.
std::string to_text(const std::string& origin, std::string_view key, const nlohmann::json& found) {
  const auto is_control = [](unsigned char byte) { return byte < ' '; };
  if (!found.is_string() || std::ranges::any_of(found.get_ref<const std::string&>(), is_control)) {
    throw wrong(origin, key, found, "a string of one line");
  }
  return found.get<std::string>();
}

// Python writes numbers that JSON has not, such as the open end of Mamba's time_step_limit: here they are strings.
std::string with_infinities_quoted(std::string_view json) {
  std::string text(json);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') ++i;
    if (quoted) continue;
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
      if (text.compare(i, word.size(), word) != 0) continue;
      text.replace(i, word.size(), fmt::format("\"{}\"", word));
      i += word.size() + 1;
      break;
    }
  }
  return text;
}

}  // namespace

ConfigReader::ConfigReader(std::shared_ptr<const Json> json, std::string origin)
    : json_(std::move(json)), origin_(std::move(origin)) {}

ConfigReader::ConfigReader(std::string_view json, std::string origin) : origin_(std::move(origin)) {
  json_ = std::make_shared<Json>(Json{parse_json(with_infinities_quoted(json), origin_)});
  if (!json_->value.is_object()) throw Error("{}: expected a JSON object", origin_);
}

ConfigReader ConfigReader::of_file(const std::filesystem::path& path) {
  return ConfigReader(MappedFile(path).text(), path.string());
}

ConfigReader ConfigReader::with_defaults(std::string_view json) const {
  return with_defaults(ConfigReader(std::make_shared<Json>(Json{parse_json(json, origin_)}), origin_));
}

ConfigReader ConfigReader::with_defaults(const ConfigReader& defaults) const {
  nlohmann::json value = defaults.json_->value;
  for (const auto& [key, own] : json_->value.items()) {
    if (!own.is_null() || !value.contains(key)) value[key] = own;
  }
  return ConfigReader(std::make_shared<Json>(Json{std::move(value)}), origin_);
}

bool ConfigReader::has(std::string_view key) const { return json_->find(key) != nullptr; }

int ConfigReader::count(std::string_view key) const {
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) throw Error("{}: '{}' is missing; expected a whole number", origin_, key);
  return to_count(origin_, key, *found, 1);
}

int ConfigReader::count(std::string_view key, int fallback) const {
  const nlohmann::json* found = json_->find(key);
  return found == nullptr ? fallback : to_count(origin_, key, *found, 0);
}

int ConfigReader::count(std::string_view key, int fallback, int most) const {
  const int value = count(key, fallback);
  if (value < 1 || value > most) throw Error("{}: '{}' is {}; expected 1 to {}", origin_, key, value, most);
  return value;
}

int ConfigReader::positive_count(std::string_view key, int fallback) const { return has(key) ? count(key) : fallback; }

double ConfigReader::number(std::string_view key, double fallback) const {
  const nlohmann::json* found = json_->find(key);
  return found == nullptr ? fallback : to_number(origin_, key, *found);
}

double ConfigReader::positive(std::string_view key, double fallback) const {
  const double value = number(key, fallback);
  if (value <= 0) throw Error("{}: '{}' is {}; expected a number above 0", origin_, key, value);
  return value;
}

double ConfigReader::not_negative(std::string_view key, double fallback) const {
  const double value = number(key, fallback);
  if (value < 0) throw Error("{}: '{}' is {}; expected a number of at least 0", origin_, key, value);
  return value;
}

std::vector<double> ConfigReader::numbers(std::string_view key) const {
  std::vector<double> values;
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return values;
  if (!found->is_array()) throw wrong(origin_, key, *found, "a list of numbers");
  for (const nlohmann::json& item : *found) values.push_back(to_number(origin_, key, item));
  return values;
}

std::array<double, 2> ConfigReader::interval(std::string_view key, const std::array<double, 2>& fallback) const {
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return fallback;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto end_of = [&](const nlohmann::json& item, double open) {
    const bool is_open =
        item.is_null() || (item.is_object() && item.contains("__float__")) || item == "Infinity" || item == "-Infinity";
    return is_open ? open : to_number(origin_, key, item);
  };
  if (!found->is_array() || found->size() != 2)
    throw wrong(origin_, key, *found, "two numbers, the least and the most");
  const std::array<double, 2> ends{end_of((*found)[0], -kInfinity), end_of((*found)[1], kInfinity)};
  if (ends[0] > ends[1]) throw wrong(origin_, key, *found, "the least before the most");
  return ends;
}

bool ConfigReader::boolean(std::string_view key, bool fallback) const {
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return fallback && !is_null(key);  // a null is false, as it is to transformers
  if (!found->is_boolean()) throw wrong(origin_, key, *found, "true or false");
  return found->get<bool>();
}

std::string ConfigReader::text(std::string_view key, std::string_view fallback) const {
  const nlohmann::json* found = json_->find(key);
  return found == nullptr ? std::string(fallback) : to_text(origin_, key, *found);
}

std::vector<std::string> ConfigReader::texts(std::string_view key) const {
  std::vector<std::string> values;
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return values;
  if (!found->is_array()) throw wrong(origin_, key, *found, "a list of strings");
  for (const nlohmann::json& item : *found) values.push_back(to_text(origin_, key, item));
  return values;
}

std::vector<std::string> ConfigReader::letters(std::string_view key) const {
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr || !found->is_string()) return texts(key);
  std::vector<std::string> values;
  for (const char letter : text(key, "")) values.emplace_back(1, letter);
  return values;
}

std::vector<int> ConfigReader::integers(std::string_view key) const {
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return {};
  if (!found->is_array()) return {to_count(origin_, key, *found, 0)};
  std::vector<int> values;
  for (const nlohmann::json& item : *found) values.push_back(to_count(origin_, key, item, 0));
  return values;
}

std::optional<ConfigReader> ConfigReader::object(std::string_view key) const {
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_object()) throw wrong(origin_, key, *found, "an object");
  return ConfigReader(std::make_shared<Json>(Json{*found}), fmt::format("{}: {}", origin_, key));
}

std::vector<ConfigReader> ConfigReader::objects(std::string_view key) const {
  std::vector<ConfigReader> values;
  const nlohmann::json* found = json_->find(key);
  if (found == nullptr) return values;
  if (!found->is_array()) throw wrong(origin_, key, *found, "a list of objects");
  for (const nlohmann::json& item : *found) {
    if (!item.is_object()) throw wrong(origin_, key, item, "an object");
    values.push_back(
        ConfigReader(std::make_shared<Json>(Json{item}), fmt::format("{}: {}[{}]", origin_, key, values.size())));
  }
  return values;
}

std::optional<ConfigReader> ConfigReader::object_if(std::string_view key) const {
  const nlohmann::json* found = json_->find(key);
  return found == nullptr || !found->is_object() ? std::nullopt : object(key);
}

bool ConfigReader::is_null(std::string_view key) const {
  const auto found = json_->value.find(key);
  return found != json_->value.end() && found->is_null();
}

bool ConfigReader::is_false(std::string_view key) const {
  const nlohmann::json* found = json_->find(key);
  return found != nullptr && *found == false;
}

std::vector<std::string> ConfigReader::keys() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : json_->value.items()) names.push_back(to_text(origin_, "a key", key));
  return names;
}

std::string_view ConfigReader::first_of(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view key : keys) {
    if (has(key)) return key;
  }
  return *keys.begin();
}

}  // namespace specdec
