// The shape of the source tree: who includes whom, formatting, and what every kind must say of itself.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "core/arch.h"
#include "core/checkpoint.h"
#include "core/encode.h"
#include "core/expert_cache.h"
#include "core/inventory.h"
#include "core/quant.h"
#include "draft/bridge.h"
#include "draft/drafter.h"
#include "draft/policy.h"
#include "notebooks-export/export_format.h"
#include "notebooks-export/figure.h"
#include "tests/file_contents.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/type_definitions.h"
#include "tokenizers/tokenizer.h"
#include "verify/rule.h"

namespace specdec {
namespace {

ProgramResult check(const std::string& script, const std::string& root) {
  return run_program({"cmake", "-DROOT=" + root, "-P", SPECDEC_SOURCE_DIR "/tests/" + script});
}

// A small tree that keeps every rule, and the same tree with one file that breaks one.
void plant_tree(const TemporaryDirectory& tree) {
  tree.write(".clang-format", "BasedOnStyle: Google\n");
  tree.write("core/a.h", "#pragma once\n#include <vector>\n");
  tree.write("core/a.cc", "#include \"core/a.h\"\n\n#include <nlohmann/json.hpp>\n\n#include \"core/files/json.h\"\n");
  tree.write("core/files/json.h", "#pragma once\n#include <nlohmann/json.hpp>\n");
  tree.write("draft/b.h", "#pragma once\n#include \"core/a.h\"\n#include \"draft/c.h\"\n");
  tree.write("notebooks-export/e.cc", "#include \"experiments/result_table.h\"\n");
  tree.write("cli/main.cc", "#include <CLI/CLI.hpp>\n\n#include \"notebooks-export/e.h\"\n");
}

void expect_caught(const std::string& script, std::string_view file, std::string_view text,
                   std::string_view complaint) {
  const TemporaryDirectory tree;
  plant_tree(tree);
  const ProgramResult before = check(script, tree.path());
  ASSERT_EQ(before.exit_code, 0) << before.output;
  if (before.output.starts_with("skipped")) GTEST_SKIP() << before.output;
  tree.write(file, text);
  const ProgramResult after = check(script, tree.path());
  EXPECT_NE(after.exit_code, 0) << file << ": " << text;
  EXPECT_NE(after.output.find(file), std::string::npos) << after.output;
  EXPECT_NE(after.output.find(complaint), std::string::npos) << after.output;
}

TEST(Structure, IncludesPointOneWay) {
  const ProgramResult result = check("layers.cmake", SPECDEC_SOURCE_DIR);
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(Structure, LayerCheckSeesPlantedViolations) {
  const std::string script = "layers.cmake";
  expect_caught(script, "core/x.cc", "#include \"draft/b.h\"\n", "core may include only core");
  expect_caught(script, "core/deep/x.h", "#  include \"tokenizers/t.h\"\n", "core may include only core");
  expect_caught(script, "draft/x.cc", "#include \"verify/rule.h\"\n", "draft may include only core, tokenizers, draft");
  expect_caught(script, "draft/x.cc", "#include \"b.h\"\n", "draft may include only");
  expect_caught(script, "draft/x.cc", "#include \"core/../verify/rule.h\"\n", "draft may include only");
  expect_caught(script, "draft/x.cc", "#include \"../verify/rule.h\"\n", "draft may include only");
  expect_caught(script, "notebooks-export/x.cc", "#include \"cli/command.h\"\n", "notebooks-export may include only");
  expect_caught(script, "notebooks-export/x.cc", "#include \"experiments/trial.h\"\n", "result_table.h");
  expect_caught(script, "notebooks-export/x.cc", "#include \"verify/rule.h\"\n", "result_table.h");
  expect_caught(script, "core/x.h", "#include <nlohmann/json_fwd.hpp>\n", "belongs into .cc files");
  expect_caught(script, "core/x.h", "#include \"core/files/json.h\"\n", "belongs into .cc files");
  expect_caught(script, "tokenizers/x.h", "#include <sentencepiece_processor.h>\n", "belongs into .cc files");
  expect_caught(script, "core/x.inl", "#include <cblas.h>\n", "belongs into .cc files");
  expect_caught(script, "verify/x.cc", "#include <CLI/CLI.hpp>\n", "belongs into cli");
}

TEST(Structure, SourcesAreFormatted) {
  const ProgramResult result = check("format.cmake", SPECDEC_SOURCE_DIR);
  if (result.output.starts_with("skipped")) GTEST_SKIP() << result.output;
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(Structure, FormatCheckSeesPlantedViolations) {
  expect_caught("format.cmake", "core/x.cc", "int  x;\n", "not formatted");
  expect_caught("format.cmake", "tests/laws/x.h", "#pragma once\nint f( int x );\n", "not formatted");
}

// Type by type, the files that define it if they are several. A test is a program of its own: it shares types with what
// it tests, and with no other test.
std::vector<std::string> types_defined_twice(const std::filesystem::path& root) {
  std::map<std::string, std::set<std::string>> files_of;
  for (const std::string_view folder :
       {"core", "tokenizers", "draft", "verify", "experiments", "notebooks-export", "cli", "tests"}) {
    if (!std::filesystem::is_directory(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc") continue;  // .inl: a part of a file that includes it
      for (const std::string& type : type_definitions(contents(entry.path())))
        files_of[type].insert(entry.path().lexically_relative(root).string());
    }
  }
  std::vector<std::string> found;
  for (const auto& [type, files] : files_of) {
    const auto is_test = [](const std::string& file) {
      return file.ends_with("_test.cc") || file.ends_with("_fuzz.cc");
    };
    if (files.size() > 1 && !std::ranges::all_of(files, is_test))
      found.push_back(fmt::format("{}: {}", type, fmt::join(files, ", ")));
  }
  return found;
}

TEST(Structure, NoTwoFilesDefineOneType) {
  EXPECT_EQ(types_defined_twice(SPECDEC_SOURCE_DIR), std::vector<std::string>{});
}

TEST(Structure, TypeCheckSeesPlantedViolations) {
  const TemporaryDirectory tree;
  plant_tree(tree);
  tree.write("core/price.h", "namespace specdec {\nstruct Price {\n  double bytes;\n};\n}  // namespace specdec\n");
  tree.write("verify/price.cc", "namespace specdec {\nnamespace {\nstruct Price {};\n}  // namespace\n}\n");
  tree.write("verify/other.h", "namespace other {\nstruct Price {};\n}\n");
  tree.write("verify/used.h", "namespace specdec {\nstruct Price;\nstruct Cost : Price {\n  Price of;\n};\n}\n");
  EXPECT_EQ(types_defined_twice(tree.path()), std::vector<std::string>{});
  tree.write("cli/price.h", "namespace specdec {\n// struct\nclass Price final : public Cost {\n int x; };\n}\n");
  EXPECT_EQ(types_defined_twice(tree.path()), std::vector<std::string>{"specdec::Price: cli/price.h, core/price.h"});
}

TEST(Structure, TypesAreFoundWhereverTheyAreDefined) {
  const auto expect_types = [](std::string_view source, const std::vector<std::string>& types) {
    EXPECT_EQ(type_definitions(source), types) << source;
  };
  expect_types("namespace a { struct B { enum class C : int { x }; }; namespace { struct D {}; } struct E {}; }",
               {"a::B", "a::B::C", "a::E"});
  expect_types("namespace a::b { class C; class C { public: struct D {}; private: union E { int x; }; }; }",
               {"a::b::C", "a::b::C::D", "a::b::C::E"});
  expect_types("template <typename T, typename = X<T>> struct A<T*> : B<T> { T x{}; };", {"A<T*>"});
  expect_types("struct [[nodiscard]] A {}; struct alignas(64) B {}; enum { x }; static struct C {} c;",
               {"A", "B", "C"});
  expect_types("int f() { struct Local {}; return 0; } auto g = [] { class Local {}; };", {});
  expect_types("template <class T> int f(class U x) { return {}; } struct A f() { return {}; }", {});
  expect_types("struct A a{}; struct A b = {}; union B;", {});
  expect_types("class A { struct B {}; int f() { struct C {}; } struct D {}; }; class A::E {};",
               {"A", "A::B", "A::D", "A::E"});
  expect_types("#define M struct N { \\\n};\n/* struct C {}; */ char q = '\\''; auto s = \"}{\"; struct D {};  // {\n",
               {"D"});
  expect_types("auto text = R\"x(struct A {)\" {)x\"; int n = 1'000; struct B {};", {"B"});
}

// Names are distinct and every kind has a summary of one line, as `--help` shows it.
template <typename Kinds>
void expect_described(const Kinds& kinds, std::string_view table) {
  EXPECT_FALSE(kinds.empty()) << table;
  std::set<std::string_view> names;
  for (const auto& kind : kinds) {
    EXPECT_TRUE(names.insert(kind.name).second) << table << ": " << kind.name;
    EXPECT_FALSE(kind.name.empty()) << table;
    EXPECT_FALSE(kind.summary.empty()) << table << ": " << kind.name;
    EXPECT_EQ(kind.summary.find('\n'), std::string_view::npos) << table << ": " << kind.name;
  }
}

TEST(Structure, EveryKindHasANameAndASummary) {
  expect_described(architectures(), "architectures");
  expect_described(checkpoint_kinds(), "checkpoint_kinds");
  expect_described(quant_formats(), "quant_formats");
  expect_described(encoders(), "encoders");
  expect_described(inventory_kinds(), "inventory_kinds");
  expect_described(drafter_kinds(), "drafter_kinds");
  expect_described(bridge_kinds(), "bridge_kinds");
  expect_described(policy_kinds(), "policy_kinds");
  expect_described(expert_policies(), "expert_policies");
  expect_described(rule_kinds(), "rules");
  expect_described(tokenizer_kinds(), "tokenizer_kinds");
  expect_described(export_formats(), "export_formats");
  expect_described(figure_kinds(), "figure_kinds");
  expect_described(commands(), "commands");
}

TEST(Dev, TellsItsCommandsAndRefusesOthers) {
  const std::string dev = SPECDEC_SOURCE_DIR "/dev";
  const ProgramResult help = run_program({dev, "help"});
  EXPECT_EQ(help.exit_code, 0) << help.output;
  for (const std::string_view command : {"run", "test", "bench", "build", "format"})
    EXPECT_NE(help.output.find(fmt::format("./dev {}", command)), std::string::npos) << help.output;
  EXPECT_EQ(run_program({dev, "tset"}).exit_code, 2);
}

}  // namespace
}  // namespace specdec
