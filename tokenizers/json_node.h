// A JSON file read with care: an access of the wrong type throws an Error that names file, path and what was expected.
//   const JsonDocument document(text, "tokenizer.json");
//   document.root().at("model").at("type").text();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

class JsonDocument;

// A view of one value; valid as long as its document.
class JsonNode {
 public:
  JsonNode at(std::string_view key) const;                   // must be there
  std::optional<JsonNode> find(std::string_view key) const;  // absent or null: nothing
  std::string_view text() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  std::vector<JsonNode> items() const;
  std::vector<std::pair<std::string_view, JsonNode>> members() const;  // of an object
  bool is_text() const;
  bool is_list() const;
  bool is_object() const;
  bool is_integer() const;

  std::string where() const;  // "tokenizer.json: model.merges[3]"

 private:
  friend class JsonDocument;
  JsonNode(const JsonDocument& document, const void* value) : document_(&document), value_(value) {}
  const JsonDocument* document_;
  const void* value_;
};

class JsonDocument {
 public:
  JsonDocument(std::string_view json, std::string origin);
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  JsonNode root() const;
  const std::string& origin() const { return origin_; }

 private:
  struct Value;
  std::string origin_;
  std::unique_ptr<const Value> value_;
};

}  // namespace specdec
