// libFuzzer: any bytes are either a well-formed GGUF file, with a config that an architecture understands and a
// tokenizer, or an Error of one line.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/arch.h"
#include "core/error.h"
#include "core/files/gguf_config.h"
#include "tests/fuzz/expect_line.h"
#include "tokenizers/tokenizer.h"

namespace specdec {
namespace {

void read(std::span<const std::byte> bytes) {
  const Gguf gguf = parse_gguf(bytes, "fuzz");
  const GgufFind find = [&](const std::string& name) {
    const auto found = gguf.tensors.find(name);
    return found == gguf.tensors.end() ? nullptr : &found->second;
  };
  for (const auto& [name, tensor] : gguf.tensors) {
    SPECDEC_ASSERT(tensor.data >= bytes.data() && tensor.data + tensor.bytes <= bytes.data() + bytes.size());
    expect_line([&] { transformers_name(name, gguf.metadata, find); });
    expect_line([&] { interleaved_heads(name, gguf.metadata); });
  }
  expect_line([&] { parse_config(gguf_config(gguf.metadata, find), "fuzz"); });
  expect_line([&] { load_tokenizer(TokenizerFile{"fuzz", std::string(gguf.header), "", ""})->encode("a text"); });
}

}  // namespace
}  // namespace specdec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  specdec::expect_line([&] { specdec::read(std::as_bytes(std::span(data, size))); });
  return 0;
}
