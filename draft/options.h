// key=value options of a kind: every value is checked, and a key that nobody asked for is an error that lists the rest.
//   Options options(spec.options, "drafter small");
//   temperature = options.number("temperature", 1.0, 0.0, 100.0);
//   depths = options.numbers("depths", {1, 3, 5}, 0, 64);   // depths=2/4
//   options.refuse_unknown();
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

// NAME[,key=value…], as it is typed. owner: in errors, with the name after it.
struct NamedOptions {
  std::string name;
  std::map<std::string, std::string> values;
};
NamedOptions split_options(std::string_view text, std::string_view owner);

class Options {
 public:
  Options(std::map<std::string, std::string> values, std::string owner);

  int integer(const std::string& key, int otherwise, int least, int most);
  double number(const std::string& key, double otherwise, double least, double most);
  std::vector<double> numbers(const std::string& key, std::vector<double> otherwise, double least, double most);
  // expected: what may stand there, for the error if nothing does.
  std::string text(const std::string& key, const std::string& otherwise, std::string_view expected);
  // `elsewhere`: options of the same owner that others ask for.
  void refuse_unknown(std::vector<std::string> elsewhere = {}) const;

  const std::map<std::string, std::string>& unread() const { return values_; }
  const std::vector<std::string>& known() const { return known_; }  // keys that were asked for

 private:
  std::map<std::string, std::string> values_;  // not asked for yet
  std::string owner_;
  std::vector<std::string> known_;
};

}  // namespace specdec
