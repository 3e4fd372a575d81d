#include "experiments/prompt_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "core/error.h"
#include "core/files/mapped_file.h"
#include "experiments/prompt_records.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

template <typename Named>
const Named* find_named(std::span<const Named> all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &Named::name);
  return found == all.end() ? nullptr : &*found;
}

template <typename Named>
std::string names_of(std::span<const Named> all) {
  std::vector<std::string_view> names;
  for (const Named& one : all) names.push_back(one.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<NamedPrompt> prompts_of_set(std::string_view name) {
  const NamedText& set = *find_named(prompt_files(), name);
  return find_named(prompt_formats(), "ours")->read({std::string(set.name), set.text});
}

std::vector<NamedPrompt> of_domain(std::vector<NamedPrompt> prompts, std::string_view set, std::string_view domain) {
  std::set<std::string> domains;
  for (const NamedPrompt& prompt : prompts) domains.insert(prompt.domain);
  std::erase_if(prompts, [&](const NamedPrompt& prompt) { return prompt.domain != domain; });
  if (prompts.empty()) {
    throw Error("prompts {}:{}: no such domain; {} has {}", set, domain, set, fmt::join(domains, ", "));
  }
  return prompts;
}

const PromptFormat& format_of(const PromptFile& file) {
  for (const PromptFormat& format : prompt_formats()) {
    if (format.recognises(file)) return format;
  }
  std::vector<std::string> known;
  for (const PromptFormat& format : prompt_formats()) {
    known.push_back(fmt::format("{} ({})", format.name, format.summary));
  }
  throw Error("{}:1: is in no known format of prompts; expected one of: {}; or name one: FORMAT:FILE", file.name,
              fmt::join(known, "; "));
}

// SET, SET:DOMAIN, FORMAT:FILE or FILE
struct PromptSpec {
  std::string set = {}, file = {};  // one of them
  std::optional<std::string> domain = {};
  const PromptFormat* format = nullptr;
};

PromptSpec parse_prompt_spec(const std::string& spec) {
  const std::size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  const auto rest = colon == spec.npos ? std::nullopt : std::optional(spec.substr(colon + 1));
  if (find_named(prompt_files(), name) != nullptr) return {.set = name, .domain = rest};
  const PromptFormat* format = rest ? find_named(prompt_formats(), name) : nullptr;
  return {.file = format != nullptr ? *rest : spec, .format = format};
}

std::vector<NamedPrompt> prompts_of_file(const std::string& path, const PromptFormat* format) {
  if (!fs::exists(path)) {
    throw Error("prompts {}: no such file, and no set of that name; the sets are {}; a file may be FORMAT:FILE with {}",
                path, names_of(prompt_files()), names_of(prompt_formats()));
  }
  const MappedFile mapped(path);
  const PromptFile file{path, mapped.text()};
  std::vector<NamedPrompt> prompts = (format != nullptr ? *format : format_of(file)).read(file);
  if (prompts.empty()) throw Error("{}: no prompts in it", path);
  return prompts;
}

}  // namespace

std::vector<NamedPrompt> built_in_prompts() {
  std::vector<NamedPrompt> all = prompts_of_set("losslessness");
  for (NamedPrompt& prompt : prompts_of_set("more")) all.push_back(std::move(prompt));
  return all;
}

std::vector<NamedPrompt> read_prompts(const std::string& spec) {
  const PromptSpec asked = parse_prompt_spec(spec);
  if (asked.set.empty()) return prompts_of_file(asked.file, asked.format);
  std::vector<NamedPrompt> prompts = prompts_of_set(asked.set);
  return asked.domain ? of_domain(std::move(prompts), asked.set, *asked.domain) : prompts;
}

fs::path prompt_path(const std::string& spec) { return parse_prompt_spec(spec).file; }

std::vector<std::string> read_texts(const std::filesystem::path& path) {
  std::vector<std::string> texts;
  const MappedFile file(path);
  for_each_record({path.string(), file.text()},
                  [&](const JsonNode& record, int) { texts.emplace_back(record.at("text").text()); });
  return texts;
}

}  // namespace specdec
