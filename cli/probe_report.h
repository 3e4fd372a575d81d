// What `specdec probe` found, for people, as JSON and as a picture.
#pragma once

#include <string>

#include "cli/origin.h"
#include "experiments/probe.h"

namespace specdec {

struct ProbeReport {
  std::string command, date;  // UTC
  std::vector<Option> options;
  Probe found;
};

std::string summary_of(const ProbeReport& report);
std::string json_of(const ProbeReport& report);  // one object; units are in the names
std::string picture_of(const Probe& found);

}  // namespace specdec
