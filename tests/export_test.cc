// What exports hold, whatever the results say and however little they are.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/files/output_file.h"
#include "notebooks-export/base64.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/csv_text.h"
#include "notebooks-export/export_format.h"
#include "notebooks-export/figure.h"
#include "notebooks-export/notebook/notebook.h"
#include "notebooks-export/svg_canvas.h"
#include "notebooks-export/svg_plot.h"
#include "tests/error_line.h"
#include "tests/sample_results.h"

namespace specdec {
namespace {

std::string only_file(std::string_view format, const Results& results) {
  const std::vector<ExportFile> files = export_format(format).write(results);
  EXPECT_EQ(files.size(), 1u) << format;
  return files.front().contents;
}

bool holds(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

// Fields of comma-separated values by RFC 4180, read in another way than they were written.
std::vector<std::vector<std::string>> read_csv(std::string_view text) {
  std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string& field = rows.back().back();
    if (quoted) {
      if (text[i] != '"') {
        field += text[i];
      } else if (text.substr(i).starts_with("\"\"")) {
        field += text[i++];
      } else {
        quoted = false;
      }
    } else if (text[i] == '"') {
      EXPECT_TRUE(field.empty());
      quoted = true;
    } else if (text[i] == ',') {
      rows.back().emplace_back();
    } else if (text[i] == '\r') {
      EXPECT_EQ(text.substr(i, 2), "\r\n");
      ++i;
      rows.emplace_back(1);
    } else {
      EXPECT_NE(text[i], '\n');
      field += text[i];
    }
  }
  rows.pop_back();  // what follows the last line end
  return rows;
}

TEST(Export, EveryFormatSaysTheWholeStory) {
  const Results results = sample_results();
  for (const ExportFormat& format : export_formats()) {
    SCOPED_TRACE(format.name);
    std::string all;
    for (const ExportFile& file : format.write(results)) {
      const bool is_picture = file.name.ends_with(".svg");
      EXPECT_TRUE(is_picture || file.name.ends_with(fmt::format(".{}", format.extension))) << file.name;
      EXPECT_TRUE(file.name.starts_with("depth")) << file.name;
      all += file.contents;
    }
    EXPECT_TRUE(holds(all, results.question));
    EXPECT_TRUE(holds(all, "in pairs and in turn"));
    EXPECT_TRUE(holds(all, "Figures are made up."));
    EXPECT_TRUE(holds(all, "8488C"));
    EXPECT_TRUE(holds(all, "The fastest of 12 arms, mtp k=2, decodes 1.47 times"));
    for (const Table& table : results.tables) {
      for (const Column& column : table.columns) EXPECT_TRUE(holds(all, column.name)) << column.name;
    }
  }
}

TEST(Export, AnUnknownFormatIsToldTheOthers) {
  expect_error([] { export_format("pdf"); }, {"pdf", "csv, html, ipynb, jsonl, markdown"});
}

TEST(Export, FileNamesAreSafe) {
  for (const ExportFormat& format : export_formats()) {
    for (const ExportFile& file : format.write(hostile_results()))
      EXPECT_TRUE(std::regex_match(file.name, std::regex("[A-Za-z0-9_-][A-Za-z0-9._-]*"))) << file.name;
  }
}

TEST(Export, CsvIsReadBackAsItWas) {
  for (const Results& results : {sample_results(), hostile_results(), empty_results()}) {
    const std::vector<ExportFile> files = export_format("csv").write(results);
    ASSERT_EQ(files.size(), results.tables.size() + 2);
    for (std::size_t t = 0; t < results.tables.size(); ++t) {
      const Table& table = results.tables[t];
      const auto rows = read_csv(files[t].contents);
      ASSERT_EQ(rows.size(), table.rows.size() + 1);
      for (std::size_t column = 0; column < table.columns.size(); ++column) {
        EXPECT_EQ(rows[0][column], table.columns[column].name);
        for (std::size_t row = 0; row < table.rows.size(); ++row)
          EXPECT_EQ(rows[row + 1].at(column), text_of(table.rows[row][column]));
      }
    }
    const auto about = read_csv(files.back().contents);
    EXPECT_EQ(about.back(), (std::vector{results.provenance.back().first, results.provenance.back().second}));
  }
}

TEST(Export, CsvTellsNothingFromEmptyWordsAndKeepsEveryDigit) {
  const Table table{"t", "", {{"a", "", ""}, {"b", "", ""}, {"c", "", ""}}, {{Cell{}, Cell{""}, Cell{0.1 + 0.2}}}};
  EXPECT_EQ(csv_text(table), "a,b,c\r\n,\"\",0.30000000000000004\r\n");
}

TEST(Export, JsonlHasAnObjectPerRow) {
  const Results results = hostile_results();
  std::istringstream lines(only_file("jsonl", results));
  std::map<std::string, std::vector<nlohmann::json>> tables;
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json object = nlohmann::json::parse(line);
    tables[object.at("table")].push_back(std::move(object));
  }
  for (const Table& table : results.tables) {
    ASSERT_EQ(tables[table.name].size(), table.rows.size());
    EXPECT_EQ(tables[table.name].back().at("arm"), text_of(table.rows.back()[0]));
    EXPECT_EQ(tables[table.name].back().size(), table.columns.size() + 1);
  }
  EXPECT_TRUE(tables["arms"][0].at("k").is_number_integer());
  EXPECT_TRUE(tables["texts"][0].at("read_bytes").is_null());
  EXPECT_EQ(tables["about"][1].at("value"), results.question);
}

TEST(Export, MarkdownKeepsItsTablesWhole) {
  const Results results = hostile_results();
  const std::string text = only_file("markdown", results);
  EXPECT_FALSE(holds(text, "<script"));
  EXPECT_FALSE(holds(text, "<img"));
  EXPECT_FALSE(holds(text, "\n# not a heading"));
  std::istringstream lines(text);
  std::size_t bars = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("|")) {
      bars = 0;
      continue;
    }
    const std::size_t now = count_of(line, "|") - count_of(line, "\\|");
    EXPECT_TRUE(bars == 0 || now == bars) << line;
    bars = now;
  }
}

void expect_valid_notebook(const nlohmann::json& notebook) {
  EXPECT_EQ(notebook.at("nbformat"), 4);
  EXPECT_EQ(notebook.at("nbformat_minor"), 5);
  EXPECT_EQ(notebook.at("metadata").at("kernelspec").at("name"), "python3");
  std::set<std::string> ids;
  for (const nlohmann::json& cell : notebook.at("cells")) {
    const std::string id = cell.at("id");
    EXPECT_TRUE(std::regex_match(id, std::regex("[a-zA-Z0-9_-]{1,64}"))) << id;
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_TRUE(cell.at("metadata").is_object());
    for (const nlohmann::json& line : cell.at("source")) EXPECT_TRUE(line.is_string());
    if (cell.at("cell_type") == "markdown") {
      EXPECT_EQ(cell.size(), 4u);
      continue;
    }
    EXPECT_EQ(cell.at("cell_type"), "code");
    EXPECT_TRUE(cell.at("execution_count").is_number_integer());
    for (const nlohmann::json& output : cell.at("outputs")) {
      EXPECT_EQ(output.at("output_type"), "display_data");
      EXPECT_TRUE(output.at("metadata").is_object());
      EXPECT_TRUE(output.at("data").contains("text/plain"));
    }
  }
}

TEST(Export, NotebooksAreValidAndReadWithoutBeingRun) {
  for (const Results& results : {sample_results(), hostile_results(), empty_results(), crowded_results(6, 92)})
    expect_valid_notebook(nlohmann::json::parse(only_file("ipynb", results)));
  const std::string text = only_file("ipynb", sample_results());
  EXPECT_EQ(count_of(text, "\"image/svg+xml\""), figure_kinds().size());
  EXPECT_EQ(count_of(text, "\"text/html\""), figure_kinds().size() + sample_results().tables.size() + 1);
  EXPECT_TRUE(holds(text, "mtp k=1,mtp,1,"));  // the data, to be read
}

TEST(Export, ALargeNotebookPacksItsData) {
  Results results = sample_results();
  Table& texts = results.tables.back();
  while (texts.rows.size() < 20'000) texts.rows.push_back(texts.rows[texts.rows.size() % 96]);
  const std::string text = only_file("ipynb", results);
  EXPECT_TRUE(holds(text, "texts = table(unpacked("));
  EXPECT_LT(text.size(), 1u << 20);
}

TEST(Export, Base64IsThatOfItsStandard) {
  for (const auto& [bytes, text] :
       {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}})
    EXPECT_EQ(base64(bytes), text);
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(Export, PythonTextEndsWhereItShould) {
  EXPECT_EQ(python_text("a\\b\n"), "\"\"\"\\\na\\\\b\n\"\"\"");
  EXPECT_EQ(python_text("\"\"\"\"\r\n"), "\"\"\"\\\n\"\"\\\"\"\\x0d\n\"\"\"");
  EXPECT_EQ(python_text("a\""), "\"\"\"\\\na\\\"\"\"\"");
}

TEST(Export, PagesHoldNoMarkupButTheirOwn) {
  const std::string page = only_file("html", hostile_results());
  EXPECT_EQ(count_of(page, "<script"), 1u);
  EXPECT_EQ(count_of(page, "</script"), 1u);
  EXPECT_EQ(count_of(page, "<style"), 1u);
  EXPECT_EQ(count_of(page, "</title><s"), 0u);
  EXPECT_EQ(count_of(page, "<img"), 0u);
  EXPECT_TRUE(holds(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
}

TEST(Export, PagesNeedNothingFromElsewhere) {
  const std::string page = only_file("html", sample_results());
  EXPECT_TRUE(holds(page, "default-src 'none'"));
  EXPECT_TRUE(holds(page, "<meta name=\"viewport\""));
  EXPECT_EQ(count_of(page, "http"), count_of(page, "http://www.w3.org/2000/svg") + count_of(page, "http-equiv"));
  EXPECT_EQ(count_of(page, "<svg"), 2 * figure_kinds().size());
}

TEST(Export, FiguresWithoutDataSayWhatIsMissing) {
  for (const ResultFigure& figure : figures_of(empty_results())) {
    EXPECT_FALSE(figure.shown.plot) << figure.name;
    EXPECT_FALSE(figure.shown.words.empty()) << figure.name;
  }
  Results dense = sample_results();
  dense.tables[2].rows.clear();
  for (auto& row : dense.tables[0].rows) row[dense.tables[0].column("loaded_mb_per_token")] = Cell{};
  const std::string page = only_file("html", dense);
  EXPECT_TRUE(holds(page, "no layers with routed experts"));
  EXPECT_TRUE(holds(page, "weights read (MB per token)"));
  for (const ExportFormat& format : export_formats()) EXPECT_FALSE(format.write(empty_results()).empty());
}

TEST(Export, FindingsKnowChance) {
  Results results = sample_results();
  Table& arms = results.tables[0];
  arms.rows.resize(1);
  const auto finding = [&](Cell value, Cell low, Cell high) {
    arms.rows[0][arms.column("speed_up")] = value;
    arms.rows[0][arms.column("speed_up_low")] = low;
    arms.rows[0][arms.column("speed_up_high")] = high;
    return export_format("markdown").write(results).front().contents;
  };
  EXPECT_TRUE(holds(finding(1.2, 1.1, 1.3),
                    "1.20 times as fast as plain decoding (95 % interval 1.10 to 1.30): guessing pays"));
  EXPECT_TRUE(holds(finding(1.05, 0.9, 1.2), "within chance"));
  EXPECT_TRUE(holds(finding(0.8, 0.7, 0.9), "does not pay"));
  EXPECT_TRUE(holds(finding(1.2, Cell{}, Cell{}), "chance is not ruled out"));
  EXPECT_TRUE(holds(finding(Cell{}, Cell{}, Cell{}), "nothing is said about speed"));
}

// Each arm is a family of its own.
Results without_k() {
  Results results = crowded_results(6, 12);
  results.axes = {"draft"};
  Table& arms = results.tables[0];
  for (auto& row : arms.rows) row[arms.column("draft")] = row[0];
  return results;
}

// Pictures of every width are whole, and no two of their words stand on one another.
TEST(Export, LabelsDoNotMeet) {
  for (const Results& results :
       {sample_results(), hostile_results(), crowded_results(1, 48), without_k(), crowded_results(6, 92)}) {
    for (const ResultFigure& figure : figures_of(results)) {
      for (const double width : {kWideFigure, kNarrowFigure}) {
        SCOPED_TRACE(fmt::format("{} at {}, {} arms", figure.name, width, results.tables[0].rows.size()));
        if (!figure.shown.plot) {
          EXPECT_EQ(figure.name, "tokens_per_pass");
          continue;
        }
        const std::string svg = svg_of(*figure.shown.plot, width, figure.title);
        struct Box {
          double left, right, baseline;
          std::string words;
        };
        std::vector<Box> boxes;
        static const std::regex text(
            "<text class=\"\\w*\" x=\"([^\"]*)\" y=\"([^\"]*)\" fill=\"[^\"]*\"(?: text-anchor=\"(\\w*)\")?"
            "(?: font-size=\"(\\d+)\")?>(?:<title>[^<]*</title>)?([^<]*)</text>");
        for (std::sregex_iterator i(svg.begin(), svg.end(), text), end; i != end; ++i) {
          const double x = std::stod((*i)[1]), size = (*i)[4].matched ? std::stod((*i)[4]) : kTextSize;
          std::string words = std::regex_replace((*i)[5].str(), std::regex("&[a-z]+;"), "x");
          const double length = text_width(words, size);
          const double left = (*i)[3] == "end" ? x - length : (*i)[3] == "middle" ? x - length / 2 : x;
          EXPECT_GE(left, -1) << words;
          EXPECT_LE(left + length, width + 1) << words;
          boxes.push_back({left, left + length, std::stod((*i)[2]), std::move(words)});
        }
        EXPECT_EQ(boxes.size(), count_of(svg, "<text"));
        for (std::size_t i = 0; i < boxes.size(); ++i) {
          for (std::size_t j = 0; j < i; ++j) {
            const bool apart = boxes[i].right <= boxes[j].left || boxes[j].right <= boxes[i].left ||
                               std::abs(boxes[i].baseline - boxes[j].baseline) >= 11;
            EXPECT_TRUE(apart) << boxes[i].words << " and " << boxes[j].words;
          }
        }
      }
    }
  }
}

TEST(Export, PicturesStandAlone) {
  const ResultFigure figure = figures_of(sample_results()).front();
  const std::string picture = standalone(svg_of(*figure.shown.plot, kWideFigure, figure.title));
  EXPECT_TRUE(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_TRUE(holds(picture, "prefers-color-scheme: dark"));
  EXPECT_TRUE(picture.ends_with("</svg>\n"));
}

// To look at: build/exports/*.
TEST(Export, DISABLED_WritesSamples) {
  const std::filesystem::path directory = SPECDEC_SOURCE_DIR "/build/exports";
  std::filesystem::create_directories(directory);
  for (auto& [name, results] : {std::pair{"sample", sample_results()}, std::pair{"hostile", hostile_results()},
                                std::pair{"crowded", crowded_results(6, 92)}, std::pair{"no-k", without_k()},
                                std::pair{"empty", empty_results()}}) {
    for (const ExportFormat& format : export_formats()) {
      for (const ExportFile& file : format.write(results))
        write_file(directory / fmt::format("{}-{}", name, file.name), file.contents);
    }
  }
}

}  // namespace
}  // namespace specdec
