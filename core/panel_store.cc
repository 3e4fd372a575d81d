#include "core/panel_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/error.h"
#include "core/pool.h"

namespace specdec {
namespace {

constexpr std::int64_t kHugePage = 2 << 20;
constexpr std::int64_t kBlock = 64 << 20;

}  // namespace

PanelStore::~PanelStore() {
  for (const Block& block : blocks_) ::munmap(block.address, block.bytes);
}

PanelStore::PanelStore(PanelStore&& other) noexcept
    : blocks_(std::exchange(other.blocks_, {})),
      free_(std::exchange(other.free_, nullptr)),
      left_(std::exchange(other.left_, 0)) {}

std::byte* PanelStore::allocate(std::int64_t bytes) {
  if (bytes > left_) {
    const std::int64_t size = (std::max(bytes, kBlock) + kHugePage - 1) / kHugePage * kHugePage;
    const auto mapped = static_cast<std::size_t>(size + kHugePage);  // room to begin at a huge page
    void* address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) throw Error("no memory for {} bytes of weights; a smaller model may fit", bytes);
    blocks_.push_back({address, mapped});
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    free_ = static_cast<std::byte*>(address) + (kHugePage - static_cast<std::int64_t>(begin % kHugePage)) % kHugePage;
    left_ = size;
    ::madvise(free_, static_cast<std::size_t>(size), MADV_HUGEPAGE);  // a wish: not every system has them
  }
  std::byte* at = free_;
  free_ += bytes;
  left_ -= bytes;
  return at;
}

void PanelStore::pack(Weight& weight, std::int64_t slab, Pool* pool) {
  SPECDEC_ASSERT(slab > 0 && weight.out % slab == 0);
  Panels panels = weight.format->panels(weight);
  SPECDEC_ASSERT(panels.panel_bytes % 64 == 0);
  const std::int64_t per_slab = panels_of(slab);
  const std::int64_t count = weight.out / slab * per_slab;
  std::byte* to = allocate(count * panels.panel_bytes);
  const auto pack_panel = [&](std::int64_t panel) {
    const std::int64_t inside = panel % per_slab * kPanel;
    weight.format->pack(weight, panel / per_slab * slab + inside, std::min(kPanel, slab - inside),
                        to + panel * panels.panel_bytes);
  };
  if (pool != nullptr) {
    pool->for_each(count, pack_panel);
  } else {
    for (std::int64_t panel = 0; panel < count; ++panel) pack_panel(panel);
  }
  panels.data = to;
  panels.out = weight.out;
  weight.panels = panels;
  weight.slab = slab;
}

}  // namespace specdec
