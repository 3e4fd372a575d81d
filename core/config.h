// config.json read with care: every value is checked for type and range, and every error names file, key and what was
// expected. JSON stays inside config.cc.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

class ConfigReader {
 public:
  ConfigReader(std::string_view json, std::string origin);
  static ConfigReader of_file(const std::filesystem::path& path);

  const std::string& origin() const { return origin_; }
  bool has(std::string_view key) const;  // present and not null

  // A whole number of things, at least 1 (with a fallback: at least 0).
  int count(std::string_view key) const;
  int count(std::string_view key, int fallback) const;
  int count(std::string_view key, int fallback, int most) const;  // 1 to most
  int positive_count(std::string_view key, int fallback) const;   // at least 1
  double number(std::string_view key, double fallback) const;
  double positive(std::string_view key, double fallback) const;      // above 0
  double not_negative(std::string_view key, double fallback) const;  // at least 0
  bool boolean(std::string_view key, bool fallback) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  std::vector<std::string> texts(std::string_view key) const;    // empty if absent
  std::vector<std::string> letters(std::string_view key) const;  // the same, or of a string one by one
  std::vector<int> integers(std::string_view key) const;         // a list or a single number; empty if absent
  std::vector<double> numbers(std::string_view key) const;       // empty if absent
  // [least, most]; an end that is null or an infinity of Python's is open.
  std::array<double, 2> interval(std::string_view key, const std::array<double, 2>& fallback) const;
  std::optional<ConfigReader> object(std::string_view key) const;
  std::vector<ConfigReader> objects(std::string_view key) const;      // a list of them; empty if absent
  std::optional<ConfigReader> object_if(std::string_view key) const;  // nothing if the value is of another type
  bool is_false(std::string_view key) const;
  bool is_null(std::string_view key) const;  // present and null
  std::vector<std::string> keys() const;

  // The same with the members of a JSON object where this has none, or null.
  ConfigReader with_defaults(std::string_view json) const;
  ConfigReader with_defaults(const ConfigReader& defaults) const;

  // The first of the keys that is there: published configs spell some keys in several ways.
  std::string_view first_of(std::initializer_list<std::string_view> keys) const;

 private:
  struct Json;
  ConfigReader(std::shared_ptr<const Json> json, std::string origin);
  std::shared_ptr<const Json> json_;
  std::string origin_;
};

}  // namespace specdec
