// Ways to write down what an experiment found. A format is a file notebooks-export/formats/<name>.cc; its name is its
// name on the command line.
//   for (const ExportFile& file : export_format("html").write(results)) write_file(directory / file.name,
//   file.contents);
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/result_table.h"

namespace specdec {

struct ExportFile {
  std::string name;  // without directories: safe as a file name, whatever the experiment is called
  std::string contents;
};

// Every format carries the question, the method, the finding, warnings, provenance, and what each column means.
struct ExportFormat {
  std::string_view name, summary, extension;
  std::vector<ExportFile> (*write)(const Results&);  // one file or several, always of the same names
};
std::span<const ExportFormat> export_formats();  // generated from formats/*.cc

const ExportFormat& export_format(std::string_view name);  // Throws UsageError that lists the formats there are.

}  // namespace specdec
