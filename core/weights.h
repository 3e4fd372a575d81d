// The tensors of one checkpoint, asked for by name and expected shape: loading is checking. Memory-mapped; what is to
// be multiplied is packed, rows to be looked up are copied, and the pages of the stored form given back.
//   WeightFile file(directory);
//   Weight q = file.linear("model.layers.0.self_attn.q_proj", {heads * head_dim, hidden});
//   file.expect_all_used({"rotary_emb.inv_freq"});
#pragma once

#include <array>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/checkpoint.h"
#include "core/panel_store.h"
#include "core/quant.h"

namespace specdec {

// Says how the tensors of a checkpoint are stored that is yet to be written, and learns which an architecture asks for.
class WeightPlan {
 public:
  virtual ~WeightPlan() = default;
  virtual bool has_prefix(std::string_view prefix) const = 0;  // whether it stores what a checkpoint may leave out
  // The tensors, without data, of a linear map and of a small tensor.
  virtual std::vector<StoredTensor> linear(const std::string& path, std::span<const std::int64_t> shape) = 0;
  virtual StoredTensor vector(const std::string& name, std::span<const std::int64_t> shape) = 0;
  // A tensor of any kind that may be there.
  virtual const StoredTensor* find(const std::string&) { return nullptr; }
  // Every tensor was asked for but those whose names contain one of `ignored`.
  virtual void expect_all_used(std::span<const std::string>) {}
};

class WeightFile {
 public:
  // Packs with the pool's threads, or with the caller alone if it is null.
  explicit WeightFile(const std::filesystem::path& path, Pool* pool = nullptr);
  // Every tensor that is asked for is there, as `plan` stores it. Without data there are no values: vectors are zero,
  // and nothing may be multiplied. For learning which tensors an architecture has.
  WeightFile(const std::filesystem::path& directory, WeightPlan& plan);
  // Tensors that lie in memory, which outlives this. For looking at them: nothing is packed.
  explicit WeightFile(std::vector<StoredTensor> tensors);
  // For looking at what is stored: nothing is packed, so nothing may be multiplied.
  static WeightFile unpacked(const std::filesystem::path& path);

  const std::filesystem::path& directory() const { return directory_; }  // or the file, if it is one

  // A tensor that must be there, or may be; either way it counts as used.
  const StoredTensor& get(const std::string& name, std::span<const std::int64_t> shape);
  const StoredTensor* find(const std::string& name);
  bool has(const std::string& name) const { return tensors_.contains(name); }
  // The same as find, but it does not count as used.
  const StoredTensor* peek(const std::string& name) const;
  bool has_prefix(const std::string& prefix) const;

  // `path`.weight in whatever format it is stored, and packed; format decided by the names and dtypes that are there.
  Weight linear(const std::string& path, std::initializer_list<std::int64_t> shape);
  // The same as it is stored, and still in the file: for packing later.
  Weight table(const std::string& path, std::initializer_list<std::int64_t> shape);
  Weight table(const std::string& path, std::span<const std::int64_t> shape);
  // A table, or rows of one, packed.
  Weight packed(Weight weight);
  // The same of its transpose (in, out): plain floats as they are stored, else float32.
  Weight transposed(const Weight& weight);
  // For looking up rows: the stored form of a matrix, which may be packed, too, copied into memory.
  Weight copied(Weight weight);
  // Some rows of a matrix, copied and packed: row i of the result is rows[i].
  Weight select(const Weight& weight, std::span<const std::int64_t> rows);
  // A float32 copy of a small tensor (norms, biases) stored as f32, f16 or bf16.
  std::vector<float> vector(const std::string& name, std::int64_t size);
  // The same of one with several dimensions, row by row.
  std::vector<float> floats(const std::string& name, std::initializer_list<std::int64_t> shape);
  // If `name` is a tensor of floats (maps, in, out), it becomes one of this shape, (maps, out, in), copied into memory.
  void transpose(const std::string& name, const std::array<std::int64_t, 3>& shape);

  bool packs() const { return packs_; }  // false of a plan, and of what is only looked at
  // Stored bytes will soon be read, and are no longer: hints for the system.
  void fetch(const Weight& weight) const;
  void release(const Weight& weight) const;
  // As of Checkpoint.
  const MappedFile* file_of(std::span<const std::byte> bytes) const;
  // Throws Error if a file was cut or written to since it was opened.
  void check_unchanged() const;

  const std::map<std::string, const StoredTensor*, std::less<>>& tensors() const { return tensors_; }
  std::vector<const StoredTensor*> used() const;  // the tensors that were asked for, as stored

  // Throws Error naming a tensor that nobody asked for, unless its name contains one of `ignored`.
  void expect_all_used(std::span<const std::string> ignored) const;
  std::vector<std::string> unused() const;

  std::vector<std::filesystem::path> paths() const;  // of the files that are read

  // Of the config, the tensor headers and a sample of the data: 16 hex digits that tell checkpoints apart.
  std::string hash(std::string_view config) const;

  // The name of a floating-point tensor that holds a NaN or an infinity; empty if there is none. Reads everything.
  std::string find_not_finite() const;

 private:
  const StoredTensor* aligned(const StoredTensor& tensor);
  const StoredTensor& add_planned(StoredTensor tensor);
  std::byte* new_bytes(std::size_t size);

  std::filesystem::path directory_;
  WeightPlan* plan_ = nullptr;
  bool packs_ = true;
  std::vector<std::unique_ptr<StoredTensor>> planned_;
  std::unique_ptr<Checkpoint> checkpoint_;
  Pool* pool_ = nullptr;
  PanelStore panels_;
  std::vector<std::unique_ptr<StoredTensor>> realigned_;  // tensors at an odd address, or in another order, copied
  std::vector<std::unique_ptr<std::byte[]>> copies_;
  std::map<std::string, const StoredTensor*, std::less<>> tensors_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace specdec
