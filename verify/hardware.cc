#include "verify/hardware.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace specdec {
namespace {

using Machine = HardwareProfile;

constexpr double kExact = 1, kFirm = 1.02, kRate = 1.15, kLoose = 1.5, kGuess = 2;

constexpr std::array kMachineFields{
    ProfileField<Machine>{"memory_bytes", "bytes", &Machine::memory_bytes, kFirm},
    ProfileField<Machine>{"usable_memory_bytes", "bytes", &Machine::usable_memory_bytes, kFirm},
    ProfileField<Machine>{"peak_bytes_per_s", "bytes/s", &Machine::peak_bytes_per_s, kFirm},
    ProfileField<Machine>{"effective_bytes_per_s", "bytes/s", &Machine::effective_bytes_per_s, kRate},
    ProfileField<Machine>{"flops_per_s", "operations/s", &Machine::flops_per_s, kLoose},
    ProfileField<Machine>{"tile_rows", "rows", &Machine::tile_rows, kGuess},
    ProfileField<Machine>{"pass_s", "s", &Machine::pass_s, kGuess},
    ProfileField<Machine>{"dispatch_s", "s per layer", &Machine::dispatch_s, kLoose},
    ProfileField<Machine>{"row_s", "s per layer and row", &Machine::row_s, kGuess},
    ProfileField<Machine>{"repeat_share", "times an expert's reading", &Machine::repeat_share, kLoose},
    ProfileField<Machine>{"switch_share", "times a row's reading", &Machine::switch_share, kGuess},
    ProfileField<Machine>{"switch_rows", "rows", &Machine::switch_rows, kExact},
    ProfileField<Machine>{"sparse_s", "s per layer", &Machine::sparse_s, kGuess},
    ProfileField<Machine>{"step_s", "s", &Machine::step_s, kGuess},
    ProfileField<Machine>{"link_bytes_per_s", "bytes/s", &Machine::link_bytes_per_s, kLoose},
    ProfileField<Machine>{"link_latency_s", "s", &Machine::link_latency_s, kGuess},
    ProfileField<Machine>{"disk_bytes_per_s", "bytes/s", &Machine::disk_bytes_per_s, kLoose}};

constexpr std::array kLinkFields{ProfileField<LinkProfile>{"bytes_per_s", "bytes/s", &LinkProfile::bytes_per_s, kLoose},
                                 ProfileField<LinkProfile>{"latency_s", "s", &LinkProfile::latency_s, kGuess}};

double number_in(const ConfigReader& figure, std::string_view key, double fallback) {
  const double value = figure.number(key, fallback);
  constexpr double kMost = 1e18;
  if (value < 0 || value > kMost) throw Error("{}: '{}' is {}; expected 0 to 1e18", figure.origin(), key, value);
  return value;
}

Figure read_figure(const ConfigReader& file, std::string_view name, double spread) {
  const std::optional<ConfigReader> object = file.object(name);
  if (!object) {
    throw Error("{}: '{}' is missing; expected an object with value and source, or value null, assumed and source",
                file.origin(), name);
  }
  Figure figure;
  figure.known = object->has("value");
  if (!figure.known && !object->has("assumed")) {
    throw Error("{}: value is null; expected 'assumed' beside it: the number to take instead", object->origin());
  }
  figure.value = number_in(*object, figure.known ? "value" : "assumed", 0);
  figure.low = number_in(*object, "low", figure.value / spread);
  figure.high = number_in(*object, "high", figure.value * spread);
  if (figure.low > figure.value || figure.high < figure.value) {
    throw Error("{}: low {} and high {} are not on both sides of {}", object->origin(), figure.low, figure.high,
                figure.value);
  }
  figure.source = object->text("source", "");
  if (figure.source.empty()) throw Error("{}: source is missing; expected where the number is from", object->origin());
  return figure;
}

// A figure that something is divided by.
bool is_rate(std::string_view name) { return name.ends_with("_per_s") || name == "tile_rows"; }

// Whatever machine it runs on.
bool is_of_engine(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{"pass_s",      "repeat_share", "switch_share",
                                                   "switch_rows", "sparse_s",     "step_s"};
  return std::ranges::find(kNames, name) != kNames.end();
}

template <typename Profile>
void read_fields(const ConfigReader& file, std::span<const ProfileField<Profile>> fields,
                 std::initializer_list<std::string_view> others, Profile& profile) {
  profile.title = file.text("title", profile.name);
  for (const ProfileField<Profile>& field : fields) {
    Figure& figure = profile.*field.figure;
    figure = read_figure(file, field.name, field.spread);
    if (is_rate(field.name) && figure.low < 1) {
      throw Error("{}: '{}' may be {}; expected more than 0, at least 1", file.origin(), field.name, figure.low);
    }
  }
  for (const std::string& key : file.keys()) {
    const bool known = std::ranges::find(others, key) != others.end() ||
                       std::ranges::any_of(fields, [&](const auto& field) { return field.name == key; });
    if (known) continue;
    std::vector<std::string_view> names;
    for (const auto& field : fields) names.push_back(field.name);
    throw Error("{}: '{}' is no field; there are: {}", file.origin(), key, fmt::join(names, ", "));
  }
}

template <typename Profile>
std::vector<Profile> read_all(std::span<const NamedText> files,
                              Profile (*read)(const ConfigReader& file, std::string name)) {
  std::vector<Profile> profiles;
  for (const NamedText& file : files) {
    profiles.push_back(read(ConfigReader(file.text, fmt::format("{}.json", file.name)), std::string(file.name)));
  }
  return profiles;
}

// "M3 Ultra", "m3_ultra" and "m3-ultra" are one name.
std::string plain(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return letters;
}

template <typename Profile>
Profile find(std::span<const Profile> profiles, Profile (*read)(const ConfigReader& file, std::string name),
             std::string_view what, const std::string& name) {
  if (name.ends_with(".json")) {
    return read(ConfigReader::of_file(name), std::filesystem::path(name).stem().string());
  }
  std::vector<std::string_view> names;
  for (const Profile& profile : profiles) {
    bool same = plain(profile.name) == plain(name);
    if constexpr (requires { profile.aliases; }) {
      same = same || std::ranges::any_of(profile.aliases,
                                         [&](const std::string& alias) { return plain(alias) == plain(name); });
    }
    if (same) return profile;
    names.push_back(profile.name);
  }
  throw UsageError("no {} is called '{}'; there are: {}; or give a .json file that looks like theirs", what, name,
                   fmt::join(names, ", "));
}

}  // namespace

std::span<const ProfileField<HardwareProfile>> hardware_fields() { return kMachineFields; }
std::span<const ProfileField<LinkProfile>> link_fields() { return kLinkFields; }

HardwareProfile read_hardware(const ConfigReader& file, std::string name) {
  HardwareProfile profile;
  profile.name = std::move(name);
  read_fields<HardwareProfile>(file, kMachineFields, {"title", "engine", "aliases"}, profile);
  profile.engine = file.text("engine", "");
  if (profile.engine.empty()) throw Error("{}: 'engine' is missing; expected what runs there", file.origin());
  profile.aliases = file.texts("aliases");
  return profile;
}

LinkProfile read_link(const ConfigReader& file, std::string name) {
  LinkProfile profile;
  profile.name = std::move(name);
  read_fields<LinkProfile>(file, kLinkFields, {"title"}, profile);
  return profile;
}

EngineProfile read_engine(const ConfigReader& file, std::string name) {
  EngineProfile engine{.name = std::move(name), .title = file.text("title", ""), .figures = {}};
  if (engine.title.empty()) throw Error("{}: 'title' is missing; expected what runs", file.origin());
  std::vector<std::string_view> names;
  for (const auto& field : kMachineFields) {
    if (!is_of_engine(field.name)) continue;
    names.push_back(field.name);
    if (file.has(field.name)) engine.figures.emplace_back(field.figure, read_figure(file, field.name, field.spread));
  }
  for (const std::string& key : file.keys()) {
    if (key == "title" || std::ranges::find(names, key) != names.end()) continue;
    throw Error("{}: '{}' is no figure of an engine; there are: {}", file.origin(), key, fmt::join(names, ", "));
  }
  return engine;
}

HardwareProfile run_by(const EngineProfile& engine, HardwareProfile machine) {
  machine.engine = engine.title;
  for (const auto& [member, figure] : engine.figures) machine.*member = figure;
  return machine;
}

std::span<const HardwareProfile> hardware_profiles() {
  static const std::vector<HardwareProfile> profiles = read_all(hardware_files(), read_hardware);
  return profiles;
}

std::span<const LinkProfile> link_profiles() {
  static const std::vector<LinkProfile> profiles = read_all(link_files(), read_link);
  return profiles;
}

std::span<const EngineProfile> engine_profiles() {
  static const std::vector<EngineProfile> profiles = read_all(engine_files(), read_engine);
  return profiles;
}

HardwareProfile find_hardware(const std::string& name_or_file) {
  return find(hardware_profiles(), read_hardware, "machine", name_or_file);
}

LinkProfile find_link(const std::string& name_or_file) {
  return find(link_profiles(), read_link, "link", name_or_file);
}

EngineProfile find_engine(const std::string& name_or_file) {
  return find(engine_profiles(), read_engine, "engine", name_or_file);
}

std::string json_of(const HardwareProfile& profile) {
  nlohmann::ordered_json json{{"title", profile.title}, {"engine", profile.engine}, {"aliases", profile.aliases}};
  for (const auto& field : kMachineFields) {
    const Figure& figure = profile.*field.figure;
    nlohmann::ordered_json& object = json[std::string(field.name)];
    object["value"] = nullptr;
    object[figure.known ? "value" : "assumed"] = figure.value;
    object["low"] = figure.low;
    object["high"] = figure.high;
    object["source"] = figure.source;
  }
  return json.dump(2) + "\n";
}

}  // namespace specdec
