#include "experiments/process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace specdec {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// In ticks since the machine started: field 22 of proc(5), counted behind the name, which may hold anything. Empty if
// there is no such process.
std::string started(const std::string& number) {
  const std::string stat = contents(fmt::format("/proc/{}/stat", number));
  const std::size_t behind_name = stat.rfind(')');
  if (behind_name == std::string::npos) return {};
  std::istringstream fields(stat.substr(behind_name + 1));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i) {
    if (i == 3 && (field == "Z" || field == "X")) return {};  // dead, and only not yet waited for
  }
  return field;
}

std::string machine_start() {
  std::string id = contents("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::string name_of(const std::string& number) {
  return fmt::format("{} {} {}", number, started(number), machine_start());
}

}  // namespace

std::string this_process() { return name_of(std::to_string(getpid())); }

bool process_lives(const std::string& process) {
  const std::string number = process.substr(0, process.find(' '));
  return !started(number).empty() && name_of(number) == process;
}

}  // namespace specdec
