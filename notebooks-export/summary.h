// What a reader meets first.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "experiments/result_table.h"

namespace specdec {

// One sentence: which lossless arm is the fastest, by how much, and whether chance alone could have done it.
std::string finding_of(const Results& results);

// Of the table `arms` the columns that answer the question, as far as they were measured.
Table summary_of(const Results& results);

// Experiment, question, method, finding, warnings and provenance, each with its name.
std::vector<std::pair<std::string, std::string>> about(const Results& results);

// Of all tables: table, column, unit, meaning.
Table codebook_of(const Results& results);

}  // namespace specdec
