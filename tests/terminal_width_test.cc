// What is written over itself on a terminal stays on one line of it.
#include "cli/terminal_width.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tests/children.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

TEST(TerminalWidth, ATextIsCutBetweenCharacters) {
  EXPECT_EQ(cut_to_width("größer", 6), "größer");
  EXPECT_EQ(cut_to_width("größer", 5), "größ…");
  EXPECT_EQ(cut_to_width("größer", 4), "grö…");
  EXPECT_EQ(cut_to_width("größer", 1), "…");
  EXPECT_EQ(cut_to_width("größer", 0), "");
  EXPECT_EQ(cut_to_width("", 0), "");
}

TEST(TerminalWidth, WithoutATerminalTheEnvironmentTells) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  for (const auto& [columns, width] : {std::pair{"132", 132}, std::pair{"0", 80}, std::pair{"wide", 80}}) {
    ::setenv("COLUMNS", columns, 1);
    EXPECT_EQ(terminal_width(ends[1]), width) << columns;
  }
  ::unsetenv("COLUMNS");
  EXPECT_EQ(terminal_width(ends[1]), 80);
  for (const int end : ends) ::close(end);
}

class Terminal {
 public:
  explicit Terminal(unsigned short columns) : side_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(side_), 0);
    EXPECT_EQ(::unlockpt(side_), 0);
    program_ = ::open(::ptsname(side_), O_RDWR | O_NOCTTY | O_CLOEXEC);
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::ioctl(program_, TIOCSWINSZ, &size), 0);
  }
  ~Terminal() { ::close(side_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int program() const { return program_; }
  std::string written() {  // until the program ends
    ::close(program_);
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t count = 0; (count = ::read(side_, buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(count));
    return text;
  }

 private:
  int side_, program_ = -1;
};

TEST(TerminalWidth, ProgressOfASweepStaysOnItsLine) {
  constexpr std::size_t kColumns = 40;
  const TemporaryDirectory directory;
  const std::string prompts = directory.write("prompts.txt", "for (int i = 0; i < 3; ++i)\n").string();
  const std::string config =
      directory
          .write("c.json",
                 fmt::format(R"({{"name": "narrow", "options": {{"prompts": "{}", "max_tokens": 4, "draft": "ngram"}},
                                  "product": {{"k": [1, 2]}}, "repeats": 2}})",
                             prompts))
          .string();
  const std::string store = (directory.path() / "store.db").string();
  Terminal terminal(kColumns);
  EXPECT_EQ(terminal_width(terminal.program()), static_cast<int>(kColumns));
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(terminal.program(), STDOUT_FILENO);
    ::execl(SPECDEC_PROGRAM, SPECDEC_PROGRAM, "sweep", config.c_str(), "--store", store.c_str(), nullptr);
    ::_exit(127);
  }
  const std::string text = terminal.written();
  EXPECT_EQ(exit_code_of(child), 0) << text;
  const std::string again = "\r\x1b[K";
  int lines = 0;
  for (std::size_t at = text.find(again); at != text.npos; at = text.find(again, at + 1), ++lines) {
    const std::size_t begin = at + again.size();
    const std::string line = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
    const auto width = std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LT(static_cast<std::size_t>(width), kColumns) << line;
    EXPECT_TRUE(line.ends_with("…")) << line;
  }
  EXPECT_EQ(lines, 4) << text;
}

}  // namespace
}  // namespace specdec
