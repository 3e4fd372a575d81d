// Layers of random experts of true shape, without the rest of a model: written to disk, packed, and applied to rows
// whose routing is given.
//   RandomExperts files(shape, 128, 1, find_encoding("affine4g64"), directory, seed, pool);
//   RoutedLayers layers(files, 16, engine);
//   layers.apply(0, routes, 4);
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "core/blocks/ffn.h"
#include "core/encode.h"
#include "core/engine.h"
#include "core/experts.h"
#include "core/files/checkpoint_writer.h"
#include "core/weights.h"
#include "experiments/routed_shape.h"

namespace specdec {

// A directory of weights beside `directory`, that is gone with the object.
class RandomExperts {
 public:
  // Throws Error if the disk has no room or the format does not fit the shape.
  RandomExperts(const RoutedShape& shape, int stored, int layers, const Encoding& format,
                const std::filesystem::path& directory, std::uint64_t seed, Pool& pool);

  const std::filesystem::path& path() const { return made_.path(); }
  const RoutedShape& shape() const { return shape_; }
  int stored() const { return stored_; }  // experts of a layer
  int layers() const { return layers_; }
  MoeSpec spec() const;

 private:
  RoutedShape shape_;
  int stored_, layers_;
  NewDirectory made_;
};

// Bytes of one expert in a format, as stored.
std::int64_t stored_expert_bytes(const RoutedShape& shape, const Encoding& format);

class RoutedLayers {
 public:
  // The engine's budget says how many of the experts are in memory. The files and the engine outlive the layers.
  RoutedLayers(const RandomExperts& files, int most_rows, Engine& engine);

  // Seconds that a layer takes for so many rows. chosen: (rows, experts_per_token), ascending in each row.
  double apply(int layer, std::span<const int> chosen, int rows);
  // Sums of the last apply, (rows, hidden).
  std::span<const float> sums() const { return sums_; }

  ExpertStore& store() { return store_; }
  int first_in_store(int layer) const { return moes_[static_cast<std::size_t>(layer)].first_in_store; }

 private:
  const Engine& engine_;
  MoeSpec spec_;
  int hidden_;
  WeightFile file_;
  ExpertStore store_;
  std::vector<Moe> moes_;
  std::vector<float> rows_, weights_, sums_;
  PassBuffers buffers_;
};

}  // namespace specdec
