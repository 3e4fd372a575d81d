#include "verify/hardware.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "tests/error_line.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

using Json = nlohmann::json;

Json m3_ultra() { return Json::parse(json_of(find_hardware("m3-ultra"))); }

HardwareProfile read(const Json& json) { return read_hardware(ConfigReader(json.dump(), "mine.json"), "mine"); }

// A file that lacks a field, has an unknown one, or gives a number without a source does not load.
TEST(Hardware, EveryFileHasAllFieldsWithTheirSources) {
  EXPECT_EQ(hardware_profiles().size(), hardware_files().size());
  EXPECT_GE(hardware_profiles().size(), 20u);
  for (const HardwareProfile& profile : hardware_profiles()) {
    SCOPED_TRACE(profile.name);
    for (const auto& field : hardware_fields()) EXPECT_FALSE((profile.*field.figure).source.empty()) << field.name;
    EXPECT_TRUE(profile.peak_bytes_per_s.value >= profile.effective_bytes_per_s.value);
    EXPECT_LE(profile.usable_memory_bytes.value, profile.memory_bytes.value);
    EXPECT_NE(profile.title, profile.name);
  }
  for (const LinkProfile& link : link_profiles()) EXPECT_GT(link.bytes_per_s.value, 1e9) << link.name;
}

TEST(Hardware, AnEngineChangesItsOwnFiguresAlone) {
  EXPECT_EQ(engine_profiles().size(), engine_files().size());
  const HardwareProfile machine = find_hardware("h100");
  for (const EngineProfile& engine : engine_profiles()) {
    SCOPED_TRACE(engine.name);
    EXPECT_FALSE(engine.figures.empty());
    for (const auto& [member, figure] : engine.figures) EXPECT_FALSE(figure.source.empty());
    const HardwareProfile run = run_by(engine, machine);
    EXPECT_EQ(run.engine, engine.title);
    EXPECT_EQ(run.title, machine.title);
    EXPECT_EQ(run.effective_bytes_per_s.value, machine.effective_bytes_per_s.value);
  }
  EXPECT_LT(run_by(find_engine("TensorRT LLM"), machine).step_s.value, machine.step_s.value);
  expect_error([] { find_engine("ollama"); }, {"engine", "ollama", "vllm"});
  const auto read = [](std::string_view text) { return read_engine(ConfigReader(text, "mine.json"), "mine"); };
  expect_error([&] { read(R"({"step_s": {"value": 1, "source": "x"}})"); }, {"mine.json", "'title' is missing"});
  expect_error([&] { read(R"({"title": "x", "row_s": 1})"); }, {"'row_s' is no figure of an engine", "step_s"});
}

TEST(Hardware, NamesAreDistinctHoweverSpelled) {
  std::set<std::string> names;
  for (const HardwareProfile& profile : hardware_profiles()) {
    EXPECT_TRUE(names.insert(profile.name).second);
    for (const std::string& alias : profile.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_EQ(find_hardware(profile.name).title, profile.title);
  }
  EXPECT_EQ(find_hardware("M3 Ultra").name, "m3-ultra");
  EXPECT_EQ(find_hardware("gb10").name, "dgx-spark");
  EXPECT_EQ(find_hardware("RTX4090").name, "rtx-4090");
  EXPECT_EQ(find_link("NVLink 4").name, "nvlink4");
  expect_error([] { find_hardware("m9-ultra"); }, {"m9-ultra", "m3-ultra", "h200"});
}

TEST(Hardware, IsReadAsWritten) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("mine.json", m3_ultra().dump()).string();
  const HardwareProfile first = find_hardware("m3-ultra"), again = find_hardware(path);
  EXPECT_EQ(again.name, "mine");
  for (const auto& field : hardware_fields()) {
    EXPECT_EQ((first.*field.figure).value, (again.*field.figure).value) << field.name;
    EXPECT_EQ((first.*field.figure).low, (again.*field.figure).low) << field.name;
    EXPECT_EQ((first.*field.figure).known, (again.*field.figure).known) << field.name;
  }
}

TEST(Hardware, WrongFilesEndInOneLine) {
  const auto refused = [](const std::string& key, const Json& value, std::initializer_list<std::string_view> words) {
    Json json = m3_ultra();
    json[key] = value;
    expect_error([&] { read(json); }, words);
  };
  refused("row_s", nullptr, {"mine.json", "'row_s' is missing"});
  refused("row_s", {{"value", nullptr}, {"source", "x"}}, {"row_s", "assumed"});
  refused("row_s", {{"value", 1}}, {"row_s", "source is missing"});
  refused("row_s", {{"value", -1}, {"source", "x"}}, {"row_s", "-1"});
  refused("row_s", {{"value", 2}, {"low", 3}, {"high", 4}, {"source", "x"}}, {"low 3", "both sides"});
  refused("row_s", "fast", {"row_s", "an object"});
  refused("flops_per_s", {{"value", 0}, {"source", "x"}}, {"flops_per_s", "more than 0"});
  refused("rows", 1, {"'rows' is no field", "row_s"});
  refused("engine", nullptr, {"'engine' is missing"});
}

}  // namespace
}  // namespace specdec
