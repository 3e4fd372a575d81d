#include "cli/prompt.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/error_line.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

class Prompts : public testing::Test {
 protected:
  Prompts() : standard_input_(::dup(STDIN_FILENO)) {}
  ~Prompts() override {
    ::dup2(standard_input_, STDIN_FILENO);
    ::close(standard_input_);
  }

  void standard_input_is(const std::filesystem::path& file) const {
    const int fd = ::open(file.c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    ::dup2(fd, STDIN_FILENO);
    ::close(fd);
  }

  const TemporaryDirectory directory_;

 private:
  int standard_input_;
};

TEST_F(Prompts, OptionsGoFirst) {
  standard_input_is(directory_.write("in", "piped"));
  EXPECT_EQ(choose_prompt("given", {}).text, "given");
  EXPECT_EQ(choose_prompt("", {}).text, "");
  EXPECT_EQ(choose_prompt({}, directory_.write("p", "from a file\n")).text, "from a file\n");
  EXPECT_EQ(choose_prompt({}, directory_.write("empty", "")).source, "--prompt-file");
}

TEST_F(Prompts, StandardInputIsReadWhenItHoldsSomething) {
  standard_input_is(directory_.write("in", "piped"));
  EXPECT_EQ(choose_prompt({}, {}).text, "piped");
  standard_input_is(directory_.write("nothing", ""));
  EXPECT_EQ(choose_prompt({}, {}).text, built_in_prompt());
  standard_input_is("/dev/null");
  EXPECT_EQ(choose_prompt({}, {}).source, "built in");
}

TEST_F(Prompts, WhatCannotBeReadIsAnError) {
  expect_error([&] { choose_prompt("a", "b"); }, {"--prompt", "--prompt-file", "one of them"});
  expect_error([&] { choose_prompt({}, directory_.path() / "gone"); }, {"gone", "No such file"});
  expect_error([&] { choose_prompt({}, directory_.path()); }, {"directory"});
}

}  // namespace
}  // namespace specdec
