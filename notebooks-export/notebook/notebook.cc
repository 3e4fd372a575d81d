#include "notebooks-export/notebook/notebook.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

// As nbformat has it: lines with their ends.
Json lines_of(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  Json lines = Json::array();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(std::string(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return lines;
}

}  // namespace

struct Notebook::Cells {
  Json all = Json::array();
  int executed = 0;

  void add_code(std::string_view name, std::string_view source, const NotebookOutput& output, Json metadata) {
    Json outputs = Json::array();
    if (!output.empty()) {
      Json data = Json::object();
      for (const auto& [type, text] : output) data[std::string(type)] = lines_of(text);
      outputs.push_back({{"output_type", "display_data"}, {"metadata", Json::object()}, {"data", data}});
    }
    all.push_back({{"cell_type", "code"},
                   {"id", name},
                   {"metadata", std::move(metadata)},
                   {"execution_count", ++executed},
                   {"source", lines_of(source)},
                   {"outputs", outputs}});
  }
};

Notebook::Notebook() : cells_(std::make_unique<Cells>()) {}
Notebook::~Notebook() = default;

void Notebook::markdown(std::string_view name, std::string_view text) {
  cells_->all.push_back(
      {{"cell_type", "markdown"}, {"id", name}, {"metadata", Json::object()}, {"source", lines_of(text)}});
}

void Notebook::code(std::string_view name, std::string_view source, const NotebookOutput& output) {
  cells_->add_code(name, source, output, Json::object());
}

void Notebook::hidden_code(std::string_view name, std::string_view source) {
  cells_->add_code(name, source, {}, {{"jupyter", {{"source_hidden", true}}}});
}

std::string Notebook::json() const {
  const Json kernel{{"display_name", "Python 3"}, {"language", "python"}, {"name", "python3"}};
  const Json notebook{{"cells", cells_->all},
                      {"metadata", {{"kernelspec", kernel}, {"language_info", {{"name", "python"}}}}},
                      {"nbformat", 4},
                      {"nbformat_minor", 5}};
  return notebook.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace specdec
