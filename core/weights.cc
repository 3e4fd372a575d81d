#include "core/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/checksum.h"
#include "core/error.h"

namespace specdec {
namespace {

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

void copy_as_float(const StoredTensor& tensor, float* out) {
  const Kernels& kernels = *kernel_levels().back();
  const auto* halves = reinterpret_cast<const std::uint16_t*>(tensor.data);
  if (tensor.dtype == DType::f32) {
    std::memcpy(out, tensor.data, tensor.bytes);
  } else if (tensor.dtype == DType::f16) {
    kernels.widen_f16(halves, tensor.elements(), out);
  } else {
    kernels.widen_bf16(halves, tensor.elements(), out);
  }
}

bool is_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

bool is_finite(const StoredTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
  copy_as_float(tensor, values.data());
  return is_finite(values);
}

// Of a tensor whose blocks have scales in them.
bool blocks_are_finite(const StoredTensor& tensor) {
  WeightFile file(std::vector{tensor});
  constexpr std::string_view kWeight = ".weight";
  const bool ends = tensor.name.ends_with(kWeight);
  const Weight weight =
      file.table(tensor.name.substr(0, tensor.name.size() - (ends ? kWeight.size() : 0)), tensor.shape);
  std::vector<float> values(static_cast<std::size_t>(weight.in));
  for (std::int64_t row = 0; row < weight.out; ++row) {
    weight.format->unpack(weight, row, values.data(), *kernel_levels().back());
    if (!is_finite(values)) return false;
  }
  return true;
}

template <typename Do>
void each_stored(const Weight& weight, const Do& apply) {
  for (const StoredRows* rows : weight.stored()) {
    if (rows->data != nullptr) apply(std::span(rows->row(0), static_cast<std::size_t>(rows->bytes(weight.out))));
  }
}

}  // namespace

WeightFile::WeightFile(const std::filesystem::path& path, Pool* pool)
    : directory_(path), checkpoint_(checkpoint_kind(path).open(path)), pool_(pool) {
  for (const Checkpoint::Part& part : checkpoint_->parts()) {
    for (const auto& [name, tensor] : *part.tensors) {
      if (!tensors_.emplace(name, aligned(tensor)).second) {
        throw Error("{}: tensor '{}' is also in another shard; each tensor may be stored once", part.origin, name);
      }
    }
  }
}

WeightFile::WeightFile(const std::filesystem::path& directory, WeightPlan& plan)
    : directory_(directory), plan_(&plan), packs_(false) {}

WeightFile WeightFile::unpacked(const std::filesystem::path& path) {
  WeightFile file(path);
  file.packs_ = false;
  return file;
}

WeightFile::WeightFile(std::vector<StoredTensor> tensors) : packs_(false) {
  for (StoredTensor& tensor : tensors) add_planned(std::move(tensor));
}

const StoredTensor& WeightFile::add_planned(StoredTensor tensor) {
  const StoredTensor& added = *planned_.emplace_back(std::make_unique<StoredTensor>(std::move(tensor)));
  SPECDEC_ASSERT(tensors_.emplace(added.name, &added).second);
  return added;
}

const StoredTensor* WeightFile::aligned(const StoredTensor& tensor) {
  const DTypeFacts& facts = facts_of(tensor.dtype);  // blocks are read byte by byte
  const auto alignment = static_cast<std::uintptr_t>(facts.block_elements == 1 ? facts.block_bytes : 1);
  if (reinterpret_cast<std::uintptr_t>(tensor.data) % alignment == 0) return &tensor;
  std::byte* bytes = new_bytes(tensor.bytes);
  std::memcpy(bytes, tensor.data, tensor.bytes);
  auto& copy = realigned_.emplace_back(std::make_unique<StoredTensor>(tensor));
  copy->data = bytes;
  return copy.get();
}

std::byte* WeightFile::new_bytes(std::size_t size) {
  return copies_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(size)).get();
}

void WeightFile::fetch(const Weight& weight) const {
  if (checkpoint_ == nullptr) return;  // all of it is in memory
  each_stored(weight, [&](std::span<const std::byte> bytes) { checkpoint_->fetch(bytes); });
}

void WeightFile::release(const Weight& weight) const {
  if (checkpoint_ == nullptr) return;
  each_stored(weight, [&](std::span<const std::byte> bytes) { checkpoint_->release(bytes); });
}

const MappedFile* WeightFile::file_of(std::span<const std::byte> bytes) const {
  return checkpoint_ != nullptr ? checkpoint_->file_of(bytes) : nullptr;
}

void WeightFile::check_unchanged() const {
  if (checkpoint_ != nullptr) checkpoint_->check_unchanged();
}

const StoredTensor& WeightFile::get(const std::string& name, std::span<const std::int64_t> shape) {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    throw Error("{}: tensor '{}' is missing (expected shape {})", directory_.string(), name, shape_text(shape));
  }
  if (!std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end())) {
    throw Error("{}: tensor '{}' has shape {}, but config.json means {}", directory_.string(), name,
                shape_text(tensor->shape), shape_text(shape));
  }
  return *tensor;
}

const StoredTensor* WeightFile::peek(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found != tensors_.end() ? found->second : nullptr;
}

const StoredTensor* WeightFile::find(const std::string& name) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return plan_ == nullptr ? nullptr : plan_->find(name);
  used_.insert(name);
  return found->second;
}

bool WeightFile::has_prefix(const std::string& prefix) const {
  if (plan_ != nullptr) return plan_->has_prefix(prefix);
  const auto next = tensors_.lower_bound(prefix);
  return next != tensors_.end() && next->first.starts_with(prefix);
}

Weight WeightFile::linear(const std::string& path, std::initializer_list<std::int64_t> shape) {
  return packed(table(path, shape));
}

Weight WeightFile::packed(Weight weight) {
  if (!packs_) return weight;
  panels_.pack(weight, pool_);
  release(weight);
  return weight;
}

Weight WeightFile::transposed(const Weight& weight) {
  const std::string_view stored = weight.format->name;
  const bool plain = stored == "f32" || stored == "f16" || stored == "bf16";
  Weight turned;
  turned.format = &*std::ranges::find(quant_formats(), plain ? stored : "f32", &QuantFormat::name);
  turned.where = weight.where;
  turned.out = weight.in;
  turned.in = weight.out;
  if (!packs_) return turned;
  const auto size = static_cast<std::size_t>(plain ? weight.values.row_bytes / weight.in : 4);
  turned.values.row_bytes = turned.in * static_cast<std::int64_t>(size);
  std::vector<std::byte> values(static_cast<std::size_t>(turned.out * turned.values.row_bytes));
  std::vector<float> unpacked(static_cast<std::size_t>(weight.in));
  for (std::int64_t row = 0; row < weight.out; ++row) {
    if (!plain) weight.format->unpack(weight, row, unpacked.data(), *kernel_levels().back());
    const std::byte* from = plain ? weight.values.row(row) : reinterpret_cast<const std::byte*>(unpacked.data());
    std::byte* to = values.data() + static_cast<std::size_t>(row) * size;
    for (std::int64_t i = 0; i < weight.in; ++i, from += size, to += turned.values.row_bytes) {
      std::memcpy(to, from, size);
    }
  }
  turned.values.data = values.data();
  panels_.pack(turned, pool_);
  turned.values.data = nullptr;
  release(weight);
  return turned;
}

Weight WeightFile::copied(Weight weight) {
  if (!packs_) return weight;
  constexpr std::int64_t kAligned = 64;
  const Weight mapped = weight;
  for (StoredRows* rows : weight.stored()) {
    const std::span bytes(rows->row(0), static_cast<std::size_t>(rows->bytes(weight.out)));
    if (file_of(bytes) == nullptr) continue;
    std::byte* to = panels_.allocate((std::ssize(bytes) + kAligned - 1) / kAligned * kAligned);
    std::memcpy(to, bytes.data(), bytes.size());
    rows->data = to;
    rows->first %= rows->shared;
  }
  release(mapped);
  return weight;
}

Weight WeightFile::select(const Weight& weight, std::span<const std::int64_t> rows) {
  Weight some = weight;
  some.out = static_cast<std::int64_t>(rows.size());
  if (plan_ != nullptr) return some;
  for (StoredRows* stored : some.stored()) {
    if (stored->data == nullptr) continue;
    const auto size = static_cast<std::size_t>(stored->row_bytes);
    std::byte* to = new_bytes(size * rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) std::memcpy(to + i * size, stored->row(rows[i]), size);
    *stored = {to, stored->row_bytes};
  }
  if (packs_) panels_.pack(some, pool_);
  return some;
}

Weight WeightFile::table(const std::string& path, std::initializer_list<std::int64_t> shape) {
  return table(path, std::span(shape.begin(), shape.size()));
}

Weight WeightFile::table(const std::string& path, std::span<const std::int64_t> expected) {
  if (std::ranges::any_of(expected, [](std::int64_t size) { return size < 1; })) {
    throw Error("{}: by config.json the shape of '{}' is {}; is a size missing there?", directory_.string(), path,
                shape_text(expected));
  }
  if (plan_ != nullptr) {
    for (StoredTensor& tensor : plan_->linear(path, expected)) add_planned(std::move(tensor));
  }
  for (const QuantFormat& format : quant_formats()) {
    if (std::optional<Weight> weight = format.open(*this, path, expected)) {
      weight->where = fmt::format("{}: '{}'", directory_.string(), path);
      weight->format = &format;
      return *weight;
    }
  }
  if (const StoredTensor* tensor = find(path + ".weight")) {
    std::vector<std::string_view> names;
    for (const QuantFormat& format : quant_formats()) names.push_back(format.name);
    throw Error("{}: '{}.weight' is stored as {} in a format that this version cannot read; it reads {}",
                directory_.string(), path, name_of(tensor->dtype), fmt::join(names, ", "));
  }
  throw Error("{}: tensor '{}.weight' is missing (expected shape {})", directory_.string(), path, shape_text(expected));
}

std::vector<float> WeightFile::vector(const std::string& name, std::int64_t size) { return floats(name, {size}); }

std::vector<float> WeightFile::floats(const std::string& name, std::initializer_list<std::int64_t> shape) {
  const std::span expected(shape.begin(), shape.size());
  if (plan_ != nullptr) add_planned(plan_->vector(name, expected));
  const StoredTensor& tensor = get(name, expected);
  if (!is_float(tensor.dtype)) {
    throw Error("{}: tensor '{}' is stored as {}; expected F32, F16 or BF16", directory_.string(), name,
                name_of(tensor.dtype));
  }
  std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
  if (tensor.data != nullptr) copy_as_float(tensor, values.data());
  if (!is_finite(values)) {
    throw Error("{}: tensor '{}' holds NaN or infinite values; the file is damaged: download or convert it again",
                directory_.string(), name);
  }
  return values;
}

void WeightFile::transpose(const std::string& name, const std::array<std::int64_t, 3>& shape) {
  if (plan_ != nullptr) return plan_->transpose(name, shape);
  const StoredTensor* stored = peek(name);
  if (stored == nullptr || !is_float(stored->dtype)) return;
  const auto [maps, out, in] = shape;
  get(name, std::array{maps, in, out});
  auto& turned = *realigned_.emplace_back(std::make_unique<StoredTensor>(*stored));
  const auto size = static_cast<std::size_t>(facts_of(stored->dtype).block_bytes);
  std::byte* to = new_bytes(stored->bytes);
  turned.shape.assign(shape.begin(), shape.end());
  turned.data = to;
  for (std::int64_t map = 0; map < maps; ++map) {
    const std::byte* from = stored->data + static_cast<std::size_t>(map * in * out) * size;
    for (std::int64_t row = 0; row < out; ++row) {
      for (std::int64_t i = 0; i < in; ++i, to += size) {
        std::memcpy(to, from + static_cast<std::size_t>(i * out + row) * size, size);
      }
    }
  }
  tensors_.find(name)->second = &turned;
}

std::vector<const StoredTensor*> WeightFile::used() const {
  std::vector<const StoredTensor*> tensors;
  for (const std::string& name : used_) tensors.push_back(tensors_.find(name)->second);
  return tensors;
}

std::vector<std::string> WeightFile::unused() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_)
    if (!used_.contains(name)) names.push_back(name);
  return names;
}

std::vector<std::filesystem::path> WeightFile::paths() const {
  SPECDEC_ASSERT(checkpoint_ != nullptr);
  std::vector<std::filesystem::path> paths;
  for (const Checkpoint::Part& part : checkpoint_->parts()) paths.emplace_back(part.origin);
  return paths;
}

void WeightFile::expect_all_used(std::span<const std::string> ignored) const {
  if (plan_ != nullptr) plan_->expect_all_used(ignored);
  for (const auto& [name, tensor] : tensors_) {
    const auto occurs = [&](const std::string& part) { return name.find(part) != std::string::npos; };
    if (used_.contains(name) || tensor->bytes == 0 || std::any_of(ignored.begin(), ignored.end(), occurs)) continue;
    throw Error(
        "{}: tensor '{}' {} is not used by this architecture; the checkpoint holds something that specdec would ignore",
        directory_.string(), name, shape_text(tensor->shape));
  }
}

std::string WeightFile::hash(std::string_view config) const {
  SPECDEC_ASSERT(checkpoint_ != nullptr);
  Checksum hash;
  hash.add_bytes(config);
  for (const Checkpoint::Part& part : checkpoint_->parts()) {
    hash.add_bytes(part.header);
    for (const auto& [name, tensor] : *part.tensors) {
      const std::string_view bytes(reinterpret_cast<const char*>(tensor.data), tensor.bytes);
      constexpr std::size_t kSample = 256;
      hash.add_bytes(bytes.substr(0, kSample));
      hash.add_bytes(bytes.substr(bytes.size() / 2, kSample));
    }
  }
  return hash.text();
}

std::string WeightFile::find_not_finite() const {
  for (const std::string& name : used_) {
    const StoredTensor& tensor = *tensors_.find(name)->second;
    const bool in_blocks = facts_of(tensor.dtype).block_elements > 1;
    if (is_float(tensor.dtype) ? !is_finite(tensor) : in_blocks && !blocks_are_finite(tensor)) return name;
  }
  return {};
}

}  // namespace specdec
