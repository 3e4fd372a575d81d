#include "tokenizers/json_node.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tokenizers/utf8.h"

namespace specdec {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 100;  // real tokenizer files nest less than 10 deep

const json& value_of(const void* value) { return *static_cast<const json*>(value); }

// The path from `value` down to `wanted`, or nothing: looked for only when an error is about to be told.
std::optional<std::string> path_to(const json& value, const json& wanted) {
  if (&value == &wanted) return "";
  if (value.is_object()) {
    for (const auto& [key, member] : value.items())
      if (const auto rest = path_to(member, wanted)) return fmt::format(".{}{}", excerpt(key), *rest);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i)
      if (const auto rest = path_to(value[i], wanted)) return fmt::format("[{}]{}", i, *rest);
  }
  return std::nullopt;
}

std::string shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return excerpt(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

void check_depth(std::string_view text, std::string_view origin) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        quoted = false;
    } else if (text[i] == '"') {
      quoted = true;
    } else if (text[i] == '[' || text[i] == '{') {
      if (++depth > kMaxDepth) throw Error("{}: nested more than {} deep; not a tokenizer file", origin, kMaxDepth);
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
  }
}

}  // namespace

struct JsonDocument::Value {
  json root;
};

JsonDocument::JsonDocument(std::string_view text, std::string origin) : origin_(std::move(origin)) {
  check_depth(text, origin_);
  try {
    value_ = std::make_unique<const Value>(Value{json::parse(text)});
  } catch (const json::exception& error) {
    throw Error("{}: not valid JSON: {}", origin_, excerpt(error.what(), 200));
  }
}

JsonDocument::~JsonDocument() = default;

JsonNode JsonDocument::root() const { return JsonNode(*this, &value_->root); }

std::string JsonNode::where() const {
  const std::string path = path_to(value_of(document_->root().value_), value_of(value_)).value_or("");
  return path.empty() ? document_->origin() : fmt::format("{}: {}", document_->origin(), path.substr(path[0] == '.'));
}

JsonNode JsonNode::at(std::string_view key) const {
  const json& value = value_of(value_);
  if (!value.is_object()) throw Error("{} is {}; expected an object", where(), shown(value));
  const auto found = value.find(key);
  if (found == value.end()) throw Error("{} has no '{}'", where(), key);
  return JsonNode(*document_, &*found);
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  const json& value = value_of(value_);
  if (!value.is_object()) throw Error("{} is {}; expected an object", where(), shown(value));
  const auto found = value.find(key);
  if (found == value.end() || found->is_null()) return std::nullopt;
  return JsonNode(*document_, &*found);
}

std::string_view JsonNode::text() const {
  const json& value = value_of(value_);
  if (!value.is_string()) throw Error("{} is {}; expected a text", where(), shown(value));
  return value.get_ref<const std::string&>();
}

bool JsonNode::boolean() const {
  const json& value = value_of(value_);
  if (!value.is_boolean()) throw Error("{} is {}; expected true or false", where(), shown(value));
  return value.get<bool>();
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
  const json& value = value_of(value_);
  // Unsigned numbers beyond int64 turn negative: they are out of every range that is asked for.
  const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= low &&
                    value.get<std::int64_t>() <= high &&
                    !(value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
  if (!fits) throw Error("{} is {}; expected a whole number from {} to {}", where(), shown(value), low, high);
  return value.get<std::int64_t>();
}

std::vector<JsonNode> JsonNode::items() const {
  const json& value = value_of(value_);
  if (!value.is_array()) throw Error("{} is {}; expected a list", where(), shown(value));
  std::vector<JsonNode> items;
  items.reserve(value.size());
  for (const json& item : value) items.push_back(JsonNode(*document_, &item));
  return items;
}

std::vector<std::pair<std::string_view, JsonNode>> JsonNode::members() const {
  const json& value = value_of(value_);
  if (!value.is_object()) throw Error("{} is {}; expected an object", where(), shown(value));
  std::vector<std::pair<std::string_view, JsonNode>> members;
  members.reserve(value.size());
  for (const auto& [key, member] : value.get_ref<const json::object_t&>())
    members.emplace_back(key, JsonNode(*document_, &member));
  return members;
}

bool JsonNode::is_text() const { return value_of(value_).is_string(); }
bool JsonNode::is_list() const { return value_of(value_).is_array(); }
bool JsonNode::is_object() const { return value_of(value_).is_object(); }
bool JsonNode::is_integer() const { return value_of(value_).is_number_integer(); }

}  // namespace specdec
