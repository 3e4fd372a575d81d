// libFuzzer: any bytes are either a well-formed safetensors file or an Error of one line.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/error.h"
#include "core/files/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const auto& [name, tensor] : specdec::parse_safetensors(bytes, "fuzz")) {
      SPECDEC_ASSERT(tensor.data >= bytes.data() && tensor.data + tensor.bytes <= bytes.data() + size);
      SPECDEC_ASSERT(static_cast<std::size_t>(tensor.elements()) * bytes_of(tensor.dtype) == tensor.bytes);
    }
  } catch (const specdec::Error& error) {
    SPECDEC_ASSERT(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
