// libFuzzer: any text is either a config.json that some architecture understands or an Error of one line.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/arch.h"
#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const specdec::ModelInfo info = specdec::parse_config(text, "fuzz");
    SPECDEC_ASSERT(info.vocab > 0 && info.hidden > 0 && info.layers > 0);
    SPECDEC_ASSERT(info.experts_per_token <= info.experts);
  } catch (const specdec::Error& error) {
    SPECDEC_ASSERT(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
