// Whether files are what they were, by a sample of what is in them.
#pragma once

#include <filesystem>
#include <string>

namespace specdec {

// Of a file, or of all files of a directory by their names: sizes, and their contents but for the middle of large ones.
// Empty if there is nothing.
std::string hash_of_files(const std::filesystem::path& path);
// The same without weights: of what says which tokens a text is.
std::string hash_of_texts(const std::filesystem::path& path);

}  // namespace specdec
