// A pass of a width seen before allocates nothing, prompt or decoding, chain or tree. One thread: a second one would
// make its scratch memory whenever it happens to get its first task.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#include "core/engine.h"
#include "core/model.h"
#include "tests/tiny_checkpoint.h"

namespace {
std::atomic<long> allocations{0};
}

// GCC takes the pair below for mismatched when it inlines only one of them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#pragma GCC diagnostic pop

namespace specdec {
namespace {

TEST(Allocation, NoneInSteadyState) {
  for (const std::string& name : tiny_checkpoints()) {
    for (const char* compute : {"f32", "default"}) {
      const TinyCheckpoint checkpoint(name);
      Engine engine({.threads = 1, .compute = compute});
      const auto model = load_model(checkpoint.directory(), engine);
      const auto state = model->new_state(1200);
      const Batch one{{TokenId{1}}, {-1}};
      const Batch tree{{TokenId{1}, TokenId{2}, TokenId{3}, TokenId{4}}, {-1, 0, 0, 2}};
      const Taps taps{.layers = {-1}};
      for (const int until : {90, 1100}) {  // beyond the positions whose attention is split
        allocations = 0;
        while (state->length() < until) {
          model->forward(one, *state, taps);
          state->commit(std::array{0});
          model->forward(tree, *state, taps);
          state->commit(std::array{0, 2, 3});
        }
      }
      EXPECT_LE(allocations, 0) << name << " " << compute;
    }
  }
}

}  // namespace
}  // namespace specdec
