// libFuzzer: any text is either a config.json that some architecture or inventory understands or an Error of one line.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/arch.h"
#include "core/contradictions.h"
#include "core/declared_storage.h"
#include "core/error.h"

namespace {

using namespace specdec;

void expect_one_line(std::string_view text) { SPECDEC_ASSERT(text.find('\n') == std::string_view::npos); }

void expect_or_error(const auto& check) {
  try {
    check();
  } catch (const Error& error) {
    expect_one_line(error.what());
  }
}

void describe(std::string_view text) {
  const ModelInfo info = parse_config(text, "fuzz");
  SPECDEC_ASSERT(info.vocab > 0 && info.hidden > 0 && info.layers > 0);
  SPECDEC_ASSERT(info.experts_per_token <= info.experts);
}

void count(const ConfigReader& config) {
  const Inventory inventory = take_inventory(config);
  constexpr std::int64_t kLongest = 1 << 24;
  SPECDEC_ASSERT(inventory.cache.bytes_at(kLongest) >= 0);
  const auto check = [&](const StorageRule& rule) {
    const Account account = account_of(inventory, rule);
    SPECDEC_ASSERT(account.weights.total > 0 && account.weights.fixed > 0);
    SPECDEC_ASSERT(account.active_parameters <= account.total_parameters);
  };
  check(trained_storage(config));
  for (const DeclaredStorage& declared : declared_storages(config)) check(declared.rule);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  expect_or_error([&] { describe(text); });
  expect_or_error([&] {
    const ConfigReader config(text, "fuzz");
    expect_or_error([&] { count(config); });
    for (const std::string& line : contradictions(config)) expect_one_line(line);
  });
  return 0;
}
