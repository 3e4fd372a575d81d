// Memory for packed weights: anonymous, on huge pages where the system has them, filled matrix by matrix.
//   PanelStore store;
//   store.pack(weight, weight.out, &pool);   // sets weight.panels
#pragma once

#include <vector>

#include "core/quant.h"

namespace specdec {

class Pool;

class PanelStore {
 public:
  PanelStore() = default;
  ~PanelStore();
  PanelStore(PanelStore&& other) noexcept;
  PanelStore& operator=(PanelStore&&) = delete;

  // Packs `slab` rows at a time, so that each slab begins with a panel; by the pool's threads, or by the caller alone
  // if it is null. The panels are valid as long as the store. Throws Error if there is no memory.
  void pack(Weight& weight, std::int64_t slab, Pool* pool);

 private:
  struct Block {
    void* address;
    std::size_t bytes;
  };
  std::byte* allocate(std::int64_t bytes);

  std::vector<Block> blocks_;
  std::byte* free_ = nullptr;  // inside the last block
  std::int64_t left_ = 0;
};

}  // namespace specdec
