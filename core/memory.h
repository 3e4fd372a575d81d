// How much memory a process may still take here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace specdec {

// Free or easily freed: what the system says, and what the limits of this process's control groups (version 2) leave; a
// very large number if nothing is known.
std::int64_t available_memory();

// Of this process, at most so far: the pages of files that it looked at count, too.
std::int64_t peak_memory();

// For a program that makes and drops laws of up to megabytes in every step: what is freed stays with the process, up to
// 256 MiB. Memory that goes back to the kernel each time comes back page by page, which takes longer than to fill it.
void keep_freed_memory();

// "128GiB", "137.4GB", "512MiB"; throws UsageError, which says what `what` is, such as "--memory".
std::int64_t parse_bytes(const std::string& text, std::string_view what);

// What weights may take of it: the rest is for states, buffers and the pages that weights are read through.
std::int64_t memory_for_weights();

}  // namespace specdec
