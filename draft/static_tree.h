// A tree whose shape is chosen beforehand, by the ranks of siblings: the first, second, … likeliest token or draw.
//   const StaticTree tree = parse_static_tree("2x2x1");          // children on every level
//   const StaticTree other = parse_static_tree("0/1/0.0/0.1");   // or every node, by the ranks on the way to it
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

// Node 0 is the anchor; a parent has a lower number than its children, which are those of rank 0, 1, …
class StaticTree {
 public:
  StaticTree() : children_(1), depths_{0} {}
  int add(int parent);  // the next sibling below it; its number

  std::span<const int> children(int node) const { return children_[static_cast<std::size_t>(node)]; }
  int guesses() const { return static_cast<int>(children_.size()) - 1; }
  int depth() const;
  int width() const;  // most children of one node

  std::string text()
      const;  // as it is parsed: children on every level if all nodes there have as many, else every node

 private:
  std::vector<std::vector<int>> children_;
  std::vector<int> depths_;
};

// Throws UsageError that says what is written otherwise.
StaticTree parse_static_tree(std::string_view text);

}  // namespace specdec
