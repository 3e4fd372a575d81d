#include "core/files/json.h"

#include <utility>
#include <vector>

#include "core/error.h"

namespace specdec {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxEscaped = 120;

// Builds the value while the text is read. nlohmann's own way to look at keys, a callback, takes time that grows with
// the square of the number of members that are objects.
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(std::string_view origin) : origin_(origin) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // of formats that are no text
  bool start_object(std::size_t) override { return open(json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [member, is_new] = open_.back()->get_ref<json::object_t&>().emplace(name, nullptr);
    if (!is_new) throw Error("{}: the key {} stands twice in one JSON object", origin_, escaped(name));
    member_ = &member->second;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    std::string_view reason = error.what();
    reason.remove_prefix(std::min(reason.find("] ") + 2, reason.size()));  // "[json.exception.parse_error.101] "
    throw Error("{}: not valid JSON: {}", origin_, reason.substr(0, 2 * kMaxEscaped));
  }

  json take() { return std::move(root_); }

 private:
  json& place(json value) {
    if (open_.empty()) return root_ = std::move(value);
    if (open_.back()->is_object()) return *member_ = std::move(value);
    open_.back()->push_back(std::move(value));
    return open_.back()->back();
  }

  bool add(json value) {
    place(std::move(value));
    return true;
  }

  bool open(json container) {
    if (open_.size() == kMaxDepth) throw Error("{}: JSON nested deeper than {} levels", origin_, kMaxDepth);
    open_.push_back(&place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view origin_;
  json root_;
  std::vector<json*> open_;  // from the outermost; only the last grows, so that all stay where they are
  json* member_ = nullptr;   // of the last, if that is an object: where its next value goes
};

}  // namespace

json parse_json(std::string_view text, std::string_view origin, Comments comments) {
  Builder builder(origin);
  json::sax_parse(text, &builder, json::input_format_t::json, true, comments == Comments::allowed);
  return builder.take();
}

std::int64_t whole_number(const json& value, std::string_view what, std::int64_t least, std::int64_t most,
                          const std::string& where) {
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (number >= least && number <= most) return number;
  }
  throw Error("{}: {} is no whole number from {} to {}; is it the trace of specdec run?", where, what, least, most);
}

std::string escaped(std::string_view name) {
  std::string text = json(name.substr(0, kMaxEscaped)).dump(-1, ' ', false, json::error_handler_t::replace);
  if (name.size() > kMaxEscaped) text.insert(text.size() - 1, "…");
  return text;
}

}  // namespace specdec
