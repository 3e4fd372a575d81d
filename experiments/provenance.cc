#include "experiments/provenance.h"

#include <fmt/chrono.h>

namespace specdec {

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace specdec
