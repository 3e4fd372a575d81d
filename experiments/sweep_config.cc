#include "experiments/sweep_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files/json.h"
#include "core/files/json_lines.h"
#include "core/files/mapped_file.h"
#include "experiments/sweep_files.h"

namespace specdec {
namespace {

using nlohmann::json;

constexpr std::size_t kMostArms = 10'000, kMostTrials = 100'000;

std::string element(const std::string& path, std::size_t i) { return fmt::format("{}[{}]", path, i); }

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr std::size_t kMost = 60;
  return text.size() > kMost ? text.substr(0, kMost) + "…" : text;
}

std::string canonical(const SweepConfig& config) {
  json arms = json::array();
  for (const Setting& arm : config.arms) arms.push_back(json::parse(identity_of(arm)));
  return json{
      {"name", config.name}, {"axes", config.axes}, {"arms", arms}, {"repeats", config.repeats}, {"seed", config.seed}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

void keep_different(std::vector<Setting>& arms) {
  std::set<std::string> seen;
  std::vector<Setting> different;
  for (Setting& arm : arms) {
    if (seen.insert(identity_of(arm)).second) different.push_back(without_idle_options(std::move(arm)));
  }
  arms = std::move(different);
}

class ConfigParser {
 public:
  ConfigParser(std::string_view text, const std::string& origin)
      : origin_(origin), root_(parse_json(text, origin, Comments::allowed)), lines_(text) {}

  SweepConfig parse() {
    if (!root_.is_object()) fail("", "expected an object: {…}");
    constexpr std::string_view kKeys[] = {"name", "question", "method",  "options", "product",
                                          "zip",  "exclude",  "repeats", "seed",    "until"};
    for (const auto& [key, value] : root_.items()) {
      if (std::ranges::find(kKeys, key) == std::end(kKeys))
        fail(key, fmt::format("no such key; there are: {}", fmt::join(kKeys, ", ")));
    }
    SweepConfig config;
    config.name = text("name", "");
    const auto is_plain = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
             c == '.';
    };
    if (config.name.empty() || config.name.size() > 80 || !std::ranges::all_of(config.name, is_plain))
      fail("name", "expected a name of letters, digits, '-', '_' and '.', up to 80");
    config.question = text("question", "");
    config.method = text("method", "");
    config.repeats = integer("repeats", config.repeats, 1, 10000);
    config.seed = static_cast<std::uint64_t>(integer("seed", 1, 0, 1'000'000'000));
    if (root_.contains("until")) config.until = until(root_["until"]);

    Setting fixed = root_.contains("options") ? options(root_["options"], "options") : Setting{};
    std::vector<Setting> arms{fixed};
    for_each_by_place("product", [&](const std::string& key, const json& values, const std::string& path) {
      arms = times(arms, {{key, list(values, path)}}, path);
      config.axes.push_back(key);
    });
    for (std::size_t i = 0; i < groups("zip"); ++i) {
      const json& group = root_["zip"].is_object() ? root_["zip"] : root_["zip"][i];
      const std::string path = root_["zip"].is_object() ? "zip" : element("zip", i);
      std::vector<std::pair<std::string, std::vector<OptionValue>>> together;
      for_each_by_place(group, path, [&](const std::string& key, const json& values, const std::string& at) {
        together.emplace_back(key, list(values, at, Equals::allowed));
        if (together.back().second.size() != together.front().second.size()) {
          fail(at, fmt::format("{} values, but {} has {}: lists of a zip are as long as one another",
                               together.back().second.size(), together.front().first, together.front().second.size()));
        }
        config.axes.push_back(key);
      });
      if (!together.empty()) arms = times(arms, together, path);
    }
    check_axes(config.axes, fixed);
    exclude(arms);
    keep_different(arms);
    if (arms.empty()) fail("exclude", "nothing is left to run");
    if (arms.size() * static_cast<std::size_t>(config.repeats) > kMostTrials) {
      fail("repeats",
           fmt::format("{} arms x {} repeats: expected up to {} trials", arms.size(), config.repeats, kMostTrials));
    }
    for (const Setting& arm : arms) check(arm);
    config.arms = std::move(arms);
    config.text = canonical(config);
    return config;
  }

 private:
  [[noreturn]] void fail(const std::string& path, const std::string& why) const {
    throw UsageError("{}:{}: {}{}{}", origin_, lines_.line_of(path), path, path.empty() ? "" : ": ", why);
  }

  std::string text(const std::string& key, const std::string& otherwise) const {
    if (!root_.contains(key)) return otherwise;
    if (!root_[key].is_string()) fail(key, fmt::format("{}: expected a text in quotes", shown(root_[key])));
    return root_[key].get<std::string>();
  }

  int integer(const std::string& key, int otherwise, std::int64_t least, std::int64_t most) const {
    if (!root_.contains(key)) return otherwise;
    const json& value = root_[key];
    const bool fits = value.is_number_integer() && value.get<double>() >= static_cast<double>(least) &&
                      value.get<double>() <= static_cast<double>(most);
    if (!fits) fail(key, fmt::format("{}: expected a whole number from {} to {}", shown(value), least, most));
    return static_cast<int>(value.get<std::int64_t>());
  }

  double until(const json& value) const {
    if (value.is_object() && value.size() == 1 && value.contains("ci") && value["ci"].is_number()) {
      const double share = value["ci"].get<double>();
      if (share > 0 && share < 1) return share;
    }
    fail("until", fmt::format("{}: expected {{\"ci\": 0.02}}: a share between 0 and 1", shown(value)));
  }

  OptionValue value_of(const json& value, const std::string& path) const {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) fail(path, "the number is too large");
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_number()) return value.get<double>();
    if (value.is_string()) return value.get<std::string>();
    fail(path, fmt::format("{}: expected a text, a number, true or false", shown(value)));
  }

  // Of the right type, and an option that there is.
  OptionValue option(const std::string& key, const json& value, const std::string& path) const {
    OptionValue found = value_of(value, path);
    const ArmOption* known = find_arm_option(key);
    if (known == nullptr) fail(path, fmt::format("no such option; there are: {}", names_of_arm_options()));
    if (!fits(found, known->type)) fail(path, fmt::format("{}: expected {}", shown(value), name_of(known->type)));
    if (known->type == ArmOption::Type::number)
      return value.get<double>() + 0.0;  // 1 and 1.0 are one, and so are 0 and -0
    return found;
  }

  Setting options(const json& object, const std::string& path) const {
    if (!object.is_object()) fail(path, fmt::format("{}: expected an object of options", shown(object)));
    Setting setting;
    for (const auto& [key, value] : object.items()) setting[key] = option(key, value, member(path, key));
    return setting;
  }

  enum class Equals { refused, allowed };

  std::vector<OptionValue> list(const json& values, const std::string& path, Equals equals = Equals::refused) const {
    if (!values.is_array() || values.empty())
      fail(path, fmt::format("{}: expected a list of values, such as [1, 2, 4]", shown(values)));
    const std::string key = path.substr(path.find_last_of('.') + 1);
    std::vector<OptionValue> all;
    for (std::size_t i = 0; i < values.size(); ++i) {
      all.push_back(option(key, values[i], element(path, i)));
      if (equals == Equals::refused && std::ranges::find(all.begin(), all.end() - 1, all.back()) != all.end() - 1)
        fail(element(path, i), fmt::format("{} stands twice in the list", shown(values[i])));
    }
    return all;
  }

  // Members in the order of the file.
  template <typename See>
  void for_each_by_place(const json& object, const std::string& path, const See& see) const {
    if (!object.is_object()) fail(path, fmt::format("{}: expected an object of lists", shown(object)));
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items()) keys.push_back(key);
    std::ranges::sort(keys, {}, [&](const std::string& key) { return lines_.place_of(member(path, key)); });
    for (const std::string& key : keys) see(key, object[key], member(path, key));
  }
  template <typename See>
  void for_each_by_place(const std::string& key, const See& see) const {
    if (root_.contains(key)) for_each_by_place(root_[key], key, see);
  }

  std::size_t groups(const std::string& key) const {
    if (!root_.contains(key)) return 0;
    if (root_[key].is_object()) return 1;
    if (!root_[key].is_array()) fail(key, "expected an object of lists, or a list of such objects");
    return root_[key].size();
  }

  std::vector<Setting> times(const std::vector<Setting>& arms,
                             const std::vector<std::pair<std::string, std::vector<OptionValue>>>& together,
                             const std::string& path) const {
    const std::size_t values = together.front().second.size();
    if (arms.size() * values > kMostArms) fail(path, fmt::format("more than {} settings in all", kMostArms));
    std::vector<Setting> product;
    for (const Setting& arm : arms) {
      for (std::size_t i = 0; i < values; ++i) {
        product.push_back(arm);
        for (const auto& [key, list] : together) product.back()[key] = list[i];
      }
    }
    return product;
  }

  void check_axes(const std::vector<std::string>& axes, const Setting& fixed) const {
    std::set<std::string> seen;
    for (const std::string& axis : axes) {
      if (!seen.insert(axis).second) fail(member("product", axis), "varied twice");
      if (fixed.contains(axis)) fail(member("options", axis), "also varied; expected one of the two");
    }
  }

  // An arm is left out if all options of a rule have the value there, or one of a list of values.
  void exclude(std::vector<Setting>& arms) const {
    if (!root_.contains("exclude")) return;
    const json& all = root_["exclude"];
    if (!all.is_array()) fail("exclude", "expected a list of objects: [{\"draft\": \"ngram\", \"k\": 8}]");
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string path = element("exclude", i);
      if (!all[i].is_object() || all[i].empty()) fail(path, "expected an object of options");
      std::map<std::string, std::vector<OptionValue>> rule;
      for (const auto& [key, value] : all[i].items()) {
        const std::string at = member(path, key);
        rule[key] = value.is_array() ? list(value, at) : std::vector{option(key, value, at)};
      }
      const auto left_out = std::erase_if(arms, [&](const Setting& arm) {
        return std::ranges::all_of(rule, [&](const auto& wanted) {
          const auto found = arm.find(wanted.first);
          return found != arm.end() && std::ranges::find(wanted.second, found->second) != wanted.second.end();
        });
      });
      if (left_out == 0) fail(path, "no arm that is left has these values");
    }
  }

  // Where an option of an arm stands.
  std::string path_of(const std::string& key, const Setting& arm) const {
    const std::string product = member("product", key);
    if (lines_.has(product)) {
      const json& values = root_["product"][key];
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (arm.contains(key) && option(key, values[i], product) == arm.at(key)) return element(product, i);
      }
    }
    const std::string fixed = member("options", key);
    return lines_.has(fixed) ? fixed : "zip";
  }

  void check(const Setting& arm) const {
    try {
      arm_of(arm);
    } catch (const Error& error) {
      const std::string what = error.what();
      const std::string key = what.substr(0, what.find_first_of(": "));
      throw UsageError("{}:{}: {}", origin_, lines_.line_of(path_of(key, arm)), what);
    }
  }

  std::string origin_;
  json root_;
  JsonLines lines_;
};

}  // namespace

std::string SweepConfig::fingerprint() const {
  Checksum sum;
  sum.add(text);
  return sum.text();
}

SweepConfig parse_sweep_config(std::string_view text, const std::string& origin) {
  return ConfigParser(text, origin).parse();
}

SweepConfig small_of(SweepConfig config) {
  constexpr std::int64_t kTokens = 12;
  for (Setting& arm : config.arms) {
    arm["prompts_per_domain"] = std::int64_t{1};
    arm["max_tokens"] = std::min<std::int64_t>(kTokens, arm_of(arm).trial.max_tokens);
  }
  keep_different(config.arms);
  config.repeats = 1;
  config.until.reset();
  config.name += "-small";
  config.text = canonical(config);
  return config;
}

SweepConfig read_sweep_config(const std::string& name) {
  if (std::filesystem::is_regular_file(name)) return parse_sweep_config(MappedFile(name).text(), name);
  std::vector<std::string_view> names;
  for (const NamedText& file : sweep_files()) {
    if (file.name == name) return parse_sweep_config(file.text, fmt::format("{}.json", name));
    names.push_back(file.name);
  }
  throw Error("{}: no such file; experiments that come along: {}", name, fmt::join(names, ", "));
}

double parse_until(std::string_view text) {
  constexpr std::string_view kStart = "ci=";
  double share = 0;
  if (text.starts_with(kStart)) {
    const auto [end, failed] = std::from_chars(text.data() + kStart.size(), text.data() + text.size(), share);
    if (failed == std::errc{} && end == text.data() + text.size() && share > 0 && share < 1) return share;
  }
  throw UsageError("--until {}: expected ci=SHARE with a share between 0 and 1, such as ci=0.02", text);
}

std::string sweep_schema() {
  using Ordered = nlohmann::ordered_json;
  Ordered options = Ordered::object(), lists = Ordered::object(), either = Ordered::object();
  for (const ArmOption& option : arm_options()) {
    const char* type = option.type == ArmOption::Type::flag      ? "boolean"
                       : option.type == ArmOption::Type::integer ? "integer"
                       : option.type == ArmOption::Type::number  ? "number"
                                                                 : "string";
    const std::string name(option.name);
    options[name] = {{"type", type}, {"description", option.meaning}};
    lists[name] = {{"type", "array"}, {"items", {{"type", type}}}, {"minItems", 1}, {"uniqueItems", true}};
    either[name] = {{"anyOf", {options[name], lists[name]}}};
  }
  const auto object_of = [](const Ordered& properties, const char* description) {
    return Ordered{
        {"type", "object"}, {"description", description}, {"properties", properties}, {"additionalProperties", false}};
  };
  const Ordered zip = object_of(lists, "options that are varied together; lists of one length");
  const Ordered schema{
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "specdec sweep"},
      {"type", "object"},
      {"required", {"name"}},
      {"additionalProperties", false},
      {"properties",
       {{"name", {{"type", "string"}, {"pattern", "^[A-Za-z0-9_.-]{1,80}$"}}},
        {"question", {{"type", "string"}}},
        {"method", {{"type", "string"}}},
        {"options", object_of(options, "options of all arms")},
        {"product", object_of(lists, "options that are varied, each with each")},
        {"zip", {{"anyOf", {zip, {{"type", "array"}, {"items", zip}}}}}},
        {"exclude", {{"type", "array"}, {"items", object_of(either, "arms with all of these values are left out")}}},
        {"repeats", {{"type", "integer"}, {"minimum", 1}, {"maximum", 10000}, {"default", 3}}},
        {"seed", {{"type", "integer"}, {"minimum", 0}, {"description", "of the order of trials"}, {"default", 1}}},
        {"until",
         {{"type", "object"},
          {"description", "an arm ends when the half width of its speed-up's interval is this share of it"},
          {"properties", {{"ci", {{"type", "number"}, {"exclusiveMinimum", 0}, {"exclusiveMaximum", 1}}}}},
          {"required", {"ci"}},
          {"additionalProperties", false}}}}}};
  return schema.dump(2) + "\n";
}

}  // namespace specdec
