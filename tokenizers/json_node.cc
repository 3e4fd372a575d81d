#include "tokenizers/json_node.h"

#include <array>
#include <charconv>
#include <limits>

#include "core/error.h"
#include "tokenizers/utf8.h"

namespace specdec {
namespace {

constexpr int kMaxDepth = 100;  // real tokenizer files nest less than 10 deep

// Bytes that stand for themselves in a string: ASCII without control characters, quote and backslash.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x80; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

}  // namespace

// RFC 8259.
class JsonParser {
 public:
  explicit JsonParser(JsonDocument& document) : document_(document), json_(document.json_) {}

  void parse() {
    if (json_.size() >= std::numeric_limits<std::uint32_t>::max()) fail("a file of 4 GiB or more");
    skip_space();
    parse_value(0);
    skip_space();
    if (at_ != json_.size()) fail("more text after the end");
  }

 private:
  using Type = JsonDocument::Type;

  [[noreturn]] void fail(std::string_view what) const {
    throw Error("{}: not valid JSON: byte {}: {}", document_.origin_, at_, what);
  }

  char front() const { return at_ < json_.size() ? json_[at_] : '\0'; }

  void skip_space() {
    while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\n' || json_[at_] == '\r' || json_[at_] == '\t'))
      ++at_;
  }

  void expect(char c) {
    if (front() != c || at_ == json_.size()) fail(fmt::format("expected '{}'", c));
    ++at_;
  }

  std::size_t begin_value(Type type, std::size_t begin, std::size_t bytes) {
    const auto next = static_cast<std::uint32_t>(document_.values_.size() + 1);
    document_.values_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(bytes), next, type});
    return document_.values_.size() - 1;
  }

  void parse_value(int depth) {
    switch (front()) {
      case '{':
        return parse_children(Type::object, '}', depth);
      case '[':
        return parse_children(Type::list, ']', depth);
      case '"':
        return parse_text();
      case 't':
        return parse_word(Type::boolean, "true");
      case 'f':
        return parse_word(Type::boolean, "false");
      case 'n':
        return parse_word(Type::null, "null");
      default:
        return parse_number();
    }
  }

  void parse_children(Type type, char close, int depth) {
    if (depth >= kMaxDepth) throw Error("{}: nested more than {} deep", document_.origin_, kMaxDepth);
    const std::size_t parent = begin_value(type, at_, 0);
    ++at_;
    skip_space();
    while (front() != close) {
      if (type == Type::object) {
        if (front() != '"') fail("expected a key in quotes");
        parse_text();
        skip_space();
        expect(':');
        skip_space();
      }
      parse_value(depth + 1);
      skip_space();
      if (front() == close) break;
      expect(',');
      skip_space();
      if (front() == close) fail("a comma before the end of a list");
    }
    ++at_;
    document_.values_[parent].next = static_cast<std::uint32_t>(document_.values_.size());
  }

  void parse_word(Type type, std::string_view word) {
    if (json_.substr(at_, word.size()) != word) fail("expected a value");
    begin_value(type, at_, word.size());
    at_ += word.size();
  }

  void skip_digits() {
    if (front() < '0' || front() > '9') fail("expected a value");
    while (front() >= '0' && front() <= '9') ++at_;
  }

  void parse_number() {
    const std::size_t begin = at_;
    if (front() == '-') ++at_;
    if (front() == '0')
      ++at_;
    else
      skip_digits();
    if (front() == '.') {
      ++at_;
      skip_digits();
    }
    if (front() == 'e' || front() == 'E') {
      ++at_;
      if (front() == '+' || front() == '-') ++at_;
      skip_digits();
    }
    begin_value(Type::number, begin, at_ - begin);
  }

  void parse_text() {
    const std::size_t begin = ++at_;
    skip_characters();
    if (front() == '"' && at_ < json_.size()) {
      begin_value(Type::text, begin, at_ - begin);
      ++at_;
      return;
    }
    std::string& text = document_.unescaped_;
    const std::size_t unescaped = text.size();
    text += json_.substr(begin, at_ - begin);
    while (front() == '\\') {
      ++at_;
      unescape(text);
      const std::size_t plain = at_;
      skip_characters();
      text += json_.substr(plain, at_ - plain);
    }
    expect('"');
    begin_value(Type::escaped_text, unescaped, text.size() - unescaped);
  }

  // To the next quote or backslash.
  void skip_characters() {
    while (at_ < json_.size()) {
      const auto byte = static_cast<unsigned char>(json_[at_]);
      if (kPlain[byte]) {
        ++at_;
      } else if (byte >= 0x80) {
        const Utf8Char c = utf8_front(json_.substr(at_));
        if (c.state != Utf8Char::State::complete) fail("not UTF-8");
        at_ += c.length;
      } else if (byte == '"' || byte == '\\') {
        return;
      } else {
        fail("a control character in a string");
      }
    }
    fail("a string without end");
  }

  void unescape(std::string& text) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t found = at_ < json_.size() ? kNames.find(json_[at_]) : kNames.npos;
    if (found != kNames.npos) {
      text += kMeanings[found];
      ++at_;
      return;
    }
    expect('u');
    char32_t code = parse_hex();
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair of UTF-16
      expect('\\');
      expect('u');
      const char32_t low = parse_hex();
      if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
      fail("half of a surrogate pair");
    }
    append_utf8(code, text);
  }

  char32_t parse_hex() {
    const std::string_view digits = json_.substr(at_, 4);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4) fail("expected four hex digits");
    at_ += 4;
    return code;
  }

  JsonDocument& document_;
  std::string_view json_;
  std::size_t at_ = 0;
};

JsonDocument::JsonDocument(std::string_view json, std::string origin) : json_(json), origin_(std::move(origin)) {
  JsonParser(*this).parse();
}

std::string JsonNode::where() const {
  std::string path;
  std::uint32_t parent = 0;
  while (parent != value_) {
    const bool object = document_->value(parent).type == JsonDocument::Type::object;
    std::uint32_t child = parent + 1;
    for (std::size_t i = 0;; ++i) {
      const std::uint32_t inside = object ? child + 1 : child;
      const std::uint32_t next = document_->value(inside).next;
      if (value_ < next) {
        if (object)
          path += fmt::format("{}{}", path.empty() ? "" : ".", excerpt(document_->raw(document_->value(child))));
        else
          path += fmt::format("[{}]", i);
        parent = inside;
        break;
      }
      child = next;
    }
  }
  return path.empty() ? document_->origin() : fmt::format("{}: {}", document_->origin(), path);
}

std::string JsonNode::shown() const {
  if (is_object()) return "an object";
  if (is_list()) return "a list";
  const std::string raw = excerpt(document_->raw(document_->value(value_)));
  return is_text() ? fmt::format("\"{}\"", raw) : raw;
}

void JsonNode::expect_list() const {
  if (!is_list()) throw Error("{} is {}; expected a list", where(), shown());
}

void JsonNode::expect_object() const {
  if (!is_object()) throw Error("{} is {}; expected an object", where(), shown());
}

std::optional<JsonNode> JsonNode::member(std::string_view key) const {
  std::optional<JsonNode> found;
  each_member([&](std::string_view name, JsonNode node) {
    if (name == key) found = node;
  });
  return found;
}

JsonNode JsonNode::at(std::string_view key) const {
  const auto found = member(key);
  if (!found) throw Error("{} has no '{}'", where(), key);
  return *found;
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  const auto found = member(key);
  const bool null = found && document_->value(found->value_).type == JsonDocument::Type::null;
  return null ? std::nullopt : found;
}

std::string_view JsonNode::text() const {
  if (!is_text()) throw Error("{} is {}; expected a text", where(), shown());
  return document_->raw(document_->value(value_));
}

bool JsonNode::boolean() const {
  const JsonDocument::Value& value = document_->value(value_);
  if (value.type != JsonDocument::Type::boolean) throw Error("{} is {}; expected true or false", where(), shown());
  return document_->raw(value) == "true";
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
  const JsonDocument::Value& value = document_->value(value_);
  const std::string_view digits = document_->raw(value);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = value.type == JsonDocument::Type::number && error == std::errc() && end == digits.end();
  if (!whole || number < low || number > high)
    throw Error("{} is {}; expected a whole number from {} to {}", where(), shown(), low, high);
  return number;
}

double JsonNode::number() const {
  const JsonDocument::Value& value = document_->value(value_);
  const std::string_view digits = document_->raw(value);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (value.type != JsonDocument::Type::number || error != std::errc())
    throw Error("{} is {}; expected a number", where(), shown());
  return number;
}

std::size_t JsonNode::size() const {
  std::size_t size = 0;
  if (is_list())
    each_item([&](JsonNode) { ++size; });
  else
    each_member([&](std::string_view, JsonNode) { ++size; });
  return size;
}

std::vector<JsonNode> JsonNode::items() const {
  std::vector<JsonNode> items;
  each_item([&](JsonNode item) { items.push_back(item); });
  return items;
}

bool JsonNode::is_text() const {
  const JsonDocument::Type type = document_->value(value_).type;
  return type == JsonDocument::Type::text || type == JsonDocument::Type::escaped_text;
}

bool JsonNode::is_list() const { return document_->value(value_).type == JsonDocument::Type::list; }
bool JsonNode::is_object() const { return document_->value(value_).type == JsonDocument::Type::object; }

bool JsonNode::is_integer() const {
  const JsonDocument::Value& value = document_->value(value_);
  return value.type == JsonDocument::Type::number && document_->raw(value).find_first_of(".eE") == std::string::npos;
}

bool boolean_or(const JsonNode& node, std::string_view key, bool fallback) {
  const auto found = node.find(key);
  return found ? found->boolean() : fallback;
}

}  // namespace specdec
