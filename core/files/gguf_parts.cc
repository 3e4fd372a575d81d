// Which files belong to one GGUF checkpoint.
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/files/gguf.h"

namespace specdec {

namespace fs = std::filesystem;

namespace {

// name-00002-of-00003.gguf: llama_split_path of llama.cpp.
struct PartName {
  std::string before;
  int number, count;
};

std::optional<PartName> part_name(const fs::path& path) {
  constexpr std::size_t kDigits = 5;
  constexpr std::string_view kOf = "-of-";
  const std::string stem = path.stem().string();
  const std::size_t length = 1 + kDigits + kOf.size() + kDigits;
  if (path.extension() != ".gguf" || stem.size() <= length) return std::nullopt;
  const std::string_view tail = std::string_view(stem).substr(stem.size() - length);
  const auto number = [](std::string_view digits) {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
  };
  const int part = number(tail.substr(1, kDigits)), count = number(tail.substr(length - kDigits));
  if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf || part < 1 || count < part) return std::nullopt;
  return PartName{stem.substr(0, stem.size() - length), part, count};
}

fs::path path_of_part(const fs::path& directory, const PartName& name, int number) {
  return directory / fmt::format("{}-{:05}-of-{:05}.gguf", name.before, number, name.count);
}

std::vector<fs::path> files_with(const fs::path& directory, std::string_view extension) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, failure))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

}  // namespace

bool is_gguf(const fs::path& path) {
  if (!fs::is_directory(path)) return path.extension() == ".gguf";
  return !files_with(path, ".gguf").empty() && files_with(path, ".safetensors").empty();
}

fs::path first_gguf(const fs::path& path) {
  if (!fs::is_directory(path)) {
    const std::optional<PartName> name = part_name(path);
    return name ? path_of_part(path.parent_path(), *name, 1) : path;
  }
  std::vector<fs::path> firsts;
  for (const fs::path& file : files_with(path, ".gguf")) {
    const fs::path first = first_gguf(file);
    if (std::ranges::find(firsts, first) == firsts.end()) firsts.push_back(first);
  }
  if (firsts.size() != 1) {
    std::vector<std::string> names;
    for (const fs::path& first : firsts) names.push_back(first.filename().string());
    throw Error("{}: holds {} GGUF checkpoints: {}; name the file itself", path.string(), names.size(),
                fmt::join(names, ", "));
  }
  return firsts.front();
}

std::vector<std::unique_ptr<GgufFile>> open_gguf(const fs::path& path) {
  const fs::path first = first_gguf(path);
  const std::optional<PartName> name = part_name(first);
  if (name && !fs::exists(first))
    throw Error("{}: missing; it is the first of {} parts and holds the metadata; fetch the checkpoint again",
                first.string(), name->count);
  std::vector<std::unique_ptr<GgufFile>> files;
  files.push_back(std::make_unique<GgufFile>(first));
  const GgufMetadata& metadata = files.front()->content().metadata;
  const std::int64_t count = metadata.integer("split.count").value_or(1);
  if (count > 1 && (!name || name->count != count))
    throw Error(
        "{}: is part {} of {} by its 'split' keys, but is not called name-00001-of-{:05}.gguf; give it the name back",
        first.string(), metadata.integer("split.no").value_or(0) + 1, count, count);
  std::int64_t tensors = static_cast<std::int64_t>(files.front()->content().tensors.size());
  for (int number = 2; number <= count; ++number) {
    const fs::path part = path_of_part(first.parent_path(), *name, number);
    if (!fs::exists(part))
      throw Error("{}: missing; {} says that there are {} parts; fetch the checkpoint again", part.string(),
                  first.filename().string(), count);
    files.push_back(std::make_unique<GgufFile>(part));
    const Gguf& content = files.back()->content();
    if (content.metadata.integer("split.no").value_or(-1) != number - 1)
      throw Error("{}: says by 'split.no' that it is not part {}; fetch the checkpoint again", part.string(), number);
    tensors += static_cast<std::int64_t>(content.tensors.size());
  }
  const std::int64_t expected = metadata.integer("split.tensors.count").value_or(tensors);
  if (tensors != expected)
    throw Error("{}: 'split.tensors.count' is {}, but the {} parts hold {} tensors; fetch the checkpoint again",
                first.string(), expected, files.size(), tensors);
  return files;
}

}  // namespace specdec
