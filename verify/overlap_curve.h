// How many experts of a layer neighbouring rows of a text wake together, as it was measured on some model. One curve is
// one file, verify/overlaps/<name>.json; a user's own file looks the same.
//   const OverlapCurve curve = find_overlap("demo-moe");          // or a .json file, or a trace of specdec run
//   const std::vector<double> unions = curve.mapped(256, 8);      // as it would be for 8 of 256
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/model.h"
#include "verify/hardware.h"

namespace specdec {

struct OverlapCurve {
  std::string name, title, source;
  int experts = 0, experts_per_token = 0;
  std::vector<double> unions;  // [w - 1]: that w rows wake, mean of layers and places in the text

  // For another model: the same share of uniform_union at every width.
  std::vector<double> mapped(int of_experts, int per_token) const;
};
std::span<const OverlapCurve> overlap_curves();
std::span<const NamedText> overlap_files();  // generated from the files

// Throws UsageError naming the option and the curves, after what else may be said; or Error if the file is no such
// curve and no trace with routed experts.
OverlapCurve find_overlap(const std::string& name_or_file, std::string_view option = "overlap",
                          std::vector<std::string_view> names = {});
OverlapCurve read_overlap(const ConfigReader& file, std::string name);
std::string json_of(const OverlapCurve& curve);

// The experts of a text's tokens, one after the other.
class RoutedText {
 public:
  // Rows that stayed of one pass, the first of them first.
  void add(std::span<const int> path, RouterTrace routed);

  int tokens() const { return static_cast<int>(tokens_.size()); }
  int layers() const { return layers_; }
  int experts_per_token() const;
  int most_expert() const { return most_expert_; }
  // [w - 1]: distinct experts of a layer over w neighbouring tokens, summed over all places; w = 1 … most_rows.
  std::vector<double> summed_unions(int most_rows) const;
  int places(int rows) const { return std::max(0, tokens() - rows + 1); }

 private:
  std::vector<std::vector<std::pair<int, int>>> tokens_;  // (layer, expert)
  int layers_ = 0, most_layer_ = 0, most_expert_ = -1;
};

// Means over several texts, each with at least `most_rows` tokens; shorter ones are left out.
std::vector<double> mean_unions(std::span<const RoutedText> texts, int most_rows);

}  // namespace specdec
