// What an HTML page of results brings along, so that it opens offline.
#pragma once

#include <span>

#include "core/named_text.h"

namespace specdec {

std::span<const NamedText> page_files();  // generated from page/*.css and *.js

}  // namespace specdec
