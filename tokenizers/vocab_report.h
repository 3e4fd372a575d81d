// Can this drafter guess for this target? What two vocabularies have in common, where they differ, and the verdict with
// its reasons.
//   const VocabReport report = compare({"demo-moe", *target}, {"demo-draft-spm", *draft});
//   fmt::print("{}", to_text(report));
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/vocab_map.h"

namespace specdec {

enum class VocabVerdict {
  same_ids,  // usable as is: every id that both have means the same bytes
  bridge,    // usable through a VocabMap
  no,
};
std::string_view name_of(VocabVerdict verdict);
int exit_code_of(VocabVerdict verdict);  // 0, 3, 4

struct VocabSource {
  std::string name;
  const Tokenizer& tokenizer;
  std::optional<int> rows;  // of the model's output head, if it is known
};

struct VocabReport {
  struct Side {
    std::string name;
    int size = 0;   // the highest id + 1
    int base = 0;   // pieces that are not added tokens
    int added = 0;  // added tokens
    int special = 0;
    int holes = 0;  // ids below size that no piece has
    std::optional<int> rows;
    struct Special {
      std::string role;
      int id;
      std::string text;
    };
    std::vector<Special> roles;
  };
  Side target, draft;

  int same = 0;           // same id, same bytes
  int other_meaning = 0;  // ids that both have, with different bytes
  int moved = 0;          // same bytes under another id
  int by_role = 0;        // beginning or end of text, under different names
  int draft_only = 0;     // pieces of the draft that the target lacks
  int target_only = 0;
  int beyond_target = 0;  // pieces of the draft with an id that no piece of the target has

  // The first few of each, printable.
  struct Example {
    std::optional<int> draft, target;
    std::string draft_text, target_text;
  };
  std::vector<Example> first_other_meaning, first_moved, first_draft_only, first_target_only;

  VocabVerdict verdict = VocabVerdict::no;
  std::vector<std::string> reasons;
};

VocabReport compare(const VocabSource& target, const VocabSource& draft);

std::string to_text(const VocabReport& report);  // for people, several lines
std::string to_json(const VocabReport& report);  // the same facts

}  // namespace specdec
