// Bytes as letters, digits, '+' and '/' (RFC 4648).
#pragma once

#include <string>
#include <string_view>

namespace specdec {

std::string base64(std::string_view bytes);

}  // namespace specdec
