// Bytes as text (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace specdec {

// Nothing if it is not base64 of the standard alphabet, padded to groups of four.
std::optional<std::string> base64_decoded(std::string_view text);

std::string base64_encoded(std::string_view bytes);

}  // namespace specdec
