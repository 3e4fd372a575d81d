// A Jupyter notebook (nbformat 4.5) put together cell by cell.
//   Notebook notebook;
//   notebook.markdown("title", "# Depth");
//   notebook.code("speed-up", script, {{"image/svg+xml", svg}});
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/named_text.h"

namespace specdec {

std::span<const NamedText> notebook_files();  // generated from notebook/*.py

using NotebookOutput = std::vector<std::pair<std::string_view, std::string>>;  // one thing, by media type

class Notebook {
 public:
  Notebook();
  ~Notebook();

  // The names are the ids of the cells: letters, digits, '-' and '_', each once.
  void markdown(std::string_view name, std::string_view text);
  // The output is what a reader sees who runs nothing.
  void code(std::string_view name, std::string_view source, const NotebookOutput& output = {});
  // Its source is folded away until asked for.
  void hidden_code(std::string_view name, std::string_view source);

  std::string json() const;

 private:
  struct Cells;
  std::unique_ptr<Cells> cells_;
};

// A Python expression of this text, readable where it can be.
std::string python_text(std::string_view text);

// The same for a long text, compressed: for unpacked() of setup.py.
std::string packed_python_text(std::string_view text);

}  // namespace specdec
