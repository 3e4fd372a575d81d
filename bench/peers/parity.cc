// How far logits are from those that came with checkpoints: one line for each directory with a golden.safetensors.
//   parity DIRECTORY...     tests/data/model_goldens/differ.py runs it and reads the lines
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <vector>

#include "core/batch.h"
#include "core/distribution.h"
#include "core/engine.h"
#include "core/files/safetensors.h"
#include "core/model.h"

namespace specdec {
namespace {

struct Golden {
  std::vector<TokenId> tokens;  // a text, then what was chosen after it
  std::vector<float> logits;    // of the text's rows
};

Golden read_golden(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  Golden golden;
  for (const auto& [name, tensor] : file.tensors()) {
    if (name == "tokens") {
      for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        std::int64_t id;
        std::memcpy(&id, tensor.data + 8 * i, 8);
        golden.tokens.push_back(TokenId{static_cast<std::int32_t>(id)});
      }
    }
    if (name == "logits") {
      golden.logits.resize(static_cast<std::size_t>(tensor.elements()));
      std::memcpy(golden.logits.data(), tensor.data, tensor.bytes);
    }
  }
  return golden;
}

TokenId best_of(const MatView& logits, std::int64_t row) {
  return TokenId{argmax({logits.row(row).data(), static_cast<std::size_t>(logits.cols())})};
}

void compare(const std::filesystem::path& directory, Engine& engine) {
  const Golden golden = read_golden(directory / "golden.safetensors");
  const auto model = load_model(directory, engine);
  const auto vocab = static_cast<std::size_t>(model->info().vocab);
  const std::size_t length = golden.logits.size() / vocab;
  const std::vector<TokenId> text(golden.tokens.begin(), golden.tokens.begin() + static_cast<std::ptrdiff_t>(length));
  const auto state = model->new_state(static_cast<int>(golden.tokens.size()));
  const MatView logits = model->forward(chain_of(text), *state, {}).logits;
  double farthest = 0;
  std::size_t first = length;  // row that is wrong
  for (std::size_t i = 0; i < golden.logits.size(); ++i) {
    const double apart = std::abs(static_cast<double>(logits.data()[i]) - golden.logits[i]);
    if (!(apart <= 1e-4) && first == length) first = i / vocab;
    if (!(apart <= farthest) && !std::isnan(farthest)) farthest = apart;  // NaN is farther than anything
  }
  TokenId next = best_of(logits, static_cast<std::int64_t>(length) - 1);
  state->commit(whole_chain(static_cast<int>(length)));
  std::size_t same = 0;
  while (length + same < golden.tokens.size() && next == golden.tokens[length + same]) {
    ++same;
    if (length + same == golden.tokens.size()) break;
    const Output out = model->forward({{next}, {-1}}, *state, {});
    next = best_of(out.logits, 0);
    state->commit(std::array{0});
  }
  fmt::print("{}\tapart {:.3g} from row {} of {}, greedy {} of {}\n", directory.string(), farthest, first, length, same,
             golden.tokens.size() - length);
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  specdec::Engine engine({.threads = 1, .compute = "f32"});
  for (int i = 1; i < argc; ++i) {
    try {
      specdec::compare(argv[i], engine);
    } catch (const std::exception& error) {
      fmt::print("{}\trefused: {}\n", argv[i], error.what());
    }
  }
}
