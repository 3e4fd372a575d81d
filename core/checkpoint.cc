#include "core/checkpoint.h"

#include <algorithm>

#include "core/error.h"

namespace specdec {

void Checkpoint::fetch(std::span<const std::byte> bytes) const {
  for (const MappedFile* file : files_) file->fetch(bytes);
}

void Checkpoint::release(std::span<const std::byte> bytes) const {
  for (const MappedFile* file : files_) file->release(bytes);
}

void Checkpoint::check_unchanged() const {
  for (const MappedFile* file : files_) file->check_unchanged();
}

const MappedFile* Checkpoint::file_of(std::span<const std::byte> bytes) const {
  const auto found = std::ranges::find_if(files_, [&](const MappedFile* file) { return file->holds(bytes); });
  return found != files_.end() ? *found : nullptr;
}

const CheckpointKind& checkpoint_kind(const std::filesystem::path& path) {
  const auto found =
      std::ranges::find_if(checkpoint_kinds(), [&](const CheckpointKind& kind) { return kind.takes(path); });
  SPECDEC_ASSERT(found != checkpoint_kinds().end());
  return *found;
}

}  // namespace specdec
