#include "cli/prompt.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/files/mapped_file.h"

namespace specdec {
namespace {

// Nobody knows why a program hangs that waits for a pipe which another program left open.
void say_when_waiting() {
  constexpr int kPatience_ms = 500;
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (::poll(&input, 1, kPatience_ms) == 0) {
    fmt::print(stderr, "specdec: waiting for a prompt on standard input; give --prompt TEXT to use that instead\n");
  }
}

// A terminal is not read: the user would not know that the program waits. Neither is /dev/null.
bool standard_input_is_worth_reading() {
  struct stat status;
  return ::fstat(STDIN_FILENO, &status) == 0 && !S_ISCHR(status.st_mode) && !S_ISDIR(status.st_mode);
}

std::string read_standard_input() {
  say_when_waiting();
  constexpr std::size_t kMostBytes = 256 << 20;
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("cannot read the prompt from standard input: {}", std::strerror(errno));
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMostBytes) {
      throw Error("standard input has more than {} MB; no model can see a prompt as long as that", kMostBytes >> 20);
    }
  }
}

}  // namespace

Prompt choose_prompt(const std::optional<std::string>& text, const std::optional<std::string>& file) {
  if (text && file) throw UsageError("--prompt and --prompt-file are both given; expected one of them");
  if (text) return {*text, "--prompt"};
  if (file) return {std::string(MappedFile(*file).text()), "--prompt-file"};
  if (standard_input_is_worth_reading()) {
    const std::string piped = read_standard_input();
    if (!piped.empty()) return {piped, "standard input"};
  }
  return {std::string(built_in_prompt()), "built in"};
}

std::string_view built_in_prompt() {
  return R"({
  "version": "2.0",
  "metadata": {
    "apiVersion": "2020-10-01",
    "endpointPrefix": "greenhouse",
)";
}

}  // namespace specdec
