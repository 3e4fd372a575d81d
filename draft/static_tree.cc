#include "draft/static_tree.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "core/error.h"

namespace specdec {
namespace {

using Ranks = std::vector<int>;  // of a node: its own and those of the nodes on the way to it

constexpr int kMostDepth = 64;
constexpr int kMostGuesses = 256;

std::vector<int> split(std::string_view text, char separator, std::string_view whole, int least) {
  std::vector<int> numbers;
  for (const char* at = text.data();; ++at) {
    int number = 0;
    const auto [end, failed] = std::from_chars(at, text.data() + text.size(), number);
    const bool ends = end == text.data() + text.size();
    if (failed != std::errc{} || (!ends && *end != separator) || number < least || number > kMostGuesses) {
      throw UsageError("tree={}: '{}': expected children on every level, such as 3x2x1, or nodes, such as 0/1/0.0",
                       whole, text);
    }
    numbers.push_back(number);
    if (ends) return numbers;
    at = end;
  }
}

bool by_level(const Ranks& a, const Ranks& b) { return std::pair(a.size(), a) < std::pair(b.size(), b); }

StaticTree of_levels(const std::vector<int>& counts, std::string_view text) {
  StaticTree tree;
  std::vector<int> level{0};
  for (const int count : counts) {
    std::vector<int> next;
    for (const int node : level) {
      for (int rank = 0; rank < count && tree.guesses() <= kMostGuesses; ++rank) next.push_back(tree.add(node));
    }
    level = std::move(next);
    if (tree.guesses() > kMostGuesses) throw UsageError("tree={}: expected up to {} guesses", text, kMostGuesses);
  }
  return tree;
}

StaticTree of_nodes(std::vector<Ranks> nodes, std::string_view text) {
  std::ranges::sort(nodes, by_level);
  StaticTree tree;
  std::map<Ranks, int> number_of{{{}, 0}};
  for (const Ranks& node : nodes) {
    const auto parent = number_of.find(Ranks(node.begin(), node.end() - 1));
    const std::string name = fmt::format("{}", fmt::join(node, "."));
    if (parent == number_of.end()) throw UsageError("tree={}: {} has no parent among the nodes", text, name);
    const auto elder = static_cast<int>(tree.children(parent->second).size());
    if (node.back() < elder) throw UsageError("tree={}: {} stands there twice", text, name);
    if (node.back() > elder) throw UsageError("tree={}: {} has no elder sibling of rank {}", text, name, elder);
    number_of[node] = tree.add(parent->second);
  }
  if (tree.guesses() > kMostGuesses) throw UsageError("tree={}: expected up to {} guesses", text, kMostGuesses);
  return tree;
}

}  // namespace

int StaticTree::add(int parent) {
  const int node = static_cast<int>(children_.size());
  children_[static_cast<std::size_t>(parent)].push_back(node);
  depths_.push_back(depths_[static_cast<std::size_t>(parent)] + 1);
  children_.emplace_back();
  return node;
}

int StaticTree::depth() const { return *std::ranges::max_element(depths_); }

int StaticTree::width() const {
  const auto widest = std::ranges::max_element(children_, {}, [](const auto& children) { return children.size(); });
  return static_cast<int>(widest->size());
}

std::string StaticTree::text() const {
  std::vector<std::size_t> counts;  // of children, on each level
  std::vector<Ranks> ranks(children_.size());
  bool even = true;
  for (std::size_t node = 0; node < children_.size(); ++node) {
    const auto level = static_cast<std::size_t>(depths_[node]);
    for (std::size_t rank = 0; rank < children_[node].size(); ++rank) {
      Ranks& child = ranks[static_cast<std::size_t>(children_[node][rank])];
      child = ranks[node];
      child.push_back(static_cast<int>(rank));
    }
    if (level >= counts.size()) counts.resize(level + 1, children_[node].size());
    even = even && counts[level] == children_[node].size();
  }
  if (even) return fmt::format("{}", fmt::join(std::span(counts).first(static_cast<std::size_t>(depth())), "x"));
  std::ranges::sort(ranks, by_level);
  std::vector<std::string> names;
  for (const Ranks& node : std::span(ranks).subspan(1)) names.push_back(fmt::format("{}", fmt::join(node, ".")));
  return fmt::format("{}", fmt::join(names, "/"));
}

StaticTree parse_static_tree(std::string_view text) {
  if (text != "0" && text.find_first_of("./") == std::string_view::npos)
    return of_levels(split(text, 'x', text, 1), text);
  std::vector<Ranks> nodes;
  for (std::string_view rest = text;;) {
    const std::size_t end = rest.find('/');
    nodes.push_back(split(rest.substr(0, end), '.', text, 0));
    if (static_cast<int>(nodes.back().size()) > kMostDepth) {
      throw UsageError("tree={}: expected up to {} levels", text, kMostDepth);
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return of_nodes(std::move(nodes), text);
}

}  // namespace specdec
