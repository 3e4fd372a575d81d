#include "tests/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "core/error.h"

namespace specdec {

ProgramResult run_program(std::vector<std::string> command, std::size_t interrupt_after) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  std::array<int, 2> ends{};
  SPECDEC_ASSERT(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  SPECDEC_ASSERT(child >= 0);
  if (child == 0) {
    ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  ProgramResult result;
  std::array<char, 4096> buffer{};
  for (ssize_t size; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    const bool interrupted = result.output.size() >= interrupt_after;
    result.output.append(buffer.data(), static_cast<std::size_t>(size));
    if (!interrupted && result.output.size() >= interrupt_after) ::kill(child, SIGINT);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace specdec
