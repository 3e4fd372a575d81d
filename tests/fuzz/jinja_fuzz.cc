// libFuzzer: bytes are either a template that makes a text of a conversation, or an Error of one line. A zero byte may
// separate a conversation in JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/expect_line.h"
#include "tokenizers/jinja/json.h"
#include "tokenizers/jinja/template.h"

namespace {

constexpr std::string_view kConversation = R"({"messages": [{"role": "system", "content": " Be brief. "},
  {"role": "user", "content": "H\u00e9llo <b>"}, {"role": "assistant", "content": null, "tool_calls":
  [{"function": {"name": "f", "arguments": {"x": [1, 2.5, true]}}}]}], "tools": null, "bos_token": "<s>", "n": 3})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  specdec::expect_line([&] {
    const specdec::jinja::Template parsed(input.substr(0, zero), "fuzz");
    const std::string_view json = zero == input.npos ? kConversation : input.substr(zero + 1);
    const specdec::jinja::Value variables = specdec::jinja::read_json(json, "variables");
    parsed.render(variables.dict() != nullptr ? *variables.dict() : specdec::jinja::Dict(), 0);
  });
  return 0;
}
