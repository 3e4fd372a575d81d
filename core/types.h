// Numbers that must not meet have different types.
#pragma once

#include <cstdint>

namespace specdec {

enum class TokenId : std::int32_t {};  // an id in the target's vocabulary
enum class DraftId : std::int32_t {};  // an id in a drafter's own vocabulary

constexpr std::int32_t index(TokenId token) { return static_cast<std::int32_t>(token); }
constexpr std::int32_t index(DraftId token) { return static_cast<std::int32_t>(token); }

}  // namespace specdec
