#include "experiments/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "core/arch.h"
#include "core/blocks/recurrent_block.h"
#include "core/checkpoint.h"
#include "core/declared_storage.h"
#include "core/encode.h"
#include "core/error.h"
#include "core/files/checkpoint_writer.h"
#include "core/inventory.h"
#include "core/pool.h"
#include "experiments/quantization_block.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// A matrix that is written, or a stack of them: rows of the source, in order.
struct Matrix {
  std::string path;
  std::vector<std::int64_t> shape;  // (…, out, in)
  std::vector<Weight> slices;
  const Encoding* encoding = nullptr;
  DType values = DType::bf16;  // of which its weights are
  bool stored_so = false;      // as it is to be written
  std::int64_t in() const { return shape.back(); }
};

bool is_stored_as(const Weight& weight, const Encoding& encoding) {
  if (!encoding.quantised()) return weight.format->name == encoding.name;
  const bool one_choice = weight.bits == 0;
  return weight.format->name == encoding.mode &&
         (one_choice || (weight.bits == encoding.bits && weight.group == encoding.group));
}

DType values_of(const Weight& weight, DType usual) {
  if (weight.format->name == "f32") return DType::f32;
  if (weight.format->name == "f16") return DType::f16;
  if (weight.format->name == "bf16") return DType::bf16;
  return weight.format->name == "affine" ? weight.scale_dtype : usual;
}

// Learns from the architecture's loader which matrices there are, and where the source has them.
class SourcePlan : public WeightPlan {
 public:
  explicit SourcePlan(WeightFile& source) : source_(source) {}

  bool has_prefix(std::string_view prefix) const override { return source_.has_prefix(std::string(prefix)); }

  std::vector<StoredTensor> linear(const std::string& path, std::span<const std::int64_t> shape) override {
    place(path, shape, source_.table(path, shape));
    std::size_t bytes = bytes_of(DType::bf16);
    for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
    return {{path + ".weight", DType::bf16, {shape.begin(), shape.end()}, nullptr, bytes}};
  }

  StoredTensor vector(const std::string& name, std::span<const std::int64_t> shape) override {
    const StoredTensor* stored = source_.peek(name);
    const bool turned = stored != nullptr && is_mlx_convolution(*stored) && shape.size() == 3;
    const std::vector<std::int64_t> expected(shape.begin(), shape.end());
    StoredTensor planned =
        others_.emplace_back(source_.get(name, turned ? std::vector{expected[0], expected[2], expected[1]} : expected));
    planned.shape = expected;
    return planned;
  }

  void transpose(const std::string& name, const std::array<std::int64_t, 3>& shape) override {
    source_.transpose(name, shape);
  }

  const StoredTensor* find(const std::string& name) override {
    const StoredTensor* tensor = source_.find(name);
    if (tensor != nullptr) others_.push_back(*tensor);
    return tensor;
  }

  void expect_all_used(std::span<const std::string> ignored) override { source_.expect_all_used(ignored); }

  std::vector<Matrix>& matrices() { return matrices_; }
  std::span<const StoredTensor> others() const { return others_; }

 private:
  void place(const std::string& path, std::span<const std::int64_t> shape, const Weight& weight) {
    constexpr std::string_view kExperts = ".mlp.experts.";
    const std::size_t at = path.find(kExperts);
    const std::string inside = path.substr(0, path.rfind('.'));  // of gpt-oss, all experts together
    const bool of_gpt_oss = source_.has(inside + ".gate_up_proj_bias") || source_.has(inside + ".gate_proj.bias");
    if (at == path.npos || of_gpt_oss) return add(path, shape, weight);
    const std::string stack = path.substr(0, at) + ".mlp.switch_mlp.";
    const std::string name = path.substr(at + kExperts.size());
    if (name == "down_proj") return add(stack + name, shape, weight);
    if (name != "gate_up_proj") {  // one expert: "7.up_proj"
      Matrix& matrix = matrix_of(stack + name.substr(name.find('.') + 1));
      matrix.slices.push_back(weight);
      matrix.shape = {static_cast<std::int64_t>(matrix.slices.size()), shape[0], shape[1]};
      return;
    }
    const std::int64_t width = shape[1] / 2;
    for (std::int64_t half = 0; half < 2 * shape[0]; ++half) {
      Matrix& matrix = matrix_of(stack + (half % 2 == 0 ? "gate_proj" : "up_proj"));
      matrix.slices.push_back(weight.rows(half * width, width));
      matrix.shape = {shape[0], width, shape[2]};
    }
  }

  void add(const std::string& path, std::span<const std::int64_t> shape, const Weight& weight) {
    Matrix& matrix = matrix_of(path);
    matrix.shape.assign(shape.begin(), shape.end());
    matrix.slices = {weight};
  }

  Matrix& matrix_of(const std::string& path) {
    const auto [found, fresh] = index_.emplace(path, matrices_.size());
    if (fresh) matrices_.emplace_back().path = path;
    return matrices_[found->second];
  }

  WeightFile& source_;
  std::vector<Matrix> matrices_;
  std::map<std::string, std::size_t> index_;
  std::vector<StoredTensor> others_;
};

// Sums over weights, in an order that the number of threads does not change.
struct Deviation {
  double magnitude = 0, square = 0, square_of_weights = 0, worst = 0;
  std::int64_t weights = 0;

  void add(const float* weights_read, const float* read_back, std::int64_t count) {
    constexpr std::int64_t kLanes = 8;
    std::array<double, kLanes> magnitudes{}, squares{}, of_weights{}, largest{};
    for (std::int64_t i = 0; i < count; ++i) {
      const auto lane = static_cast<std::size_t>(i % kLanes);
      const double weight = weights_read[i];
      const double error = std::fabs(read_back[i] - weight);
      magnitudes[lane] += error;
      squares[lane] += error * error;
      of_weights[lane] += weight * weight;
      largest[lane] = std::max(largest[lane], error);
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      add({magnitudes[lane], squares[lane], of_weights[lane], largest[lane], 0});
    weights += count;
  }

  void add(const Deviation& other) {
    magnitude += other.magnitude;
    square += other.square;
    square_of_weights += other.square_of_weights;
    worst = std::max(worst, other.worst);
    weights += other.weights;
  }
};

// What errors are summed over.
struct KindOfMatrix {
  bool mtp;
  Group group;  // of no account in an MTP layer
  std::string format;
  auto operator<=>(const KindOfMatrix&) const = default;
};
KindOfMatrix kind_of(const Matrix& matrix, int layers) {
  const Place place = place_of(matrix.path + ".weight", layers);
  return {place.mtp, place.mtp ? Group::other : place.group, matrix.encoding->name};
}

class Converter {
 public:
  Converter(WeightFile& source, Engine& engine, const std::function<bool()>& interrupted)
      : source_(source), engine_(engine), interrupted_(interrupted) {}

  Deviation write(SafetensorsWriter& writer, const Matrix& matrix, std::span<const StoredTensor> tensors) {
    constexpr std::int64_t kPiece = std::int64_t{4} << 20;  // weights
    Deviation deviation;
    std::int64_t row = 0;  // of the result
    const std::vector<EncodedPart> parts = matrix.encoding->parts(*matrix.encoding, matrix.in(), matrix.values);
    for (const Weight& slice : matrix.slices) {
      const std::int64_t most_rows = std::max<std::int64_t>(1, kPiece / matrix.in());
      for (std::int64_t first = 0; first < slice.out; first += most_rows) {
        if (interrupted_()) throw Error("interrupted: nothing was written");
        const Weight rows = slice.rows(first, std::min(most_rows, slice.out - first));
        deviation.add(matrix.stored_so ? copy(matrix, rows) : encode(matrix, parts, rows));
        for (std::size_t p = 0; p < parts.size(); ++p)
          writer.write_at(tensors[p], static_cast<std::size_t>(row * parts[p].row_bytes()), pieces_[p]);
        source_.release(rows);
        row += rows.out;
      }
      source_.release(slice);  // the pages that two pieces share
    }
    return deviation;
  }

 private:
  Deviation copy(const Matrix& matrix, const Weight& rows) {
    pieces_.clear();
    for (const StoredRows* stored : rows.stored())
      pieces_.emplace_back(stored->row(0), static_cast<std::size_t>(stored->bytes(rows.out)));
    Deviation none;
    none.weights = rows.out * matrix.in();
    return none;
  }

  Deviation encode(const Matrix& matrix, std::span<const EncodedPart> parts, const Weight& rows) {
    buffers_.resize(parts.size());
    pieces_.clear();
    std::vector<StoredTensor> written;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const auto bytes = static_cast<std::size_t>(rows.out * parts[p].row_bytes());
      if (buffers_[p].size() < bytes) buffers_[p].resize(bytes);
      pieces_.emplace_back(buffers_[p].data(), bytes);
      written.push_back({matrix.path + std::string(parts[p].suffix),
                         parts[p].dtype,
                         {rows.out, parts[p].elements},
                         buffers_[p].data(),
                         bytes});
    }
    WeightFile file(std::move(written));
    const Weight read_back = file.table(matrix.path, {rows.out, matrix.in()});

    constexpr std::int64_t kOfTask = std::int64_t{64} << 10;  // weights
    const std::int64_t task_rows = std::max<std::int64_t>(1, kOfTask / matrix.in());
    std::vector<Deviation> deviations(static_cast<std::size_t>((rows.out + task_rows - 1) / task_rows));
    engine_.pool().for_each(static_cast<std::int64_t>(deviations.size()), [&](std::int64_t task) {
      std::vector<float> values(static_cast<std::size_t>(matrix.in())), again(values.size());
      std::vector<std::byte*> to(parts.size());
      for (std::int64_t row = task * task_rows; row < std::min((task + 1) * task_rows, rows.out); ++row) {
        rows.format->unpack(rows, row, values.data(), engine_.kernels());
        for (std::size_t p = 0; p < parts.size(); ++p) to[p] = buffers_[p].data() + row * parts[p].row_bytes();
        matrix.encoding->encode(*matrix.encoding, values.data(), matrix.in(), matrix.values, to.data());
        read_back.format->unpack(read_back, row, again.data(), engine_.kernels());
        deviations[static_cast<std::size_t>(task)].add(values.data(), again.data(), matrix.in());
      }
    });
    Deviation sum;
    for (const Deviation& deviation : deviations) sum.add(deviation);
    if (!std::isfinite(sum.square_of_weights))
      throw Error("{}: matrix '{}' holds NaN or infinite values; the file is damaged: download it again",
                  source_.directory().string(), matrix.path);
    if (!std::isfinite(sum.square))
      throw Error("{}: matrix '{}' holds values too large for {}; choose another format", source_.directory().string(),
                  matrix.path, matrix.encoding->name);
    return sum;
  }

  WeightFile& source_;
  Engine& engine_;
  const std::function<bool()>& interrupted_;
  std::vector<std::vector<std::byte>> buffers_;     // of each part
  std::vector<std::span<const std::byte>> pieces_;  // of each part, to be written
};

const Encoding& stored_or_plain(const Matrix& matrix) {
  for (const Encoding& encoding : encodings())
    if (is_stored_as(matrix.slices.front(), encoding)) return encoding;
  return find_encoding(matrix.values == DType::f32 ? "f32" : matrix.values == DType::f16 ? "f16" : "bf16");
}

void choose_format(Matrix& matrix, const ConvertOptions& options, DType usual, const fs::path& source) {
  const bool router = matrix.path.ends_with(".mlp.gate");
  matrix.values = values_of(matrix.slices.front(), usual);
  for (const Weight& slice : matrix.slices)
    if (values_of(slice, usual) != matrix.values) matrix.values = DType::f32;
  matrix.encoding = contains(matrix.path, ".switch_mlp.") ? &find_encoding(options.experts)
                    : !router                             ? &find_encoding(options.rest)
                    : options.router                      ? &find_encoding(*options.router)
                                                          : &stored_or_plain(matrix);
  matrix.stored_so = std::ranges::all_of(matrix.slices, [&](const Weight& slice) {
    return is_stored_as(slice, *matrix.encoding) && values_of(slice, usual) == matrix.values;
  });
  matrix.encoding->expect_groups(fmt::format("{}: '{}'", source.string(), matrix.path), matrix.in());
}

std::vector<StoredTensor> tensors_of(const Matrix& matrix) {
  std::vector<StoredTensor> tensors;
  std::size_t rows = 1;
  for (const std::int64_t size : std::span(matrix.shape).first(matrix.shape.size() - 1))
    rows *= static_cast<std::size_t>(size);
  for (const EncodedPart& part : matrix.encoding->parts(*matrix.encoding, matrix.in(), matrix.values)) {
    std::vector<std::int64_t> shape = matrix.shape;
    shape.back() = part.elements;
    tensors.push_back({matrix.path + std::string(part.suffix), part.dtype, std::move(shape), nullptr,
                       rows * static_cast<std::size_t>(part.row_bytes())});
  }
  return tensors;
}

// A source that lies inside what is replaced would be lost.
void expect_apart(const WeightFile& source, const fs::path& directory) {
  std::error_code unknown;
  const fs::path inside = fs::weakly_canonical(directory, unknown);
  std::vector<fs::path> inputs = source.paths();
  inputs.push_back(source.directory());
  for (const fs::path& input : inputs) {
    const fs::path relative = fs::weakly_canonical(input, unknown).lexically_relative(inside);
    if (!relative.empty() && *relative.begin() != "..")
      throw Error("{}: would be replaced, but {} is read from there; name another directory", directory.string(),
                  input.string());
  }
}

}  // namespace

ConvertReport convert(const fs::path& source_path, const fs::path& directory, const ConvertOptions& options,
                      Engine& engine, const std::function<bool()>& interrupted) {
  for (const std::string& format : {options.experts, options.rest, options.router.value_or(options.rest)})
    find_encoding(format);
  const ConfigText text = checkpoint_kind(source_path).config(source_path);
  const ConfigReader config(text.json, text.origin);
  const Architecture& architecture = find_architecture(config);
  const ModelInfo info = architecture.describe(config);
  WeightFile source(source_path);
  SourcePlan plan(source);
  architecture.load(config, WeightFile(source_path, plan), info, engine);

  ConvertReport report;
  report.left_out = source.unused();
  std::vector<StoredTensor> tensors;
  std::vector<WrittenMatrix> written;
  std::map<std::size_t, const Matrix*> begins;  // of the tensors of each matrix
  for (Matrix& matrix : plan.matrices()) {
    choose_format(matrix, options, trained_dtype(config), source_path);
    begins[tensors.size()] = &matrix;
    std::ranges::move(tensors_of(matrix), std::back_inserter(tensors));
    written.push_back({matrix.path, matrix.encoding});
    for (const Weight& slice : matrix.slices) report.source_bytes += slice.bytes();
  }
  for (const StoredTensor& other : plan.others()) {
    tensors.push_back(other);
    report.source_bytes += static_cast<std::int64_t>(other.bytes);
  }
  for (const StoredTensor& tensor : tensors) report.bytes += static_cast<std::int64_t>(tensor.bytes);
  report.tensors = static_cast<std::int64_t>(tensors.size());

  NewDirectory made(directory, options.replace);
  expect_apart(source, directory);
  made.expect_room(report.bytes);
  Converter converter(source, engine, interrupted);
  std::map<KindOfMatrix, Deviation> deviations;
  std::map<KindOfMatrix, std::int64_t> bytes;
  report.files =
      write_weights(made.path(), tensors, options.most_shard_bytes,
                    [&](SafetensorsWriter& writer, std::span<const StoredTensor> shard) {
                      for (const StoredTensor& tensor : shard) {
                        const auto index = static_cast<std::size_t>(&tensor - tensors.data());
                        if (tensor.data != nullptr) writer.write_at(tensor, 0, {tensor.data, tensor.bytes});
                        const auto begin = begins.find(index);
                        if (begin == begins.end()) continue;
                        const Matrix& matrix = *begin->second;
                        const KindOfMatrix kind = kind_of(matrix, info.layers);
                        deviations[kind].add(converter.write(writer, matrix, std::span(tensors).subspan(index)));
                        for (const StoredTensor& part : tensors_of(matrix))
                          bytes[kind] += static_cast<std::int64_t>(part.bytes);
                      }
                    });
  for (const std::string_view file : kOtherFiles) {
    if (!fs::exists(source_path / file)) continue;
    fs::copy_file(source_path / file, made.path() / file);
    report.copied.emplace_back(file);
  }
  write_file(made.path() / "config.json",
             with_quantization(text.json, text.origin, find_encoding(options.rest), written));
  made.keep();

  for (const auto& [kind, sum] : deviations) {
    const auto count = static_cast<double>(sum.weights);
    report.round_trips.push_back({kind.mtp ? "MTP" : name_of(kind.group), kind.format, sum.weights, bytes[kind],
                                  sum.magnitude / count,
                                  sum.square > 0 ? std::sqrt(sum.square / sum.square_of_weights) : 0, sum.worst});
  }
  return report;
}

}  // namespace specdec
