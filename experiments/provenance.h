// Where a result comes from: what a number cannot do without.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "experiments/machine.h"
#include "experiments/trial.h"

namespace specdec {

std::string_view version();                   // of this program: number and commit
std::string utc_text(std::time_t time);       // "2026-11-21T10:52:11Z"
std::time_t time_of(const std::string& utc);  // Throws Error for another form.
std::string utc_now();

// JSON text.
std::string json_of(const Machine& machine, int threads, const std::string& instruction_set);

// The head of a report for people: program and date, machine, model.
std::string head_of(std::string_view date, const Machine& machine, int threads, std::string_view cpu_level,
                    const LoadedTarget& target);

}  // namespace specdec
